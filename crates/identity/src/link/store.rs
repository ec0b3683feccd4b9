use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Purpose;
use crate::IdentityError;

/// A link to be written.
pub(super) struct NewLink<'a> {
    pub(super) id: Uuid,
    pub(super) user: Uuid,
    pub(super) purpose: Purpose,
    pub(super) hash: &'a [u8; 32],
    pub(super) email: Option<&'a str>,
    pub(super) previous_email: Option<&'a str>,
    pub(super) now: DateTime<Utc>,
}

/// A link to a living account.
pub(crate) struct AccountLink {
    pub(crate) user_id: Uuid,
    pub(crate) purpose: String,
    pub(crate) token_hash: Vec<u8>,
    pub(crate) email: Option<String>,
    pub(crate) previous_email: Option<String>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) used_at: Option<DateTime<Utc>>,
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &NewLink<'_>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "INSERT INTO identity.account_links
           (id, user_id, purpose, token_hash, email, previous_email, expires_at, created_at)
         VALUES ($1, $2, $3, $4, $5::text::citext, $6::text::citext, $7, $8)",
        new.id,
        new.user,
        new.purpose.as_str(),
        new.hash.as_slice(),
        new.email,
        new.previous_email,
        new.now + new.purpose.lifetime(),
        new.now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn drop_unused(
    connection: &mut PgConnection,
    user: Uuid,
    purpose: Purpose,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "DELETE FROM identity.account_links
         WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL",
        user,
        purpose.as_str(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether a link of this purpose was made within `within`, so that another letter can wait.
pub(crate) async fn is_fresh(
    connection: &mut PgConnection,
    user: Uuid,
    purpose: Purpose,
    now: DateTime<Utc>,
    within: TimeDelta,
) -> Result<bool, IdentityError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM identity.account_links
                          WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL
                            AND created_at > $3) AS "fresh!""#,
        user,
        purpose.as_str(),
        now - within,
    )
    .fetch_one(connection)
    .await?)
}

/// A link of a living account, used or not.
pub(crate) async fn find(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Option<AccountLink>, IdentityError> {
    Ok(sqlx::query_as!(
        AccountLink,
        r#"SELECT l.user_id, l.purpose, l.token_hash, l.email::text, l.previous_email::text,
                  l.expires_at, l.used_at
           FROM identity.account_links l JOIN identity.users u ON u.id = l.user_id
           WHERE l.id = $1 AND u.deleted_at IS NULL"#,
        id,
    )
    .fetch_optional(connection)
    .await?)
}

pub(super) async fn for_update(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Option<AccountLink>, IdentityError> {
    sqlx::query!("SELECT id FROM identity.account_links WHERE id = $1 FOR UPDATE", id)
        .fetch_optional(&mut *connection)
        .await?;
    find(connection, id).await
}

pub(super) async fn mark_used(
    connection: &mut PgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!("UPDATE identity.account_links SET used_at = $2 WHERE id = $1", id, now)
        .execute(connection)
        .await?;
    Ok(())
}
