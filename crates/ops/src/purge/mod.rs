//! Removing for good what was deleted long ago, in every table that has `deleted_at`.

mod store;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use lyceum_jobs::{Job, JobContext, JobError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::settings::days_before;
use crate::{Ops, OpsError};

/// Rows removed in one transaction.
const BATCH: i64 = 500;

/// Removes the rows whose `deleted_at` is older than the settings say.
#[derive(Debug, Serialize, Deserialize)]
pub struct PurgeDeleted {}

#[async_trait]
impl Job for PurgeDeleted {
    const NAME: &'static str = "ops.purge_deleted";
    type State = Ops;

    async fn run(self, ops: Ops, context: JobContext) -> Result<(), JobError> {
        ops.purge_deleted(&context).await.map_err(|error| JobError::retry(&error))
    }
}

impl Ops {
    async fn purge_deleted(&self, context: &JobContext) -> Result<(), OpsError> {
        let mut tx = self.inner.db.begin_maintenance().await?;
        let before = days_before(&mut tx, "purge.after_days", self.inner.clock.now()).await?;
        let purgeable = store::purgeable_tables(&mut tx).await?;
        let references = store::references(&mut tx).await?;
        tx.commit().await?;
        for table in dependants_first(&references, &purgeable) {
            if context.shutdown.is_cancelled() {
                return Ok(());
            }
            match self.purge_table(&table, before, context).await {
                // One table's trouble is no reason to keep what is due in the others.
                Err(OpsError::Store(error)) if error.0.as_database_error().is_some() => {
                    tracing::error!(table, cause = ?error.0, "a table could not be purged");
                }
                done => done?,
            }
        }
        Ok(())
    }

    async fn purge_table(
        &self,
        table: &str,
        before: DateTime<Utc>,
        context: &JobContext,
    ) -> Result<(), OpsError> {
        let mut kept: Vec<Uuid> = Vec::new();
        let mut removed = 0;
        while !context.shutdown.is_cancelled() {
            let mut tx = self.inner.db.begin_maintenance().await?;
            let due = store::due(&mut tx, table, before, &kept, BATCH).await?;
            if due.is_empty() {
                break;
            }
            match store::remove(&mut tx, table, &due).await {
                Ok(()) => {
                    tx.commit().await?;
                    removed += due.len();
                }
                Err(error) if error.as_database_error().is_some() => {
                    drop(tx);
                    let blocked = self.remove_singly(table, &due).await?;
                    removed += due.len() - blocked.len();
                    kept.extend(blocked);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if removed > 0 || !kept.is_empty() {
            tracing::info!(table, removed, kept = kept.len(), "purged deleted rows");
        }
        Ok(())
    }

    /// Removes the rows one by one; answers those that living rows still hold on to.
    async fn remove_singly(&self, table: &str, due: &[Uuid]) -> Result<Vec<Uuid>, OpsError> {
        let mut blocked = Vec::new();
        for id in due {
            let mut tx = self.inner.db.begin_maintenance().await?;
            match store::remove(&mut tx, table, &[*id]).await {
                Ok(()) => tx.commit().await?,
                Err(error) if error.as_database_error().is_some() => {
                    tracing::warn!(table, %id, %error, "a deleted row cannot be purged yet");
                    blocked.push(*id);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(blocked)
    }
}

/// The purgeable tables in an order in which every table comes before those that it refers to.
/// Tables that refer to each other come in the order of their names.
fn dependants_first(references: &[(String, String)], purgeable: &[String]) -> Vec<String> {
    let mut referrers: BTreeMap<&str, BTreeSet<&str>> =
        purgeable.iter().map(|table| (&**table, BTreeSet::new())).collect();
    for (from, to) in references.iter().filter(|(from, to)| from != to) {
        referrers.entry(from).or_default();
        referrers.entry(to).or_default().insert(from);
    }
    let mut order = Vec::new();
    while let Some(next) = referrers
        .iter()
        .find(|(_, waiting_for)| waiting_for.is_empty())
        .or_else(|| referrers.iter().next())
        .map(|(table, _)| *table)
    {
        referrers.remove(next);
        for waiting_for in referrers.values_mut() {
            waiting_for.remove(next);
        }
        if purgeable.iter().any(|table| table == next) {
            order.push(next.to_owned());
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::dependants_first;

    #[test]
    fn dependants_come_first_through_tables_that_are_not_purged_too() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };
        let names =
            |names: &[&str]| -> Vec<String> { names.iter().map(|n| (*n).to_owned()).collect() };
        let references =
            pairs(&[("m", "c"), ("m", "m"), ("c", "u"), ("link", "b"), ("x", "link"), ("b", "u")]);
        assert_eq!(
            dependants_first(&references, &names(&["u", "c", "m", "b", "x"])),
            ["m", "c", "x", "b", "u"]
        );
        let cycle = pairs(&[("a", "b"), ("b", "a")]);
        assert_eq!(dependants_first(&cycle, &names(&["b", "a"])), ["a", "b"]);
    }
}
