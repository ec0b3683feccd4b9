//! Reading the chain again, link by link, beside the entries that it vouches for. The hashes are
//! computed here and not by the database, whose owner could change its functions.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt as _;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, QueryBuilder, Row as _};
use uuid::Uuid;

use super::canonical::{Anchor, Hash, Link, entry_columns, entry_hash};
use super::chain::{ChainState, Checkpoint, base, state};
use super::forget::hold_off;
use crate::{Db, StoreError};

/// Faults that are named; the others are only counted.
const NAMED: usize = 20;
/// An entry that was linked so much later than it is dated is counted as late.
const LATE_MINUTES: i64 = 60;

/// Which part of the chain to read, and what to compare it with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range {
    /// Links made from this moment on.
    pub from: Option<DateTime<Utc>>,
    /// Links made before this moment.
    pub to: Option<DateTime<Utc>>,
    /// A place that was kept elsewhere.
    pub anchor: Option<Anchor>,
}

/// What came of reading the chain.
#[derive(Clone, Debug)]
pub struct Verification {
    /// Where the chain stood.
    pub state: ChainState,
    /// The first link that was read and the last; `None` where there was none in the range.
    pub range: Option<(i64, i64)>,
    /// Links read.
    pub links: u64,
    /// Links among them whose entry retention forgot.
    pub forgotten: u64,
    /// Links among them made more than an hour after the time that their entry bears: written
    /// while no program ran to link them, before there was a chain, or dated back.
    pub late: u64,
    /// All faults.
    pub broken: u64,
    /// The first faults.
    pub faults: Vec<Fault>,
}

/// A place where log and chain are not what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// The link.
    pub seq: Option<i64>,
    /// The entry of the log.
    pub entry: Option<Uuid>,
    /// The time that the entry bears.
    pub entry_at: Option<DateTime<Utc>>,
}

/// What is wrong at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The entry says something else than when it was linked.
    EntryChanged,
    /// The entry is gone, although retention did not forget it.
    EntryMissing,
    /// The entry was put into the log past the chain.
    EntryInserted,
    /// The link itself was changed, or does not follow on the one before it.
    LinkChanged,
    /// One or more links before this one are gone.
    LinkMissing,
    /// The link has another hash than the anchor says, or is gone.
    AnchorDiffers,
    /// The anchor lies before what is left of the chain, so it proves nothing any more.
    AnchorForgotten,
    /// The log knows nothing of the forgetting that the checkpoint states.
    CheckpointForged,
}

impl FaultKind {
    /// Its stable name.
    pub fn code(self) -> &'static str {
        match self {
            Self::EntryChanged => "entry_changed",
            Self::EntryMissing => "entry_missing",
            Self::EntryInserted => "entry_inserted",
            Self::LinkChanged => "link_changed",
            Self::LinkMissing => "link_missing",
            Self::AnchorDiffers => "anchor_differs",
            Self::AnchorForgotten => "anchor_forgotten",
            Self::CheckpointForged => "checkpoint_forged",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::EntryChanged => "the entry was changed after it was linked",
            Self::EntryMissing => "the entry was deleted, and not by retention",
            Self::EntryInserted => "the entry was put into the log past the chain",
            Self::LinkChanged => "the link was changed, or does not follow on the one before it",
            Self::LinkMissing => "links before this one are missing",
            Self::AnchorDiffers => {
                "the chain has another hash than the anchor here, or ends before"
            }
            Self::AnchorForgotten => "the anchor lies before what retention left of the chain",
            Self::CheckpointForged => "the log has no entry of the forgetting that is stated here",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(seq) = self.seq {
            write!(f, "link {seq}: ")?;
        }
        f.write_str(self.kind.words())?;
        match (self.entry, self.entry_at) {
            (Some(entry), Some(at)) => write!(f, " (entry {entry} of {})", at.to_rfc3339()),
            _ => Ok(()),
        }
    }
}

