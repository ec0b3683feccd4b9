use chrono::{DateTime, Utc};
use lyceum_store::{Sealed, StoreError};
use sqlx::PgConnection;
use uuid::Uuid;

/// A sealed key of a provider.
pub(super) struct KeyRow {
    pub(super) id: Uuid,
    pub(super) sealed: Sealed,
}

/// All keys of providers, for taking them out of payloads.
pub(super) async fn keys(connection: &mut PgConnection) -> Result<Vec<KeyRow>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT id, encrypted_key AS "bytes!", key_id AS "key_id!"
           FROM gateway.provider_configs WHERE encrypted_key IS NOT NULL"#
    )
    .fetch_all(connection)
    .await?;
    let row = |id, bytes, key_id| KeyRow { id, sealed: Sealed { key_id, bytes } };
    Ok(rows.into_iter().map(|found| row(found.id, found.bytes, found.key_id)).collect())
}

/// Whether e-mail addresses are taken out.
pub(super) async fn redacts_emails(connection: &mut PgConnection) -> Result<bool, StoreError> {
    let value = sqlx::query_scalar!(
        "SELECT value = 'true'::jsonb FROM ops.system_configs WHERE key = 'payloads.redact_emails'"
    )
    .fetch_optional(connection)
    .await?;
    Ok(value.flatten().unwrap_or(false))
}

/// A payload to be written.
pub(super) struct NewPayload {
    pub(super) id: Uuid,
    pub(super) user_id: Uuid,
    pub(super) sealed: Sealed,
}

/// Writes the payloads of people who are still there.
pub(super) async fn insert(
    connection: &mut PgConnection,
    payloads: &[NewPayload],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for payload in payloads {
        sqlx::query!(
            "INSERT INTO gateway.call_payloads
               (id, user_id, encrypted_payload, key_id, created_at, updated_at)
             SELECT $1, u.id, $3, $4, $5, $5 FROM identity.users u WHERE u.id = $2
             ON CONFLICT (id) DO NOTHING",
            payload.id,
            payload.user_id,
            payload.sealed.bytes,
            payload.sealed.key_id,
            now,
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// A payload as it is stored.
pub(super) struct PayloadRow {
    pub(super) sealed: Sealed,
    pub(super) created_at: DateTime<Utc>,
}

/// The payload of a call that `user` made, or anybody if `None`.
pub(super) async fn find(
    connection: &mut PgConnection,
    call: Uuid,
    user: Option<Uuid>,
) -> Result<Option<PayloadRow>, StoreError> {
    let row = sqlx::query!(
        "SELECT encrypted_payload, key_id, created_at FROM gateway.call_payloads
         WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2)",
        call,
        user,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| PayloadRow {
        sealed: Sealed { key_id: row.key_id, bytes: row.encrypted_payload },
        created_at: row.created_at,
    }))
}

/// Deletes payloads that are older than the setting says; answers how many.
pub(super) async fn forget(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "DELETE FROM gateway.call_payloads WHERE id IN (
             SELECT p.id FROM gateway.call_payloads p
             WHERE p.created_at < $1::timestamptz - make_interval(days => (
                 SELECT (value #>> '{}')::integer FROM ops.system_configs
                 WHERE key = 'payloads.retention_days'))
             ORDER BY p.created_at LIMIT $2)",
        now,
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
