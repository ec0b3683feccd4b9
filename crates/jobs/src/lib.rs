//! The job queue: durable work in PostgreSQL, enqueued in the transaction that needs it.
//!
//! Invariants:
//! - A job exists exactly if the transaction that enqueued it committed.
//! - A job runs at least once, so every job is idempotent. While it runs it holds a lease, never a
//!   transaction; the lease ends with the connection of the process that runs it, and another
//!   worker picks the job up within seconds, at the cost of one attempt.
//! - A job that failed for good stays, with its reason, until an operator retries it or it is old.
//! - A payload holds ids and small settings, never a secret or a text that people wrote: payloads
//!   are logged.
//!
//! Knows no domain: each domain implements [`Job`] and registers it with [`Jobs`].

mod enqueue;
mod figures;
mod job;
mod lease;
mod prepare;
mod schedule;
mod task;
mod worker;

pub use enqueue::{EnqueueOptions, enqueue};
pub use figures::{FailedJob, JobFigures, failed, figures, purge_failed, retry_failed};
pub use job::{Job, JobContext, JobError};
pub use prepare::prepare;
pub use tokio_util::sync::CancellationToken;
pub use worker::{Jobs, JobsHandle};