/// Reads the chain from one moment's view of the database, in constant memory. `progress` is told
/// the number of links read now and then.
pub async fn verify(
    db: &Db,
    range: Range,
    mut progress: impl FnMut(u64) + Send,
) -> Result<Verification, StoreError> {
    let mut tx = db.begin_snapshot().await?;
    hold_off(&mut tx).await?;
    let mut reading = Reading::begin(&mut tx, &range).await?;
    {
        let mut query = links(&range, reading.last);
        let mut rows = query.build().fetch(&mut *tx);
        while let Some(row) = rows.try_next().await? {
            reading.link(&row)?;
            if reading.found.links % 10_000 == 0 {
                progress(reading.found.links);
            }
        }
    }
    reading.inserted(&mut tx, &range).await?;
    if let Some(anchor) = range.anchor {
        reading.anchor(&mut tx, anchor).await?;
    }
    if let Some(checkpoint) = reading.found.state.checkpoint.clone() {
        reading.checkpoint(&mut tx, &checkpoint).await?;
    }
    tx.commit().await?;
    Ok(reading.found)
}

fn links(range: &Range, after: Anchor) -> QueryBuilder<sqlx::Postgres> {
    let mut query = QueryBuilder::new(concat!(
        "SELECT c.seq, c.audit_id AS entry_id, c.audit_created_at AS entry_at, c.row_hash,
                c.prev_hash, c.hash, c.created_at AS linked_at, l.*
         FROM ops.audit_chain c LEFT JOIN LATERAL (
             SELECT ",
        entry_columns!(),
        " FROM ops.audit_logs l WHERE l.id = c.audit_id AND l.created_at = c.audit_created_at
             LIMIT 1
         ) l ON true
         WHERE c.seq > "
    ));
    query.push_bind(after.seq);
    if let Some(to) = range.to {
        query.push(" AND c.created_at < ").push_bind(to);
    }
    query.push(" ORDER BY c.seq");
    query
}

/// How far the reading has come.
struct Reading {
    found: Verification,
    /// The link before the next one.
    last: Anchor,
    forgotten_before: Option<DateTime<Utc>>,
}

impl Reading {
    /// Stands before the first link of the range.
    async fn begin(connection: &mut PgConnection, range: &Range) -> Result<Self, StoreError> {
        let state = state(connection).await?;
        let base = base(&state.checkpoint);
        let before = match range.from {
            Some(from) => {
                sqlx::query(
                    "SELECT seq, hash FROM ops.audit_chain WHERE seq > $1 AND created_at < $2
                     ORDER BY seq DESC LIMIT 1",
                )
                .bind(base.seq)
                .bind(from)
                .fetch_optional(connection)
                .await?
            }
            None => None,
        };
        let last = match before {
            Some(row) => Anchor { seq: row.try_get("seq")?, hash: Hash::read(&row, "hash")? },
            None => base,
        };
        let forgotten_before = state.checkpoint.as_ref().map(|found| found.forgotten_before);
        let found = Verification {
            state,
            range: None,
            links: 0,
            forgotten: 0,
            late: 0,
            broken: 0,
            faults: Vec::new(),
        };
        Ok(Self { found, last, forgotten_before })
    }

    fn fault(&mut self, kind: FaultKind, seq: Option<i64>, entry: Option<(Uuid, DateTime<Utc>)>) {
        self.found.broken += 1;
        if self.found.faults.len() < NAMED {
            let (entry, entry_at) = entry.unzip();
            self.found.faults.push(Fault { kind, seq, entry, entry_at });
        }
    }

