//! Forgetting by age: the audit log and the jobs that were given up.

mod store;

use async_trait::async_trait;
use lyceum_jobs::{Job, JobContext, JobError};
use serde::{Deserialize, Serialize};

use crate::settings::days_before;
use crate::{Ops, OpsError};

/// Rows deleted in one transaction.
const BATCH: i64 = 5000;

/// Forgets what is older than the settings say: whole partitions at once, then single rows.
#[derive(Debug, Serialize, Deserialize)]
pub struct ApplyRetention {}

#[async_trait]
impl Job for ApplyRetention {
    const NAME: &'static str = "ops.apply_retention";
    type State = Ops;

    async fn run(self, ops: Ops, context: JobContext) -> Result<(), JobError> {
        ops.apply_retention(&context).await.map_err(|error| JobError::retry(&error))
    }
}

impl Ops {
    async fn apply_retention(&self, context: &JobContext) -> Result<(), OpsError> {
        let now = self.inner.clock.now();
        let mut tx = self.inner.db.begin_maintenance().await?;
        let before = days_before(&mut tx, "audit.retention_days", now).await?;
        let dropped = store::drop_audit_partitions(&mut tx, before).await?;
        let jobs_before = days_before(&mut tx, "jobs.failed_retention_days", now).await?;
        let jobs = lyceum_jobs::purge_failed(&mut tx, jobs_before).await?;
        tx.commit().await?;
        let mut rows = 0;
        while !context.shutdown.is_cancelled() {
            let mut tx = self.inner.db.begin_maintenance().await?;
            let deleted = store::delete_audit_rows(&mut tx, before, BATCH).await?;
            tx.commit().await?;
            rows += deleted;
            if deleted == 0 {
                break;
            }
        }
        tracing::info!(partitions = dropped, rows, jobs, "retention applied");
        Ok(())
    }
}
