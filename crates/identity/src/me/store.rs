use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::IdentityError;

/// The account's own data.
pub(super) struct Account {
    pub(super) username: String,
    pub(super) email: String,
    pub(super) email_verified: bool,
    pub(super) pending_email: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) organization: Option<String>,
    pub(super) department: Option<String>,
    pub(super) position: Option<String>,
    pub(super) avatar_url: Option<String>,
    pub(super) timezone: String,
}

/// A living account.
pub(super) async fn account(
    connection: &mut PgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<Account>, IdentityError> {
    Ok(sqlx::query_as!(
        Account,
        r#"SELECT u.username::text AS "username!", u.email::text AS "email!", u.email_verified,
                  (SELECT l.email::text FROM identity.account_links l
                   WHERE l.user_id = u.id AND l.purpose = 'change_email' AND l.used_at IS NULL
                     AND l.expires_at > $2 AND l.previous_email = u.email) AS pending_email,
                  u.display_name, u.first_name, u.last_name, u.organization, u.department,
                  u.position, u.avatar_url, u.timezone
           FROM identity.users u WHERE u.id = $1 AND u.deleted_at IS NULL"#,
        id,
        now,
    )
    .fetch_optional(connection)
    .await?)
}

/// All preferences of a user.
pub(super) async fn preferences(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<Vec<(String, Value)>, IdentityError> {
    let rows =
        sqlx::query!("SELECT key, value FROM identity.user_preferences WHERE user_id = $1", user)
            .fetch_all(connection)
            .await?;
    Ok(rows.into_iter().map(|row| (row.key, row.value)).collect())
}

pub(super) async fn set_email(
    connection: &mut PgConnection,
    user: Uuid,
    email: &str,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "UPDATE identity.users
         SET email = $2::text::citext,
             email_verified = email_verified AND email = $2::text::citext
         WHERE id = $1",
        user,
        email,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn set_timezone(
    connection: &mut PgConnection,
    user: Uuid,
    timezone: &str,
) -> Result<(), IdentityError> {
    sqlx::query!("UPDATE identity.users SET timezone = $2 WHERE id = $1", user, timezone)
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes a preference; says no where it would be one more than `limit`.
pub(super) async fn put_preference(
    connection: &mut PgConnection,
    id: Uuid,
    user: Uuid,
    key: &str,
    value: &Value,
    limit: i64,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "INSERT INTO identity.user_preferences (id, user_id, key, value)
         SELECT $1, $2, $3, $4
         WHERE (SELECT count(*) FROM identity.user_preferences
                WHERE user_id = $2 AND key <> $3) < $5
         ON CONFLICT ON CONSTRAINT user_preferences_user_id_key
         DO UPDATE SET value = excluded.value",
        id,
        user,
        key,
        value,
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn remove_preference(
    connection: &mut PgConnection,
    user: Uuid,
    key: &str,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "DELETE FROM identity.user_preferences WHERE user_id = $1 AND key = $2",
        user,
        key
    )
    .execute(connection)
    .await?;
    Ok(())
}
