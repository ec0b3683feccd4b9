//! Forgetting by age: the audit log, the program's own and the jobs that were given up.

mod store;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use lyceum_jobs::{Job, JobContext, JobError};
use lyceum_store::audit;
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
        let inner = &self.inner;
        let mut tx = inner.db.begin_maintenance().await?;
        let before = days_before(&mut tx, "system_logs.retention_days", now).await?;
        let partitions = store::drop_system_log_partitions(&mut tx, before).await?;
        tx.commit().await?;
        let mut rows = 0;
        while !context.shutdown.is_cancelled() {
            let mut tx = inner.db.begin_maintenance().await?;
            let deleted = store::delete_system_logs(&mut tx, before, BATCH).await?;
            tx.commit().await?;
            rows += deleted;
            if deleted == 0 {
                break;
            }
        }
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
        let partitions = match checkpoint {
            Some(_) => store::drop_audit_partitions(&mut tx, before).await?,
            None => 0,
        };
        tx.commit().await?;
        let mut rows = 0;
        while checkpoint.is_some() && !context.shutdown.is_cancelled() {
            let mut tx = inner.db.begin_maintenance().await?;
            let deleted = store::delete_audit_rows(&mut tx, before, BATCH).await?;
            tx.commit().await?;
            rows += deleted;
            if deleted == 0 {
                break;
            }
        }
        let mut links = 0;
        while !context.shutdown.is_cancelled() {
            let mut tx = inner.db.begin_maintenance().await?;
            let deleted = audit::forget_links(&mut tx, BATCH).await?;
            tx.commit().await?;
            links += deleted;
            if deleted == 0 {
                break;
            }
        }
        tracing::info!(partitions, rows, links, "old audit entries forgotten");
        Ok(())
    }
}
