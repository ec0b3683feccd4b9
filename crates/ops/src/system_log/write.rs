//! The one task of a node that writes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use lyceum_jobs::CancellationToken;
use serde_json::Map;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Entry, OWN, SystemLogEvents, store};
use crate::{Ops, OpsError};

/// Entries of one statement.
const BATCH: usize = 100;
/// How long the first entry of a batch waits for others.
const GATHER: Duration = Duration::from_millis(500);
/// How long after a failure the same batch is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// Entries that are kept in one minute at most.
const MINUTE_MAX: usize = 600;

/// How many entries of this minute were kept.
struct Budget {
    since: Instant,
    used: usize,
}

impl Ops {
    /// Writes what the layer hands over until `shutdown`, and then what is left. Run it once on each
    /// node.
    pub async fn keep_system_log(
        &self,
        mut events: SystemLogEvents,
        node: String,
        shutdown: CancellationToken,
    ) {
        let span = tracing::info_span!(target: OWN, "write");
        let writing = async {
            let mut budget = Budget { since: Instant::now(), used: 0 };
            while let Some(batch) =
                shutdown.run_until_cancelled(events.gather(&mut budget)).await.flatten()
            {
                while let Err(error) = self.write_system_log(&node, &batch).await {
                    tracing::warn!(target: OWN, %error, "warnings and errors were not kept yet");
                    if shutdown.run_until_cancelled(tokio::time::sleep(AGAIN)).await.is_none() {
                        return;
                    }
                }
            }
            let rest = events.rest();
            if let Err(error) = self.write_system_log(&node, &rest).await {
                tracing::warn!(target: OWN, %error, "the last warnings and errors were not kept");
            }
        };
        writing.instrument(span).await;
    }

    async fn write_system_log(&self, node: &str, batch: &[Entry]) -> Result<(), OpsError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut tx = self.inner.db.begin_maintenance().await?;
        store::insert(&mut tx, node, batch).await?;
        tx.commit().await?;
        Ok(())
    }
}

impl SystemLogEvents {
    /// Waits for an entry and gathers those that follow soon; none where nobody can log any more.
    async fn gather(&mut self, budget: &mut Budget) -> Option<Vec<Entry>> {
        let first = self.entries.recv().await?;
        self.gathered.push(first);
        let until = Instant::now() + GATHER;
        while self.gathered.len() < BATCH {
            match tokio::time::timeout_at(until, self.entries.recv()).await {
                Ok(Some(entry)) => self.gathered.push(entry),
                _ => break,
            }
        }
        let mut batch = std::mem::take(&mut self.gathered);
        if budget.since.elapsed() >= Duration::from_secs(60) {
            *budget = Budget { since: Instant::now(), used: 0 };
        }
        let room = MINUTE_MAX.saturating_sub(budget.used).min(batch.len());
        budget.used += room;
        let beyond = u64::try_from(batch.len() - room).unwrap_or(u64::MAX);
        self.lost.fetch_add(beyond, Ordering::Relaxed);
        batch.truncate(room);
        if !batch.is_empty() {
            self.tell_lost(&mut batch);
        }
        Some(batch)
    }

    /// What waits at the end.
    fn rest(&mut self) -> Vec<Entry> {
        let mut rest = std::mem::take(&mut self.gathered);
        while let Ok(entry) = self.entries.try_recv() {
            rest.push(entry);
        }
        self.tell_lost(&mut rest);
        rest
    }

    /// Says how many are missing, where the latest of a batch stands.
    fn tell_lost(&self, batch: &mut Vec<Entry>) {
        let Some(at) = batch.last().map(|entry| entry.at) else { return };
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            batch.push(Entry {
                at,
                level: "WARNING",
                message: format!("{lost} further warnings and errors were not kept"),
                module: OWN.to_owned(),
                function_name: None,
                user_id: None,
                ip: None,
                extra_data: Map::new(),
            });
        }
    }
}
