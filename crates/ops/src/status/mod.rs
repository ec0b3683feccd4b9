//! The state of the platform, for administrators.

pub(crate) mod http;
mod store;

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use lyceum_store::StoreError;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::partitions::{self, PartitionFigures};
use crate::{Ops, OpsError};

/// Failed jobs that the status lists.
const FAILED_JOBS: i64 = 50;
/// Attempts that a job gets which an administrator retries.
const ATTEMPTS_AGAIN: i32 = 8;

/// A part of the program that can tell its state, such as the engine. The server registers them.
#[async_trait]
pub trait StatusSource: Send + Sync + 'static {
    /// The part's name, a key of `parts` in the answer.
    fn name(&self) -> &'static str;

    /// Its state as JSON, without secrets and soon.
    async fn status(&self) -> Value;

    /// Whether it is away at this moment and the program does without it; known from memory.
    fn is_missed(&self) -> bool {
        false
    }
}

/// The state of the platform.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SystemStatus {
    /// The program's version.
    version: &'static str,
    started_at: DateTime<Utc>,
    uptime_seconds: i64,
    database: DatabaseStatus,
    jobs: JobsStatus,
    partitions: Vec<PartitionFigures>,
    /// Further parts by name, such as `engine`, each in its own form. `redis` has `health` while it
    /// answers and `reason` while it is away; `refused` is the last command that it refused, within an
    /// hour.
    parts: BTreeMap<&'static str, Value>,
}

/// The state of the database.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DatabaseStatus {
    /// PostgreSQL's version.
    version: String,
    size_bytes: i64,
    /// Connections open, idle ones included.
    pool_size: u32,
    /// Connections that nobody uses at this moment.
    pool_idle: u32,
    /// Connections that there may be.
    pool_max: u32,
    /// The largest tables with their indexes.
    tables: Vec<TableSize>,
}

/// What a table takes on disk.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TableSize {
    name: String,
    /// With indexes and partitions.
    size_bytes: i64,
    /// As the statistics estimate.
    estimated_rows: i64,
}

/// The state of the job queue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobsStatus {
    waiting: i64,
    running: i64,
    failed: i64,
    /// The jobs given up last.
    failed_jobs: Vec<FailedJob>,
}

/// A job that was given up.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailedJob {
    id: i64,
    name: String,
    attempts: i32,
    /// Why the last attempt failed.
    reason: String,
    created_at: DateTime<Utc>,
    failed_at: DateTime<Utc>,
}

impl Ops {
    /// Asks everything for its state.
    pub(crate) async fn system_status(&self) -> Result<SystemStatus, OpsError> {
        let inner = &self.inner;
        let mut tx = inner.db.begin_maintenance().await?;
        let database = store::database(&mut tx, inner.db.pool()).await?;
        let jobs = jobs(&mut tx).await?;
        let partitions = partitions::figures(&mut tx).await?;
        tx.commit().await?;
        let states =
            inner.sources.iter().map(|source| async { (source.name(), source.status().await) });
        Ok(SystemStatus {
            version: inner.version,
            started_at: inner.started_at,
            uptime_seconds: (inner.clock.now() - inner.started_at).num_seconds(),
            database,
            jobs,
            partitions,
            parts: futures::future::join_all(states).await.into_iter().collect(),
        })
    }

    /// Gives a failed job its attempts again.
    pub(crate) async fn retry_job(&self, id: i64) -> Result<(), OpsError> {
        let mut tx = self.inner.db.begin_maintenance().await?;
        let found = lyceum_jobs::retry_failed(&mut tx, id, ATTEMPTS_AGAIN).await?;
        tx.commit().await?;
        if found { Ok(()) } else { Err(OpsError::NotFound("failed job")) }
    }
}

async fn jobs(connection: &mut sqlx::PgConnection) -> Result<JobsStatus, StoreError> {
    let figures = lyceum_jobs::figures(connection).await?;
    let failed_jobs = lyceum_jobs::failed(connection, FAILED_JOBS)
        .await?
        .into_iter()
        .map(|job| FailedJob {
            id: job.id,
            name: job.name,
            attempts: job.attempts,
            reason: job.reason,
            created_at: job.created_at,
            failed_at: job.updated_at,
        })
        .collect();
    Ok(JobsStatus {
        waiting: figures.waiting,
        running: figures.running,
        failed: figures.failed,
        failed_jobs,
    })
}
