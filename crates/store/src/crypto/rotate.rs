//! Sealing every secret anew while the program serves.
//!
//! 1. A new data key is made, wrapped by the master key that the nodes already have. It is used
//!    only some seconds later, when every node has read it.
//! 2. Every sealed column is gone through in short batches, each a transaction, until nothing is
//!    left under another key.
//! 3. All data keys are wrapped by the current master key. From here on no other is needed.
//!
//! Whatever was done stands in the database, so a rotation that was cut off goes on where it was.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lyceum_core::Clock;
use serde_json::json;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::data_keys::{DataKey, KNOWN_AFTER, all};
use super::registry::{SEALED_COLUMNS, SealedColumn};
use super::{CryptoError, Keyring, MasterKeys, Sealed};
use crate::audit::{AuditEntry, record};
use crate::{Db, StoreError};

/// Secrets sealed anew in one transaction.
const BATCH: i64 = 100;
/// Held by the one rotation that runs; any number that nothing else locks.
const ROTATION: i64 = 0x6c79_6365_756d_0004;
/// A data key that is out of use stays so long, for a transaction that began before.
const KEEP_OLD_HOURS: i64 = 24;

/// How far a rotation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// An earlier rotation was cut off; this one goes on with it.
    Resumed,
    /// Waiting until every node knows the new key.
    Waiting(Duration),
    /// At work in a column.
    Column {
        /// The column.
        column: &'static SealedColumn,
        /// Secrets sealed anew in it by this run.
        done: u64,
    },
}

/// What a rotation did.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The data key that everything is sealed with now.
    pub data_key: Uuid,
    /// Secrets sealed anew by this run.
    pub secrets: u64,
    /// Data keys wrapped anew by the current master key.
    pub wrapped: u64,
    /// Master keys that nothing needs any more.
    pub removable: Vec<String>,
}

/// Seals all secrets with a new data key, and wraps all data keys by the current master key.
pub async fn rotate(
    db: &Db,
    masters: &MasterKeys,
    clock: &Clock,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Rotated, CryptoError> {
    // The lock lives as long as this transaction, which does nothing else.
    let mut lock = db.begin_maintenance().await?;
    let alone: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
        .bind(ROTATION)
        .fetch_one(&mut *lock)
        .await?;
    if !alone {
        return Err(CryptoError::Busy);
    }
    let ring = Keyring::connect(masters.clone(), db, clock.clone()).await?;
    let (key, resumed) = new_key(db, masters, clock.now()).await?;
    if resumed {
        progress(Progress::Resumed);
    }
    if let Ok(left) = (key.active_from - clock.now()).to_std() {
        progress(Progress::Waiting(left));
        tokio::time::sleep(left).await;
    }
    ring.refresh(db).await?;
    let sealing = Sealing { db, ring: &ring, key: key.id.to_string() };
    let mut secrets = 0;
    for column in SEALED_COLUMNS {
        secrets += sealing.column(column, &mut progress).await?;
    }
    let wrapped = finish(db, masters, &key, secrets, clock.now()).await?;
    lock.commit().await.map_err(StoreError)?;
    let removable = masters.ids().filter(|id| *id != masters.current()).map(str::to_owned);
    Ok(Rotated { data_key: key.id, secrets, wrapped, removable: removable.collect() })
}

/// The data key of an unfinished rotation, or a new one.
async fn new_key(
    db: &Db,
    masters: &MasterKeys,
    now: DateTime<Utc>,
) -> Result<(DataKey, bool), CryptoError> {
    let mut tx = db.begin_maintenance().await?;
    let mut keys = all(&mut tx).await?;
    if let Some(unfinished) = keys.iter().position(|key| key.rotated_at.is_none()) {
        return Ok((keys.swap_remove(unfinished), true));
    }
    // Nodes may not have the current master key yet; they have the one of the key in use.
    let in_use = keys.last().map_or(masters.current(), |key| &key.master_key_id);
    let key = DataKey::make(masters, in_use, now + KNOWN_AFTER)?;
    key.insert(&mut tx).await?;
    tx.commit().await?;
    Ok((key, false))
}

struct Sealing<'a> {
    db: &'a Db,
    ring: &'a Keyring,
    key: String,
}

/// What became of one batch.
#[derive(Default)]
struct Batch {
    last: Option<Uuid>,
    sealed: u64,
    unopened: u64,
    first_unopened: Option<Uuid>,
}

