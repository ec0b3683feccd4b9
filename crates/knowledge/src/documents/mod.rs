//! Documents of a knowledge base: uploading, reading, retrying, deleting.

pub(crate) mod http;
mod label;
pub(crate) mod store;
mod upload;

use chrono::{DateTime, Utc};
use lyceum_core::{Cursor, Page, PageRequest};
use lyceum_http::Caller;
use lyceum_jobs::EnqueueOptions;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::parse::Heading;
use crate::{IngestDocument, Knowledge, KnowledgeError, PurgeDocument};

/// How far a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ProcessingStatus {
    /// Waits for its turn.
    Pending,
    /// Is being read and embedded.
    Processing,
    /// Can be found.
    Completed,
    /// Cannot be read; `error` says why.
    Failed,
}

/// What is being done to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Stage {
    /// Nothing yet.
    Queued,
    /// Its text is extracted.
    Parsing,
    /// Its text is cut into chunks.
    Chunking,
    /// Its chunks become vectors.
    Embedding,
    /// The counts for search are brought up to date.
    Indexing,
    /// Everything.
    Done,
}

/// Why a document failed, or why its next attempt waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DocumentFailure {
    /// A stable name, such as `encrypted_pdf` or `ocr_needed`.
    pub code: String,
    /// For a person.
    pub detail: String,
}

/// A document.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Document {
    /// Its id.
    pub id: Uuid,
    /// Its knowledge base.
    pub knowledge_base_id: Uuid,
    /// Its name for people.
    pub title: String,
    /// The name of the file that was uploaded, made harmless.
    pub filename: String,
    /// What the content is, from the content.
    pub mime_type: String,
    /// Bytes.
    pub file_size: i64,
    /// How far it is.
    pub status: ProcessingStatus,
    /// What is being done.
    pub stage: Stage,
    /// Percent.
    pub progress: i16,
    /// Chunks it was cut into; 0 until known.
    pub chunk_count: i32,
    /// Pages, or sections of a text that has no pages; 0 until known.
    pub page_count: i32,
    /// Whether these are pages (sheets, slides).
    pub has_pages: bool,
    /// Pages (numbers, or ranges of them) or sheets (names) of which nothing could be read, because
    /// they are damaged or hold only pictures; absent where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
    /// Why it failed, or why its next attempt waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<DocumentFailure>,
    /// When it was uploaded.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it could first be found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<DateTime<Utc>>,
}

/// A page of documents.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DocumentPage {
    /// The newest first.
    pub items: Vec<Document>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The text of one page of a document.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DocumentText {
    /// The document.
    pub document_id: Uuid,
    /// The page, from 1; a section where the format knows no pages.
    pub page: i32,
    /// Pages, or sections, in all.
    pub page_count: i32,
    /// Whether these are pages (sheets, slides), and not sections of a text that has none.
    pub has_pages: bool,
    /// The text; offsets of chunks count its characters (Unicode scalar values).
    pub text: String,
    /// The headings on it.
    pub headings: Vec<Heading>,
}

/// A chunk of a document.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Chunk {
    /// Its id.
    pub id: Uuid,
    /// Its document.
    pub document_id: Uuid,
    /// Its knowledge base.
    pub knowledge_base_id: Uuid,
    /// The document's title.
    pub document_title: String,
    /// Its place in the document, from 0.
    pub chunk_index: i32,
    /// The text.
    pub content: String,
    /// Tokens of the embedding model.
    pub token_count: i32,
    /// The page on which it stands.
    pub page: i32,
    /// Characters from the start of the page's text.
    pub start_offset: i32,
    /// The character after its last.
    pub end_offset: i32,
    /// The headings above it, outermost first.
    pub headings: Vec<String>,
}

/// A page of chunks.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChunkPage {
    /// In the order of the document.
    pub items: Vec<Chunk>,
    /// Pass as `after` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_after: Option<i32>,
}

impl Knowledge {
    /// Documents of a base, the newest first.
    pub async fn list_documents(
        &self,
        caller: &Caller,
        base: Uuid,
        page: PageRequest,
    ) -> Result<Page<Document>, KnowledgeError> {
        let mut tx = self.db.begin_as(caller.user_id).await?;
        if crate::bases::store::find(&mut tx, base).await?.is_none() {
            return Err(KnowledgeError::NotFound("knowledge base"));
        }
        let rows = store::list(&mut tx, base, page).await?;
        Ok(Page::from_rows(rows, page.limit, |row| Cursor { at: row.created_at, id: row.id }))
    }

