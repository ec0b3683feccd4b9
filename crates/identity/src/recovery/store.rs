use sqlx::PgConnection;
use uuid::Uuid;

use crate::IdentityError;

/// What a living account is called.
pub(super) struct Names {
    pub(super) username: String,
    pub(super) email: String,
}

pub(super) async fn names(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<Names, IdentityError> {
    sqlx::query_as!(
        Names,
        r#"SELECT username::text AS "username!", email::text AS "email!"
           FROM identity.users WHERE id = $1 AND deleted_at IS NULL"#,
        user,
    )
    .fetch_optional(connection)
    .await?
    .ok_or(IdentityError::NotFound("user"))
}

/// The active account with this username or address, kept from others, so that two wishes at the
/// same moment lead to one letter.
pub(super) async fn active_account(
    connection: &mut PgConnection,
    login: &str,
) -> Result<Option<Uuid>, IdentityError> {
    Ok(sqlx::query_scalar!(
        "SELECT id FROM identity.users
         WHERE deleted_at IS NULL AND status = 'active'
           AND (username = $1::text::citext OR email = $1::text::citext)
         LIMIT 1 FOR NO KEY UPDATE",
        login,
    )
    .fetch_optional(connection)
    .await?)
}

/// Gives an account whose address is `before` the proved address `email`; says whether it was.
pub(super) async fn set_verified_email(
    connection: &mut PgConnection,
    user: Uuid,
    before: &str,
    email: &str,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "UPDATE identity.users SET email = $3::text::citext, email_verified = true
         WHERE id = $1 AND email = $2::text::citext AND deleted_at IS NULL",
        user,
        before,
        email,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}
