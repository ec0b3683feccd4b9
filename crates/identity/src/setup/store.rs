use chrono::{DateTime, Utc};
use lyceum_store::StoreError;
use sqlx::PgConnection;
use uuid::Uuid;

/// The token as it is kept.
pub(super) struct StoredToken {
    pub(super) id: Uuid,
    pub(super) token_hash: Vec<u8>,
    pub(super) expires_at: DateTime<Utc>,
}

/// Whoever holds this does the set-up; held to the end of the transaction.
pub(super) async fn lock(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!(
        r#"SELECT pg_advisory_xact_lock(hashtextextended('identity.setup', 0))::text AS "locked""#
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

/// Whether there is or ever was a user.
pub(super) async fn any_user(connection: &mut PgConnection) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM identity.users) AS "any!""#)
        .fetch_one(connection)
        .await?)
}

/// Keeps this token and none besides.
pub(super) async fn replace_token(
    connection: &mut PgConnection,
    id: Uuid,
    hash: &[u8; 32],
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM identity.setup_tokens").execute(&mut *connection).await?;
    sqlx::query!(
        "INSERT INTO identity.setup_tokens (id, token_hash, expires_at) VALUES ($1, $2, $3)",
        id,
        hash.as_slice(),
        expires_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The token that was not used yet.
pub(super) async fn token(
    connection: &mut PgConnection,
) -> Result<Option<StoredToken>, StoreError> {
    Ok(sqlx::query_as!(
        StoredToken,
        "SELECT id, token_hash, expires_at FROM identity.setup_tokens
         WHERE used_at IS NULL ORDER BY created_at DESC LIMIT 1"
    )
    .fetch_optional(connection)
    .await?)
}

/// Notes that the token was used.
pub(super) async fn use_token(
    connection: &mut PgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!("UPDATE identity.setup_tokens SET used_at = $2 WHERE id = $1", id, now)
        .execute(connection)
        .await?;
    Ok(())
}
