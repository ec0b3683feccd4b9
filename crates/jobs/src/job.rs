use async_trait::async_trait;
use lyceum_core::chain;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

/// A kind of job. The value itself is the JSON payload.
///
/// A job may run more than once, even at the same time as its own earlier attempt whose process
/// lost the database: running it twice must do no harm.
#[async_trait]
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The stable name, prefixed by the domain, such as `knowledge.ingest_document`.
    const NAME: &'static str;

    /// Attempts in all; between them e¹, e², e³ … seconds, about half an hour for eight.
    const MAX_ATTEMPTS: i32 = 8;

    /// What the job works with, given at [`Jobs::register`](crate::Jobs::register).
    type State: Clone + Send + Sync + 'static;

    /// Does the work.
    async fn run(self, state: Self::State, context: JobContext) -> Result<(), JobError>;
}

/// Why a job did not succeed. The reason is kept on the job, for operators; no secret belongs in
/// it.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Trying again may help; it is tried again while attempts are left.
    #[error("{0}")]
    Retry(String),
    /// Trying again is useless; this was the last attempt.
    #[error("{0}")]
    Fatal(String),
}

impl JobError {
    /// The kind of failure, without its reason.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            JobError::Retry(_) => "retry",
            JobError::Fatal(_) => "fatal",
        }
    }

    /// A failure that another attempt may not meet, with the error's causes in one line.
    pub fn retry(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Retry(chain(error))
    }

    /// A failure that every further attempt would meet too.
    pub fn fatal(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Fatal(chain(error))
    }
}

impl From<lyceum_store::StoreError> for JobError {
    fn from(error: lyceum_store::StoreError) -> Self {
        Self::retry(&error)
    }
}

/// What a job knows about this attempt.
#[derive(Clone, Debug)]
pub struct JobContext {
    /// The job's number, the same for all its attempts.
    pub job_id: i64,
    /// Which attempt this is, from 1.
    pub attempt: i32,
    /// Attempts in all.
    pub max_attempts: i32,
    /// Cancelled when the program stops. A job that then answers [`JobError::Retry`] soon loses no
    /// attempt and goes on after the next start; one that does not is cut off.
    pub shutdown: CancellationToken,
}

impl JobContext {
    /// Whether no attempt follows this one, so that a failure should be shown to the user.
    pub fn is_last_attempt(&self) -> bool {
        self.attempt >= self.max_attempts
    }
}