    /// One document.
    pub async fn get_document(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Document, KnowledgeError> {
        let mut tx = self.db.begin_as(caller.user_id).await?;
        store::find(&mut tx, id).await?.ok_or(KnowledgeError::NotFound("document"))
    }

    /// The text of a page; of the first page that has text where none is named.
    pub async fn document_text(
        &self,
        caller: &Caller,
        id: Uuid,
        page: Option<i32>,
    ) -> Result<DocumentText, KnowledgeError> {
        let mut tx = self.db.begin_as(caller.user_id).await?;
        let document = store::find(&mut tx, id).await?;
        let document = document.ok_or(KnowledgeError::NotFound("document"))?;
        let text = store::text(&mut tx, id, page).await?;
        let (page, text, headings) = text.ok_or(KnowledgeError::NotFound("page"))?;
        let Document { page_count, has_pages, .. } = document;
        Ok(DocumentText { document_id: id, page, page_count, has_pages, text, headings })
    }

    /// Chunks of a document in order, those after number `after`.
    pub async fn list_chunks(
        &self,
        caller: &Caller,
        id: Uuid,
        after: Option<i32>,
        limit: i64,
    ) -> Result<ChunkPage, KnowledgeError> {
        let mut tx = self.db.begin_as(caller.user_id).await?;
        if store::find(&mut tx, id).await?.is_none() {
            return Err(KnowledgeError::NotFound("document"));
        }
        let mut items = store::chunks(&mut tx, id, after.unwrap_or(-1), limit + 1).await?;
        let more = items.len() as i64 > limit;
        items.truncate(usize::try_from(limit).unwrap_or(0));
        let next_after = items.last().filter(|_| more).map(|chunk| chunk.chunk_index);
        Ok(ChunkPage { items, next_after })
    }

    /// One chunk.
    pub async fn get_chunk(&self, caller: &Caller, id: Uuid) -> Result<Chunk, KnowledgeError> {
        let mut tx = self.db.begin_as(caller.user_id).await?;
        store::chunk(&mut tx, id).await?.ok_or(KnowledgeError::NotFound("chunk"))
    }

    /// Tries a failed document once more.
    pub async fn retry_document(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Document, KnowledgeError> {
        let mut tx = self.db.begin_as(caller.user_id).await?;
        let document = store::find(&mut tx, id).await?;
        let document = document.ok_or(KnowledgeError::NotFound("document"))?;
        let base = store::editable_base(&mut tx, document.knowledge_base_id).await?;
        if !store::requeue(&mut tx, id).await? {
            return Err(KnowledgeError::NotFailed);
        }
        let job = ingest_job(caller, id, base);
        enqueue_ingest(&mut tx, &job).await?;
        let document = store::find(&mut tx, id).await?;
        tx.commit().await?;
        document.ok_or(KnowledgeError::NotFound("document"))
    }

    /// Deletes a document: out of sight at once, removed by a job.
    pub async fn delete_document(&self, caller: &Caller, id: Uuid) -> Result<(), KnowledgeError> {
        let mut tx = self.db.begin_as(caller.user_id).await?;
        let document = store::find(&mut tx, id).await?;
        let document = document.ok_or(KnowledgeError::NotFound("document"))?;
        store::editable_base(&mut tx, document.knowledge_base_id).await?;
        if !store::mark_deleted(&mut tx, id, self.clock.now()).await? {
            return Err(KnowledgeError::NotFound("document"));
        }
        let key = Some(format!("knowledge.purge:{id}"));
        let options = EnqueueOptions { key, ..Default::default() };
        lyceum_jobs::enqueue(&mut tx, &PurgeDocument { document_id: id }, options).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// The work at a document of a base of `owner`, on the account of the caller's key.
pub(crate) fn ingest_job(caller: &Caller, document_id: Uuid, owner_id: Uuid) -> IngestDocument {
    IngestDocument { document_id, owner_id, api_key_id: caller.credential.api_key_id() }
}

/// Puts the document in the queue; a job of it that waits already is replaced.
pub(crate) async fn enqueue_ingest(
    connection: &mut sqlx::PgConnection,
    job: &IngestDocument,
) -> Result<(), KnowledgeError> {
    let key = Some(format!("knowledge.ingest:{}", job.document_id));
    lyceum_jobs::enqueue(connection, job, EnqueueOptions { key, ..Default::default() }).await?;
    Ok(())
}
