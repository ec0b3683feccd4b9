use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::IdentityError;

/// Marks a living account as deleted; says whether there was one.
pub(crate) async fn delete(
    connection: &mut PgConnection,
    user: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "UPDATE identity.users SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL",
        user,
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Takes the mark away; says whether there was one.
pub(super) async fn restore(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "UPDATE identity.users SET deleted_at = NULL WHERE id = $1 AND deleted_at IS NOT NULL",
        user,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}
