use async_trait::async_trait;
use chrono::TimeDelta;
use lyceum_jobs::{Job, JobContext, JobError};
use lyceum_store::StoreError;
use serde::{Deserialize, Serialize};

use crate::Identity;

/// How long an ended session is kept, for whoever looks into what happened.
const KEEP_ENDED: TimeDelta = TimeDelta::days(7);
/// How long failed attempts are remembered.
const KEEP_ATTEMPTS: TimeDelta = TimeDelta::days(1);

/// Deletes what ended long ago; once a day.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PurgeExpired {}

#[async_trait]
impl Job for PurgeExpired {
    const NAME: &'static str = "identity.purge_expired";
    type State = Identity;

    async fn run(self, identity: Identity, _: JobContext) -> Result<(), JobError> {
        let rows = identity.purge_expired().await?;
        tracing::info!(rows, "ended sessions and old attempts were purged");
        Ok(())
    }
}

impl Identity {
    /// Deletes sessions that ended more than seven days ago and attempts older than a day. Answers
    /// how many rows went.
    pub async fn purge_expired(&self) -> Result<u64, StoreError> {
        let now = self.clock().now();
        let mut tx = self.db().begin_maintenance().await?;
        let sessions = sqlx::query!(
            "DELETE FROM identity.user_sessions WHERE expires_at < $1 OR revoked_at < $1",
            now - KEEP_ENDED,
        )
        .execute(&mut *tx)
        .await?;
        let attempts = sqlx::query!(
            "DELETE FROM identity.login_attempts
             WHERE last_failed_at < $1 AND (locked_until IS NULL OR locked_until < $2)",
            now - KEEP_ATTEMPTS,
            now,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(sessions.rows_affected() + attempts.rows_affected())
    }
}
