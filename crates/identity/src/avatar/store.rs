use sqlx::PgConnection;
use uuid::Uuid;

use crate::IdentityError;

/// Sets the address of a user's picture.
pub(super) async fn set(
    connection: &mut PgConnection,
    user: Uuid,
    address: Option<&str>,
) -> Result<(), IdentityError> {
    sqlx::query!("UPDATE identity.users SET avatar_url = $2 WHERE id = $1", user, address)
        .execute(connection)
        .await?;
    Ok(())
}