    /// Each check is against what is stored before it, so that one fault is named once and the
    /// next ones are found, too.
    fn link(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        let link = Link {
            seq: row.try_get("seq")?,
            previous: Hash::read(row, "prev_hash")?,
            entry: Hash::read(row, "row_hash")?,
            entry_id: row.try_get("entry_id")?,
            entry_at: row.try_get("entry_at")?,
            linked_at: row.try_get("linked_at")?,
        };
        let hash = Hash::read(row, "hash")?;
        let entry = Some((link.entry_id, link.entry_at));
        if link.seq != self.last.seq + 1 {
            self.fault(FaultKind::LinkMissing, Some(link.seq), entry);
        } else if link.previous != self.last.hash || link.hash() != hash {
            self.fault(FaultKind::LinkChanged, Some(link.seq), entry);
        }
        match entry_hash(row)? {
            Some(now) if now == link.entry => {}
            Some(_) => self.fault(FaultKind::EntryChanged, Some(link.seq), entry),
            None if self.forgotten_before.is_some_and(|before| link.entry_at < before) => {
                self.found.forgotten += 1;
            }
            None => self.fault(FaultKind::EntryMissing, Some(link.seq), entry),
        }
        if link.linked_at - link.entry_at > TimeDelta::minutes(LATE_MINUTES) {
            self.found.late += 1;
        }
        let first = self.found.range.map_or(link.seq, |(first, _)| first);
        self.found.range = Some((first, link.seq));
        self.found.links += 1;
        self.last = Anchor { seq: link.seq, hash };
        Ok(())
    }

    /// Entries that are neither linked nor waiting for it.
    async fn inserted(
        &mut self,
        connection: &mut PgConnection,
        range: &Range,
    ) -> Result<(), StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT l.id, l.created_at FROM ops.audit_logs l
             WHERE NOT EXISTS (SELECT FROM ops.audit_chain c
                               WHERE c.audit_id = l.id AND c.audit_created_at = l.created_at)
               AND NOT EXISTS (SELECT FROM ops.audit_queue q
                               WHERE q.id = l.id AND q.created_at = l.created_at)",
        );
        for (comparison, time) in [
            (" AND l.created_at >= ", self.forgotten_before),
            (" AND l.created_at >= ", range.from),
            (" AND l.created_at < ", range.to),
        ] {
            if let Some(time) = time {
                query.push(comparison).push_bind(time);
            }
        }
        query.push(" ORDER BY l.created_at, l.id");
        let mut rows = query.build_query_as::<(Uuid, DateTime<Utc>)>().fetch(connection);
        while let Some(entry) = rows.try_next().await? {
            self.fault(FaultKind::EntryInserted, None, Some(entry));
        }
        Ok(())
    }

    async fn anchor(
        &mut self,
        connection: &mut PgConnection,
        anchor: Anchor,
    ) -> Result<(), StoreError> {
        let known = sqlx::query(
            "SELECT hash FROM ops.audit_chain WHERE seq = $1
             UNION ALL SELECT hash FROM ops.audit_checkpoints WHERE seq = $1 LIMIT 1",
        )
        .bind(anchor.seq)
        .fetch_optional(connection)
        .await?;
        let known = match known {
            Some(row) => Some(Hash::read(&row, "hash")?),
            None => (anchor.seq == 0).then_some(Hash::ZERO),
        };
        match known {
            Some(hash) if hash == anchor.hash => {}
            None if anchor.seq < base(&self.found.state.checkpoint).seq => {
                self.fault(FaultKind::AnchorForgotten, Some(anchor.seq), None);
            }
            _ => self.fault(FaultKind::AnchorDiffers, Some(anchor.seq), None),
        }
        Ok(())
    }

    /// Whoever forgets says so in the log, which the chain vouches for.
    async fn checkpoint(
        &mut self,
        connection: &mut PgConnection,
        checkpoint: &Checkpoint,
    ) -> Result<(), StoreError> {
        let told: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM ops.audit_logs
                            WHERE resource_type = 'audit_log' AND resource_id = $1
                              AND action = 'forget' AND new_values = $2)",
        )
        .bind(checkpoint.id)
        .bind(checkpoint.details())
        .fetch_one(connection)
        .await?;
        if !told || checkpoint.forgotten_before > checkpoint.created_at {
            self.fault(FaultKind::CheckpointForged, Some(checkpoint.anchor.seq), None);
        }
        Ok(())
    }
}
