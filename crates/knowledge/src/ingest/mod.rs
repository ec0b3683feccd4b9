//! From an uploaded file to chunks that can be found, as a job that can stop anywhere and go on
//! where it stopped.
//!
//! What is finished is in the rows: the text with the stage `chunking`, and every chunk with its
//! embedding. A later attempt cuts the same text the same way (the plan's digest tells) and goes on
//! after the last chunk that is there.

mod chunks;
mod purge;
mod store;
mod sweep;
mod text;

use async_trait::async_trait;
use lyceum_core::Problem as _;
use lyceum_jobs::{Job, JobContext, JobError};
use lyceum_llm::LlmError;
use lyceum_store::StoreError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use purge::{PurgeDocument, PurgeKnowledgeBase};
pub use sweep::Sweep;

use crate::documents::Stage;
use crate::parse::ParserFailure;
use crate::{Knowledge, KnowledgeError};

/// Reads a document, cuts it, embeds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IngestDocument {
    /// Which.
    pub document_id: Uuid,
    /// The owner of its knowledge base, as whom the job writes.
    pub owner_id: Uuid,
    /// The API key with which the document was uploaded, or tried again: it pays, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_id: Option<Uuid>,
}

/// A document that was begun so often and neither completed nor failed is given up: it kills the
/// process that reads it.
const MAX_ATTEMPTS: i32 = <IngestDocument as Job>::MAX_ATTEMPTS;
/// Why it failed then.
const GAVE_UP: (&str, &str) =
    ("gave_up", "The program ended each time while it worked at the document; split the document.");

/// Why an attempt ended without a completed document.
#[derive(Debug, thiserror::Error)]
enum Stop {
    /// It was deleted: nothing is left to do.
    #[error("the document is gone")]
    Gone,
    /// The program stops.
    #[error("the program stops")]
    Shutdown,
    /// The document is to blame.
    #[error("{code}: {detail}")]
    Document { code: String, detail: String },
    /// Something else is; another attempt may succeed.
    #[error("{code}: {detail}")]
    Later { code: String, detail: String },
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Stop::from(KnowledgeError::Store(error))
    }
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Stop::from(StoreError::from(error))
    }
}

impl From<KnowledgeError> for Stop {
    fn from(error: KnowledgeError) -> Self {
        tracing::warn!(error = ?error, "an attempt to ingest a document failed");
        let (code, detail) = (error.code().to_owned(), error.detail());
        let hopeless = match &error {
            KnowledgeError::Gateway(lyceum_gateway::GatewayError::Llm(error)) => {
                matches!(
                    error,
                    LlmError::Rejected(_)
                        | LlmError::Unfit(_)
                        | LlmError::ContextLength(_)
                        | LlmError::ContentPolicy(_)
                )
            }
            // Somebody has to enter it first.
            KnowledgeError::Gateway(lyceum_gateway::GatewayError::PriceUnknown { .. })
            | KnowledgeError::Dimension { .. } => true,
            _ => false,
        };
        if hopeless { Stop::Document { code, detail } } else { Stop::Later { code, detail } }
    }
}

impl From<ParserFailure> for Stop {
    fn from(error: ParserFailure) -> Self {
        match error {
            ParserFailure::Document { code, detail } => Stop::Document { code, detail },
            ParserFailure::Unwanted => Stop::Gone,
            ParserFailure::Child(error) => {
                tracing::error!(%error, "a parser could not be run");
                let detail = "The program that reads documents could not be started.".to_owned();
                Stop::Later { code: "parser_unavailable".to_owned(), detail }
            }
        }
    }
}

#[async_trait]
impl Job for IngestDocument {
    const NAME: &'static str = "knowledge.ingest_document";
    type State = Knowledge;

    async fn run(self, state: Knowledge, context: JobContext) -> Result<(), JobError> {
        let stop = match state.ingest(&self, &context).await {
            Ok(()) | Err(Stop::Gone) => return Ok(()),
            Err(stop) => stop,
        };
        let (code, detail, last) = match stop {
            Stop::Gone => return Ok(()),
            Stop::Shutdown => {
                let mut tx = state.db.begin_as(self.owner_id).await?;
                let given = store::give_back_attempt(&mut tx, self.document_id).await;
                given.map_err(StoreError::from)?;
                tx.commit().await.map_err(StoreError::from)?;
                return Err(JobError::Retry("stopping".to_owned()));
            }
            Stop::Document { code, detail } => (code, detail, true),
            Stop::Later { code, detail } => (code, detail, context.is_last_attempt()),
        };
        let mut tx = state.db.begin_as(self.owner_id).await?;
        store::note_failure(&mut tx, self.document_id, &code, &detail, last).await?;
        tx.commit().await.map_err(StoreError::from)?;
        let reason = format!("{code}: {detail}");
        Err(if last { JobError::Fatal(reason) } else { JobError::Retry(reason) })
    }
}

impl Knowledge {
    async fn ingest(&self, job: &IngestDocument, context: &JobContext) -> Result<(), Stop> {
        let mut tx = self.db.begin_as(job.owner_id).await?;
        let document = store::begin(&mut tx, job.document_id).await?.ok_or(Stop::Gone)?;
        if document.attempts > MAX_ATTEMPTS {
            let (code, detail) = (GAVE_UP.0.to_owned(), GAVE_UP.1.to_owned());
            return Err(Stop::Document { code, detail });
        }
        tx.commit().await?;
        if matches!(document.stage, Stage::Queued | Stage::Parsing) {
            tokio::select! {
                read = self.read_text(job, &document) => read?,
                () = context.shutdown.cancelled() => return Err(Stop::Shutdown),
            }
        }
        self.embed_chunks(job, &document, context).await?;
        let mut tx = self.db.begin_as(job.owner_id).await?;
        store::complete(&mut tx, job.document_id, self.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }
}
