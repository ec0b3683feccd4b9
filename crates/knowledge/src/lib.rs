//! Knowledge bases: documents are uploaded, read in a child process, cut into chunks, embedded
//! through the gateway and kept in PostgreSQL with their words and vectors; questions find the
//! chunks by meaning and by words.
//!
//! Invariants:
//! - A chunk's row exists only together with its embedding, and a document is `completed` only in
//!   the transaction after the last chunk's. Retrieval looks at completed documents only.
//! - The text between a chunk's offsets on its page is the chunk, character by character.
//! - A document's row is committed only after its file is stored; a file without a row is removed
//!   by the sweep.
//! - What files contain is never interpreted in the server's own process.
//! - Names of stored files are made by the server; the name that a person gave is only a label.

mod bases;
pub mod chunk;
mod documents;
mod embed;
mod error;
mod ingest;
pub mod parse;
mod retrieve;
pub mod words;

use std::path::PathBuf;
use std::sync::Arc;

use lyceum_core::Clock;
use lyceum_gateway::Gateway;
use lyceum_jobs::Jobs;
use lyceum_llm::TokenCounter;
use lyceum_store::{Db, Objects};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use bases::{KnowledgeBase, KnowledgeBasePage, NewKnowledgeBase, UpdateKnowledgeBase};
pub use documents::{
    Chunk, ChunkPage, Document, DocumentFailure, DocumentPage, DocumentText, ProcessingStatus,
    Stage,
};
pub use error::{KnowledgeError, StorageQuota};
pub use ingest::{IngestDocument, PurgeDocument, PurgeKnowledgeBase, Sweep};
pub use retrieve::{Asker, Retrieval, RetrievedChunk, SearchAnswer, SearchQuestion};

lyceum_http::rights! {
    /// Lists and reads knowledge bases and searches in them.
    KnowledgeBaseRead = "knowledge_base", "read";
    /// Makes and changes knowledge bases.
    KnowledgeBaseWrite = "knowledge_base", "write";
    /// Deletes knowledge bases.
    KnowledgeBaseDelete = "knowledge_base", "delete";
    /// Lists and reads documents.
    DocumentRead = "document", "read";
    /// Uploads documents.
    DocumentWrite = "document", "write";
    /// Deletes documents.
    DocumentDelete = "document", "delete";
}

/// What can be set about knowledge bases.
#[derive(Clone, Debug)]
pub struct KnowledgeSettings {
    /// The largest file that is accepted, in bytes.
    pub max_file_bytes: u64,
    /// Documents that this process reads and embeds at the same time.
    pub ingest_concurrency: usize,
    /// Tokens of chunks that go to the embedding model in one call.
    pub embed_batch_tokens: usize,
    /// Chunks that go to the embedding model in one call.
    pub embed_batch_chunks: usize,
    /// Chunks that an answer is based on.
    pub kept_chunks: usize,
    /// Tokens that those have together at most.
    pub kept_tokens: i32,
    /// Where files are put while they are read; the system's folder for temporary files if `None`.
    pub scratch: Option<PathBuf>,
}

impl Default for KnowledgeSettings {
    fn default() -> Self {
        Self {
            max_file_bytes: 100_000_000,
            ingest_concurrency: 2,
            embed_batch_tokens: 8_192,
            embed_batch_chunks: 32,
            kept_chunks: 8,
            kept_tokens: 3_000,
            scratch: None,
        }
    }
}

/// The parts that the domain works with.
pub struct Parts {
    /// The database.
    pub db: Db,
    /// Where files are kept.
    pub objects: Objects,
    /// The way to embedding models.
    pub gateway: Gateway,
    /// Counts tokens for the local embedding model.
    pub tokens: Arc<dyn TokenCounter>,
    /// Reads documents in child processes.
    pub parser: parse::Parser,
    /// The time.
    pub clock: Clock,
}

/// The knowledge domain. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Knowledge {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    settings: KnowledgeSettings,
}

impl std::ops::Deref for Knowledge {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.inner.parts
    }
}

impl Knowledge {
    /// The domain over its parts.
    pub fn new(parts: Parts, settings: KnowledgeSettings) -> Self {
        Self { inner: Arc::new(Inner { parts, settings }) }
    }

    /// What is set.
    pub fn settings(&self) -> &KnowledgeSettings {
        &self.inner.settings
    }
}

/// The routes below `/api/v1`.
pub fn router(knowledge: Knowledge) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(bases::http::list_knowledge_bases, bases::http::create_knowledge_base))
        .routes(routes!(
            bases::http::get_knowledge_base,
            bases::http::update_knowledge_base,
            bases::http::delete_knowledge_base
        ))
        .routes(routes!(
            bases::grants::http::list_knowledge_base_grants,
            bases::grants::http::put_knowledge_base_grant
        ))
        .routes(routes!(bases::grants::http::delete_knowledge_base_grant))
        .merge(documents::http::upload_router())
        .routes(routes!(documents::http::get_document, documents::http::delete_document))
        .routes(routes!(documents::http::retry_document))
        .routes(routes!(documents::http::get_document_text))
        .routes(routes!(documents::http::download_document))
        .routes(routes!(documents::http::list_chunks))
        .routes(routes!(documents::http::get_chunk))
        .routes(routes!(retrieve::http::search_knowledge_base))
        .with_state(knowledge)
}

/// Adds the domain's jobs, but for the reading of documents, and its hourly sweep.
pub fn register_jobs(jobs: Jobs, knowledge: Knowledge) -> Jobs {
    jobs.register::<PurgeDocument>(knowledge.clone())
        .register::<PurgeKnowledgeBase>(knowledge.clone())
        .register::<Sweep>(knowledge)
        .schedule("20 * * * *", Sweep {})
}

/// Makes a worker one that reads documents, as many at the same time as is set, and does nothing
/// else: each takes long, and thousands may wait.
pub fn register_ingestion(jobs: Jobs, knowledge: Knowledge) -> Jobs {
    jobs.concurrency(knowledge.settings().ingest_concurrency).register::<IngestDocument>(knowledge)
}
