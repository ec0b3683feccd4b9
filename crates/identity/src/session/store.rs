use chrono::{DateTime, Utc};
use lyceum_http::ClientInfo;
use lyceum_store::StoreError;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Proof;

/// Lets the audit log name the person who is just being signed in or out.
pub(crate) async fn act_as(connection: &mut PgConnection, user: Uuid) -> Result<(), StoreError> {
    sqlx::query!("SELECT set_config('app.current_user_id', $1, true)", user.to_string())
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// A session to be written.
pub(crate) struct NewSession<'a> {
    pub(crate) id: Uuid,
    pub(crate) user: Uuid,
    pub(crate) hash: &'a [u8; 32],
    pub(crate) client: &'a ClientInfo,
    pub(crate) proof: Proof,
    pub(crate) now: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Writes a new session.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    new: &NewSession<'_>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO identity.user_sessions
           (id, user_id, refresh_hash, rotated_at, device_info, ip_address, expires_at,
            last_used_at, created_at, method, second_factor, oidc_provider_id, authenticated_at)
         VALUES ($1, $2, $3, $4, $5, $6::text::inet, $7, $4, $4, $8, $9, $10, $4)",
        new.id,
        new.user,
        new.hash.as_slice(),
        new.now,
        new.client.user_agent.as_deref(),
        new.client.ip.map(|ip| ip.to_string()),
        new.expires_at,
        new.proof.method,
        new.proof.second_factor,
        new.proof.provider,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What refreshing needs to know of a session.
pub(crate) struct LivingSession {
    pub(crate) user_id: Uuid,
    pub(crate) refresh_hash: Vec<u8>,
    pub(crate) generation: i32,
    pub(crate) rotated_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) created_at: DateTime<Utc>,
}

/// A session that has not ended, of an active user; locked until the transaction ends.
pub(crate) async fn living_for_update(
    connection: &mut PgConnection,
    session: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<LivingSession>, StoreError> {
    Ok(sqlx::query_as!(
        LivingSession,
        "SELECT s.user_id, s.refresh_hash, s.generation, s.rotated_at, s.expires_at, s.created_at
         FROM identity.user_sessions s JOIN identity.users u ON u.id = s.user_id
         WHERE s.id = $1 AND s.revoked_at IS NULL AND s.expires_at > $2
           AND u.status = 'active' AND u.deleted_at IS NULL
         FOR UPDATE OF s",
        session,
        now,
    )
    .fetch_optional(connection)
    .await?)
}

/// Puts the next refresh token into force.
pub(crate) async fn rotate(
    connection: &mut PgConnection,
    session: Uuid,
    generation: i32,
    hash: &[u8; 32],
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE identity.user_sessions
         SET generation = $2, refresh_hash = $3, rotated_at = $4, last_used_at = $4,
             expires_at = $5
         WHERE id = $1",
        session,
        generation,
        hash.as_slice(),
        now,
        expires_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends a session of this user; says whether there was one to end.
pub(crate) async fn revoke(
    connection: &mut PgConnection,
    user: Uuid,
    session: Uuid,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE identity.user_sessions SET revoked_at = $4, revoked_reason = $3
         WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $4",
        session,
        user,
        reason,
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends a session whose token was shown; answers the issuer that had vouched for the person.
pub(crate) async fn sign_out(
    connection: &mut PgConnection,
    session: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<Uuid>, StoreError> {
    let found = sqlx::query!(
        r#"SELECT user_id, oidc_provider_id FROM identity.user_sessions
           WHERE id = $1 AND revoked_at IS NULL"#,
        session,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(found) = found else { return Ok(None) };
    act_as(connection, found.user_id).await?;
    sqlx::query!(
        "UPDATE identity.user_sessions SET revoked_at = $2, revoked_reason = 'signed_out'
         WHERE id = $1 AND revoked_at IS NULL",
        session,
        now,
    )
    .execute(connection)
    .await?;
    Ok(found.oidc_provider_id)
}

/// Ends all sessions of a user but one.
pub(crate) async fn revoke_others(
    connection: &mut PgConnection,
    user: Uuid,
    keep: Option<Uuid>,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE identity.user_sessions SET revoked_at = $4, revoked_reason = $3
         WHERE user_id = $1 AND id IS DISTINCT FROM $2 AND revoked_at IS NULL",
        user,
        keep,
        reason,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A session as its owner sees it.
pub(crate) struct SessionRow {
    pub(crate) id: Uuid,
    pub(crate) device_info: Option<String>,
    pub(crate) ip_address: Option<String>,
    pub(crate) method: String,
    pub(crate) second_factor: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) last_used_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// The user's sessions that have not ended, last used first.
pub(crate) async fn list(
    connection: &mut PgConnection,
    user: Uuid,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<SessionRow>, StoreError> {
    Ok(sqlx::query_as!(
        SessionRow,
        r#"SELECT id, device_info, host(ip_address) AS ip_address, method, second_factor,
                  created_at, last_used_at, expires_at
           FROM identity.user_sessions
           WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
           ORDER BY last_used_at DESC, id DESC LIMIT $3"#,
        user,
        now,
        limit,
    )
    .fetch_all(connection)
    .await?)
}

/// When the person of a living session last proved who they are.
pub(crate) async fn authenticated_at(
    connection: &mut PgConnection,
    user: Uuid,
    session: Uuid,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    Ok(sqlx::query_scalar!(
        "SELECT authenticated_at FROM identity.user_sessions
         WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL",
        session,
        user,
    )
    .fetch_optional(connection)
    .await?)
}

/// Notes that the person of a session proved who they are, and with which second factor.
pub(crate) async fn note_proof(
    connection: &mut PgConnection,
    user: Uuid,
    session: Uuid,
    second_factor: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE identity.user_sessions
         SET authenticated_at = $4, second_factor = coalesce($3, second_factor)
         WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL",
        session,
        user,
        second_factor,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}
