//! Forgetting by age, in a way that leaves a chain that can be verified.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{PgConnection, Row as _};

use super::canonical::{Anchor, Hash};
use super::chain::{Checkpoint, base, last_checkpoint};
use super::{AuditEntry, record};
use crate::StoreError;

/// Held by whoever verifies, shared, and by retention while it forgets, alone: dropping a partition
/// must not wait for a long reading with every writer of the log behind it.
const READING: i64 = 0x6c79_6365_756d_0002;

/// Keeps retention from forgetting until the transaction ends.
pub(super) async fn hold_off(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_advisory_xact_lock_shared($1)")
        .bind(READING)
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps everybody from verifying until the transaction ends; `false` where somebody is at it.
pub async fn hold_alone(connection: &mut PgConnection) -> Result<bool, StoreError> {
    let alone = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
        .bind(READING)
        .fetch_one(connection)
        .await?;
    Ok(alone)
}

/// States in the caller's transaction, and in the log itself, that the entries dated before
/// `before` are forgotten; they may be deleted from here on. Everything that waits has to be linked
/// by now. Answers `None` where there is nothing to forget.
pub async fn checkpoint(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<Checkpoint>, StoreError> {
    let last = last_checkpoint(connection).await?;
    // What was forgotten once stays so, although more is to be kept from now on.
    let before = last.as_ref().map_or(before, |last| last.forgotten_before.max(before));
    let base = base(&last);
    let anchor = last_forgotten(connection, base, before).await?;
    let entries: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM ops.audit_logs WHERE created_at < $1)")
            .bind(before)
            .fetch_one(&mut *connection)
            .await?;
    if !entries && anchor == base {
        return Ok(None);
    }
    let made =
        Checkpoint { id: lyceum_core::new_id(), anchor, forgotten_before: before, created_at: now };
    sqlx::query(
        "INSERT INTO ops.audit_checkpoints (id, seq, hash, forgotten_before, created_at)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(made.id)
    .bind(anchor.seq)
    .bind(&anchor.hash.0[..])
    .bind(before)
    .bind(now)
    .execute(&mut *connection)
    .await?;
    let entry = AuditEntry {
        user_id: None,
        action: "forget",
        resource_type: "audit_log",
        resource_id: Some(made.id),
        details: made.details(),
        ip: None,
        user_agent: None,
        at: now,
    };
    record(connection, entry).await?;
    Ok(Some(made))
}

/// Deletes up to `limit` links that the last checkpoint covers; answers how many.
pub async fn forget_links(connection: &mut PgConnection, limit: i64) -> Result<u64, StoreError> {
    let deleted = sqlx::query(
        "DELETE FROM ops.audit_chain WHERE seq IN (
             SELECT seq FROM ops.audit_chain
             WHERE seq <= (SELECT max(seq) FROM ops.audit_checkpoints) ORDER BY seq LIMIT $1)",
    )
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}

impl Checkpoint {
    /// What the log says of it.
    pub(super) fn details(&self) -> serde_json::Value {
        json!({
            "seq": self.anchor.seq,
            "hash": self.anchor.hash.to_string(),
            "forgotten_before": self.forgotten_before,
        })
    }
}

/// The last of the links all of whose entries, and those before, are older than `before`.
async fn last_forgotten(
    connection: &mut PgConnection,
    base: Anchor,
    before: DateTime<Utc>,
) -> Result<Anchor, StoreError> {
    let last = sqlx::query(
        "SELECT seq, hash FROM ops.audit_chain
         WHERE seq > $1 AND seq < coalesce(
             (SELECT seq FROM ops.audit_chain WHERE seq > $1 AND audit_created_at >= $2
              ORDER BY seq LIMIT 1), 9223372036854775807)
         ORDER BY seq DESC LIMIT 1",
    )
    .bind(base.seq)
    .bind(before)
    .fetch_optional(connection)
    .await?;
    Ok(match last {
        Some(row) => Anchor { seq: row.try_get("seq")?, hash: Hash::read(&row, "hash")? },
        None => base,
    })
}
