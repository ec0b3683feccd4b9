use chrono::{DateTime, Utc};
use lyceum_store::StoreError;
use sqlx::PgConnection;
use uuid::Uuid;

/// What signing in needs to know of an account.
pub(super) struct Account {
    pub(super) id: Uuid,
    pub(super) password_hash: Option<String>,
    pub(super) active: bool,
}

/// The living account with this username or e-mail address. No username has an `@`, so there is at
/// most one.
pub(super) async fn account(
    connection: &mut PgConnection,
    login: &str,
) -> Result<Option<Account>, StoreError> {
    Ok(sqlx::query_as!(
        Account,
        r#"SELECT id, password_hash, status = 'active' AS "active!" FROM identity.users
           WHERE deleted_at IS NULL
             AND (username = $1::text::citext OR email = $1::text::citext)
           LIMIT 1"#,
        login,
    )
    .fetch_optional(connection)
    .await?)
}

/// The password's hash of one user.
pub(super) async fn password_hash(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<Option<String>, StoreError> {
    let hash = sqlx::query_scalar!(
        "SELECT password_hash FROM identity.users WHERE id = $1 AND deleted_at IS NULL",
        user,
    )
    .fetch_optional(connection)
    .await?;
    Ok(hash.flatten())
}

/// Notes when the user last signed in.
pub(crate) async fn note_sign_in(
    connection: &mut PgConnection,
    user: Uuid,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!("UPDATE identity.users SET last_login_at = $2 WHERE id = $1", user, now)
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether the account may be used.
pub(crate) async fn is_active(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<bool, StoreError> {
    let active = sqlx::query_scalar!(
        r#"SELECT status = 'active' AS "active!" FROM identity.users
           WHERE id = $1 AND deleted_at IS NULL"#,
        user,
    )
    .fetch_optional(connection)
    .await?;
    Ok(active == Some(true))
}
