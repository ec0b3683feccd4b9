//! The bridge from the queue's crate to [`Job`].

use std::fmt;
use std::marker::PhantomData;

use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext};
use lyceum_core::TRACE;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};

use crate::{Job, JobContext, JobError};

/// What a registered job finds in the worker's extensions.
pub(crate) struct Registered<J: Job> {
    pub(crate) state: J::State,
    pub(crate) pool: PgPool,
    pub(crate) shutdown: CancellationToken,
}

impl<J: Job> Clone for Registered<J> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), pool: self.pool.clone(), shutdown: self.shutdown.clone() }
    }
}

impl<J: Job> fmt::Debug for Registered<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(J::NAME)
    }
}

/// The payload is parsed by us, so that one which no longer fits is given up at once.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Task<J> {
    payload: Value,
    #[serde(skip)]
    job: PhantomData<fn() -> J>,
}

impl<J: Job> TaskHandler for Task<J> {
    const IDENTIFIER: &'static str = J::NAME;

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        attempt::<J>(self.payload, context).await.map_err(Reason)
    }
}

/// The queue's crate keeps the debug form of an error.
struct Reason(JobError);

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

async fn attempt<J: Job>(payload: Value, worker: WorkerContext) -> Result<(), JobError> {
    let Some(registered) = worker.get_ext::<Registered<J>>().cloned() else {
        return Err(JobError::Fatal("the job's state is not registered".to_owned()));
    };
    let context = JobContext {
        job_id: *worker.job().id(),
        attempt: i32::from(*worker.job().attempts()),
        max_attempts: i32::from(*worker.job().max_attempts()),
        shutdown: registered.shutdown.clone(),
    };
    let span = span::<J>(&context);
    let outcome = match serde_json::from_value::<J>(payload) {
        Ok(job) => job.run(registered.state, context.clone()).instrument(span.clone()).await,
        Err(error) => Err(JobError::Fatal(format!("the payload does not fit: {error}"))),
    };
    let Err(error) = &outcome else { return Ok(()) };
    span.record("otel.status_code", "ERROR");
    span.record("error.type", error.kind());
    let adjust = match error {
        // No further attempt.
        JobError::Fatal(_) => {
            "UPDATE graphile_worker._private_jobs SET max_attempts = attempts
             WHERE id = $1 AND locked_by = $2 AND attempts = $3"
        }
        // The program is stopping: that is not the job's fault.
        JobError::Retry(_) if registered.shutdown.is_cancelled() => {
            "UPDATE graphile_worker._private_jobs SET attempts = attempts - 1
             WHERE id = $1 AND locked_by = $2 AND attempts = $3"
        }
        JobError::Retry(_) => return outcome,
    };
    let adjusted = sqlx::query(adjust)
        .bind(context.job_id)
        .bind(worker.worker_id())
        .bind(context.attempt)
        .execute(&registered.pool)
        .await;
    if let Err(cause) = adjusted {
        tracing::warn!(job = J::NAME, job_id = context.job_id, %cause, "attempts not adjusted");
    }
    outcome
}

/// What a trace tells of an attempt.
fn span<J: Job>(context: &JobContext) -> Span {
    info_span!(
        target: TRACE, "job",
        otel.kind = "consumer",
        otel.name = format!("job {}", J::NAME),
        otel.status_code = Empty,
        lyceum.job.name = J::NAME,
        lyceum.job.id = context.job_id,
        lyceum.job.attempt = context.attempt,
        error.type = Empty,
    )
}
