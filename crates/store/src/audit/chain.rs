//! Linking what was written to the log and committed.

use chrono::{DateTime, Utc};
use lyceum_core::Clock;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::canonical::{Anchor, Hash, Link, entry_columns, entry_hash};
use crate::{Db, StoreError};

/// Entries linked in one transaction.
const BATCH: i64 = 5000;
/// The advisory lock of the chain's one writer; any number that nothing else locks.
const WRITER: i64 = 0x6c79_6365_756d_0001;

/// What retention forgot last.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Its row.
    pub id: Uuid,
    /// The last link that was forgotten, with all before it.
    pub anchor: Anchor,
    /// Entries of the log before this moment were forgotten.
    pub forgotten_before: DateTime<Utc>,
    /// When that was.
    pub created_at: DateTime<Utc>,
}

/// Where the chain stands.
#[derive(Clone, Debug)]
pub struct ChainState {
    /// The last link.
    pub head: Anchor,
    /// When it was linked; `None` where there is none left or none yet.
    pub linked_at: Option<DateTime<Utc>>,
    /// Committed entries that are not linked yet.
    pub pending: i64,
    /// What retention forgot last.
    pub checkpoint: Option<Checkpoint>,
}

/// Links a batch of what waits, oldest first. Answers how many entries that were; `None` where
/// another node is at it.
pub async fn link(db: &Db, clock: &Clock) -> Result<Option<usize>, StoreError> {
    let mut tx = db.begin_maintenance().await?;
    let mine: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
        .bind(WRITER)
        .fetch_one(&mut *tx)
        .await?;
    if !mine {
        return Ok(None);
    }
    let linked = link_batch(&mut tx, clock.now()).await?;
    tx.commit().await?;
    Ok(Some(linked))
}

/// Links everything that waits. Where another node is at it, it takes turns with it.
pub async fn link_all(db: &Db, clock: &Clock) -> Result<usize, StoreError> {
    let mut all = 0;
    loop {
        let mut tx = db.begin_maintenance().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(WRITER).execute(&mut *tx).await?;
        let linked = link_batch(&mut tx, clock.now()).await?;
        tx.commit().await?;
        all += linked;
        if linked == 0 {
            return Ok(all);
        }
    }
}

/// Where the chain stands. Takes a transaction in the maintenance role.
pub async fn state(connection: &mut PgConnection) -> Result<ChainState, StoreError> {
    let (head, linked_at) = head(connection).await?;
    let pending = sqlx::query_scalar("SELECT count(*) FROM ops.audit_queue")
        .fetch_one(&mut *connection)
        .await?;
    let checkpoint = last_checkpoint(connection).await?;
    Ok(ChainState { head, linked_at, pending, checkpoint })
}

/// The caller holds the writer's lock. An entry that was gone before it could be linked is linked
/// all the same, so that it is missed.
async fn link_batch(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    let waiting: Vec<PgRow> = sqlx::query(concat!(
        "WITH taken AS (
             DELETE FROM ops.audit_queue WHERE ctid = ANY (ARRAY(
                 SELECT ctid FROM ops.audit_queue ORDER BY created_at, id LIMIT $1))
             RETURNING created_at, id)
         SELECT t.id AS entry_id, t.created_at AS entry_at, l.*
         FROM taken t LEFT JOIN LATERAL (
             SELECT ",
        entry_columns!(),
        " FROM ops.audit_logs l WHERE l.id = t.id AND l.created_at = t.created_at LIMIT 1
         ) l ON true
         WHERE NOT EXISTS (SELECT FROM ops.audit_chain c
                           WHERE c.audit_id = t.id AND c.audit_created_at = t.created_at)
         ORDER BY t.created_at, t.id"
    ))
    .bind(BATCH)
    .fetch_all(&mut *connection)
    .await?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let (mut head, last) = head(connection).await?;
    // A clock that was set back does not make the links' times go back.
    let linked_at = last.map_or(now, |last| last.max(now));
    let mut links = Links::default();
    for row in &waiting {
        let link = Link {
            seq: head.seq + 1,
            previous: head.hash,
            entry: entry_hash(row)?.unwrap_or(Hash::ZERO),
            entry_id: row.try_get("entry_id")?,
            entry_at: row.try_get("entry_at")?,
            linked_at,
        };
        head = Anchor { seq: link.seq, hash: link.hash() };
        links.push(&link, head.hash);
    }
    links.insert(connection, linked_at).await?;
    Ok(waiting.len())
}

/// New links by column.
#[derive(Default)]
struct Links {
    seqs: Vec<i64>,
    ids: Vec<Uuid>,
    times: Vec<DateTime<Utc>>,
    entries: Vec<Vec<u8>>,
    previous: Vec<Vec<u8>>,
    hashes: Vec<Vec<u8>>,
}

impl Links {
    fn push(&mut self, link: &Link, hash: Hash) {
        self.seqs.push(link.seq);
        self.ids.push(link.entry_id);
        self.times.push(link.entry_at);
        self.entries.push(link.entry.0.to_vec());
        self.previous.push(link.previous.0.to_vec());
        self.hashes.push(hash.0.to_vec());
    }

    async fn insert(
        self,
        connection: &mut PgConnection,
        linked_at: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO ops.audit_chain
               (seq, audit_id, audit_created_at, row_hash, prev_hash, hash, created_at)
             SELECT *, $7 FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::bytea[],
                                      $5::bytea[], $6::bytea[])",
        )
        .bind(self.seqs)
        .bind(self.ids)
        .bind(self.times)
        .bind(self.entries)
        .bind(self.previous)
        .bind(self.hashes)
        .bind(linked_at)
        .execute(connection)
        .await
        .map(drop)
    }
}

/// The last link, or what retention left of it, or the beginning; and when it was linked.
async fn head(
    connection: &mut PgConnection,
) -> Result<(Anchor, Option<DateTime<Utc>>), StoreError> {
    let last =
        sqlx::query("SELECT seq, hash, created_at FROM ops.audit_chain ORDER BY seq DESC LIMIT 1")
            .fetch_optional(&mut *connection)
            .await?;
    let link = match last {
        Some(row) => {
            let anchor = Anchor { seq: row.try_get("seq")?, hash: Hash::read(&row, "hash")? };
            Some((anchor, Some(row.try_get("created_at")?)))
        }
        None => None,
    };
    let base = base(&last_checkpoint(connection).await?);
    Ok(link.filter(|(link, _)| link.seq > base.seq).unwrap_or((base, None)))
}

/// Where the links that are left begin.
pub(super) fn base(checkpoint: &Option<Checkpoint>) -> Anchor {
    checkpoint.as_ref().map_or(Anchor { seq: 0, hash: Hash::ZERO }, |found| found.anchor)
}

pub(super) async fn last_checkpoint(
    connection: &mut PgConnection,
) -> Result<Option<Checkpoint>, StoreError> {
    let row = sqlx::query(
        "SELECT id, seq, hash, forgotten_before, created_at FROM ops.audit_checkpoints
         ORDER BY seq DESC, created_at DESC, id DESC LIMIT 1",
    )
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(Checkpoint {
            id: row.try_get("id")?,
            anchor: Anchor { seq: row.try_get("seq")?, hash: Hash::read(&row, "hash")? },
            forgotten_before: row.try_get("forgotten_before")?,
            created_at: row.try_get("created_at")?,
        })
    })
    .transpose()
    .map_err(|error: sqlx::Error| error.into())
}
