//! Forgetting by age: the audit log, the program's own and the jobs that were given up.

mod store;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use lyceum_jobs::{Job, JobContext, JobError};
use lyceum_store::audit;
use serde::{Deserialize, Serialize};

use store::Log;

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
        let jobs_before = days_before(&mut tx, "jobs.failed_retention_days", now).await?;
        let jobs = lyceum_jobs::purge_failed(&mut tx, jobs_before).await?;
        tx.commit().await?;
        tracing::info!(jobs, "given-up jobs forgotten");
        self.forget_system_log(now, context).await?;
        self.forget_audit(now, context).await
    }

    /// Forgets old warnings and errors of the program.
    async fn forget_system_log(
        &self,
        now: DateTime<Utc>,
        context: &JobContext,
    ) -> Result<(), OpsError> {
        let mut tx = self.inner.db.begin_maintenance().await?;
        let before = days_before(&mut tx, "system_logs.retention_days", now).await?;
        let partitions = store::drop_partitions(&mut tx, Log::System, before).await?;
        tx.commit().await?;
        let rows = self.in_batches(Old::Rows(Log::System, before), context).await?;
        tracing::info!(partitions, rows, "old warnings and errors forgotten");
        Ok(())
    }

    /// Forgets old entries and says so first, in a checkpoint from which the chain of the rest can
    /// be verified.
    async fn forget_audit(&self, now: DateTime<Utc>, context: &JobContext) -> Result<(), OpsError> {
        let inner = &self.inner;
        audit::link_all(&inner.db, &inner.clock).await?;
        let mut tx = inner.db.begin_maintenance().await?;
        if !audit::hold_alone(&mut tx).await? {
            return Err(OpsError::Verifying);
        }
        let before = days_before(&mut tx, "audit.retention_days", now).await?;
        let checkpoint = audit::checkpoint(&mut tx, before, now).await?;
        let (mut partitions, mut rows) = (0, 0);
        if checkpoint.is_some() {
            partitions = store::drop_partitions(&mut tx, Log::Audit, before).await?;
        }
        tx.commit().await?;
        if checkpoint.is_some() {
            rows = self.in_batches(Old::Rows(Log::Audit, before), context).await?;
        }
        let links = self.in_batches(Old::Links, context).await?;
        tracing::info!(partitions, rows, links, "old audit entries forgotten");
        Ok(())
    }

    /// Deletes in transactions of their own until nothing is left or the program ends; answers how
    /// many.
    async fn in_batches(&self, old: Old, context: &JobContext) -> Result<u64, OpsError> {
        let mut all = 0;
        while !context.shutdown.is_cancelled() {
            let mut tx = self.inner.db.begin_maintenance().await?;
            let deleted = match old {
                Old::Rows(log, before) => store::delete_rows(&mut tx, log, before, BATCH).await?,
                Old::Links => audit::forget_links(&mut tx, BATCH).await?,
            };
            tx.commit().await?;
            if deleted == 0 {
                break;
            }
            all += deleted;
        }
        Ok(all)
    }
}

/// What is deleted in batches.
#[derive(Clone, Copy)]
enum Old {
    /// Rows of a log from before a moment.
    Rows(Log, DateTime<Utc>),
    /// Links of the audit chain whose entries are gone.
    Links,
}