impl Sealing<'_> {
    /// Goes through the column until a whole pass finds nothing more: what a node sealed with the
    /// old key at the last moment may be committed behind a pass.
    async fn column(
        &self,
        column: &'static SealedColumn,
        progress: &mut (impl FnMut(Progress) + Send),
    ) -> Result<u64, CryptoError> {
        let mut done = 0;
        loop {
            let mut pass = Batch::default();
            loop {
                let batch = self.batch(column, pass.last).await?;
                pass.sealed += batch.sealed;
                pass.unopened += batch.unopened;
                pass.first_unopened = pass.first_unopened.or(batch.first_unopened);
                progress(Progress::Column { column, done: done + pass.sealed });
                match batch.last {
                    Some(last) => pass.last = Some(last),
                    None => break,
                }
            }
            done += pass.sealed;
            if let Some(first) = pass.first_unopened {
                let place = format!("{}.{} of {first}", column.table, column.sealed);
                return Err(CryptoError::Unopened(pass.unopened, place));
            }
            if pass.sealed == 0 {
                return Ok(done);
            }
        }
    }

    async fn batch(
        &self,
        column: &SealedColumn,
        after: Option<Uuid>,
    ) -> Result<Batch, CryptoError> {
        let mut tx = self.db.begin_maintenance().await?;
        let mut batch = Batch::default();
        for (row, bytes, key_id) in self.due(&mut tx, column, after).await? {
            batch.last = Some(row);
            let opened = self.ring.open(column.table, row, &Sealed { key_id, bytes });
            let Ok(secret) = opened else {
                batch.unopened += 1;
                batch.first_unopened = batch.first_unopened.or(Some(row));
                continue;
            };
            let sealed = self.ring.seal_with(&self.key, column.table, row, &secret)?;
            let mut query = QueryBuilder::<Postgres>::new("UPDATE ");
            query.push(column.table).push(" SET ").push(column.sealed).push(" = ");
            query.push_bind(sealed.bytes).push(", ").push(column.key_id).push(" = ");
            query.push_bind(sealed.key_id).push(" WHERE ").push(column.id).push(" = ");
            query.push_bind(row).build().execute(&mut *tx).await?;
            batch.sealed += 1;
        }
        tx.commit().await?;
        Ok(batch)
    }

    /// Locked, so that nobody changes a secret between its opening and its writing.
    async fn due(
        &self,
        connection: &mut PgConnection,
        column: &SealedColumn,
        after: Option<Uuid>,
    ) -> Result<Vec<(Uuid, Vec<u8>, String)>, sqlx::Error> {
        let mut query = QueryBuilder::<Postgres>::new("SELECT ");
        query.push(column.id).push(", ").push(column.sealed).push(", ").push(column.key_id);
        query.push(" FROM ").push(column.table).push(" WHERE ").push(column.sealed);
        query.push(" IS NOT NULL AND ").push(column.key_id).push(" <> ").push_bind(&self.key);
        if let Some(after) = after {
            query.push(" AND ").push(column.id).push(" > ").push_bind(after);
        }
        query.push(" ORDER BY ").push(column.id).push(" LIMIT ").push_bind(BATCH);
        query.push(" FOR NO KEY UPDATE").build_query_as().fetch_all(connection).await
    }
}

/// Wraps all data keys by the current master key, and forgets those that are long out of use.
async fn finish(
    db: &Db,
    masters: &MasterKeys,
    key: &DataKey,
    secrets: u64,
    now: DateTime<Utc>,
) -> Result<u64, CryptoError> {
    let mut tx = db.begin_maintenance().await?;
    let keys = all(&mut tx).await?;
    // Those before the last one went out of use when that one came into use.
    let last_old = keys.iter().rfind(|old| old.id != key.id).map(|old| old.active_from);
    let long_ago = now - TimeDelta::hours(KEEP_OLD_HOURS);
    let mut wrapped = 0;
    for old in &keys {
        if old.id != key.id && Some(old.active_from) < last_old && last_old < Some(long_ago) {
            sqlx::query("DELETE FROM ops.data_keys WHERE id = $1")
                .bind(old.id)
                .execute(&mut *tx)
                .await?;
        } else if old.master_key_id != masters.current() {
            sqlx::query(
                "UPDATE ops.data_keys SET wrapped_key = $2, master_key_id = $3 WHERE id = $1",
            )
            .bind(old.id)
            .bind(old.wrap_anew(masters)?)
            .bind(masters.current())
            .execute(&mut *tx)
            .await?;
            wrapped += 1;
        }
    }
    sqlx::query("UPDATE ops.data_keys SET rotated_at = $2 WHERE id = $1")
        .bind(key.id)
        .bind(now)
        .execute(&mut *tx)
        .await?;
    let entry = AuditEntry {
        user_id: None,
        action: "rotate",
        resource_type: "data_key",
        resource_id: Some(key.id),
        details: json!({ "secrets": secrets, "data_keys": wrapped }),
        ip: None,
        user_agent: None,
        at: now,
    };
    record(&mut tx, entry).await?;
    tx.commit().await?;
    Ok(wrapped)
}
