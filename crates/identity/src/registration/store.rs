use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::IdentityError;
use crate::mail::Language;
use crate::user::NewUser;

/// A setting of the platform; `null` where there is none.
pub(super) async fn setting(
    connection: &mut PgConnection,
    key: &str,
) -> Result<Value, IdentityError> {
    let value = sqlx::query_scalar!("SELECT value FROM ops.system_configs WHERE key = $1", key)
        .fetch_optional(connection)
        .await?;
    Ok(value.unwrap_or_default())
}

/// What is known of a wanted account.
pub(super) struct Known {
    pub(super) is_normalized: bool,
    pub(super) username_taken: bool,
    /// The account that has the address.
    pub(super) account: Option<Uuid>,
}

pub(super) async fn known(
    connection: &mut PgConnection,
    username: &str,
    email: &str,
) -> Result<Known, IdentityError> {
    Ok(sqlx::query_as!(
        Known,
        r#"SELECT $1::text IS NFKC NORMALIZED AS "is_normalized!",
                  EXISTS (SELECT FROM identity.users WHERE username = $1::text::citext
                            AND deleted_at IS NULL) AS "username_taken!",
                  (SELECT id FROM identity.users WHERE email = $2::text::citext
                     AND deleted_at IS NULL) AS account"#,
        username,
        email,
    )
    .fetch_one(connection)
    .await?)
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &NewUser,
    hash: &[u8; 32],
    language: Language,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "INSERT INTO identity.registrations
           (id, token_hash, username, email, password_hash, display_name, language, expires_at,
            created_at)
         VALUES ($1, $2, $3::text::citext, $4::text::citext, $5, $6, $7, $8, $9)",
        new.id,
        hash.as_slice(),
        new.username,
        new.email,
        new.password_hash,
        new.display_name,
        language.as_str(),
        expires_at,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A registration, used or not.
pub(super) struct Registration {
    pub(super) token_hash: Vec<u8>,
    pub(super) username: String,
    pub(super) email: String,
    pub(super) password_hash: String,
    pub(super) display_name: Option<String>,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) used_at: Option<DateTime<Utc>>,
}

pub(super) async fn for_update(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Option<Registration>, IdentityError> {
    Ok(sqlx::query_as!(
        Registration,
        r#"SELECT token_hash, username::text AS "username!", email::text AS "email!",
                  password_hash, display_name, expires_at, used_at
           FROM identity.registrations WHERE id = $1 FOR UPDATE"#,
        id,
    )
    .fetch_optional(connection)
    .await?)
}

pub(super) async fn mark_used(
    connection: &mut PgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!("UPDATE identity.registrations SET used_at = $2 WHERE id = $1", id, now)
        .execute(connection)
        .await?;
    Ok(())
}

/// Address and language of a registration that waits for its letter.
pub(crate) async fn to_be_sent(
    connection: &mut PgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<(String, String)>, IdentityError> {
    let row = sqlx::query!(
        r#"SELECT email::text AS "email!", language FROM identity.registrations
           WHERE id = $1 AND used_at IS NULL AND expires_at > $2"#,
        id,
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (row.email, row.language)))
}
