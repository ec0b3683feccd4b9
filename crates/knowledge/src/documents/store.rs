use chrono::{DateTime, Utc};
use lyceum_core::PageRequest;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::{Chunk, Document, DocumentFailure, ProcessingStatus, Stage};
use crate::KnowledgeError;
use crate::parse::{Format, Heading};

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    knowledge_base_id: Uuid,
    title: String,
    filename: String,
    mime_type: String,
    file_size: i64,
    processing_status: ProcessingStatus,
    stage: Stage,
    progress: i16,
    chunk_count: i32,
    page_count: i32,
    unread: Vec<String>,
    error_code: Option<String>,
    error_detail: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
}

impl From<Row> for Document {
    fn from(row: Row) -> Self {
        let detail = row.error_detail.unwrap_or_default();
        let format = Format::from_mime_type(&row.mime_type);
        let has_pages = format.is_some_and(|format| format.has_pages(row.page_count));
        Self {
            id: row.id,
            knowledge_base_id: row.knowledge_base_id,
            title: row.title,
            filename: row.filename,
            mime_type: row.mime_type,
            file_size: row.file_size,
            status: row.processing_status,
            stage: row.stage,
            progress: row.progress,
            chunk_count: row.chunk_count,
            page_count: row.page_count,
            has_pages,
            unread: row.unread,
            error: row.error_code.map(|code| DocumentFailure { code, detail }),
            created_at: row.created_at,
            updated_at: row.updated_at,
            completed_at: row.completed_at,
        }
    }
}

/// The start of every query for documents; living ones only.
fn select() -> QueryBuilder<Postgres> {
    QueryBuilder::new(
        "SELECT id, knowledge_base_id, title, filename, mime_type, file_size, processing_status,
                stage, progress, chunk_count, page_count, unread, error_code, error_detail,
                created_at, updated_at, completed_at
         FROM knowledge.documents
         WHERE deleted_at IS NULL
           AND knowledge_base_id = ANY ((SELECT knowledge.bases_for('view'))::uuid[])",
    )
}

pub(crate) async fn list(
    connection: &mut PgConnection,
    base: Uuid,
    page: PageRequest,
) -> Result<Vec<Document>, KnowledgeError> {
    let mut query = select();
    query.push(" AND knowledge_base_id = ").push_bind(base);
    if let Some(after) = page.after {
        query.push(" AND (created_at, id) < (").push_bind(after.at);
        query.push(", ").push_bind(after.id).push(")");
    }
    query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(page.limit + 1);
    let rows: Vec<Row> = query.build_query_as().fetch_all(connection).await?;
    Ok(rows.into_iter().map(Document::from).collect())
}

pub(crate) async fn find(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Option<Document>, KnowledgeError> {
    let mut query = select();
    query.push(" AND id = ").push_bind(id);
    let row: Option<Row> = query.build_query_as().fetch_optional(connection).await?;
    Ok(row.map(Document::from))
}

pub(crate) async fn find_by_hash(
    connection: &mut PgConnection,
    base: Uuid,
    hash: &[u8],
) -> Result<Option<Document>, KnowledgeError> {
    let mut query = select();
    query.push(" AND knowledge_base_id = ").push_bind(base);
    query.push(" AND content_hash = ").push_bind(hash);
    let row: Option<Row> = query.build_query_as().fetch_optional(connection).await?;
    Ok(row.map(Document::from))
}

/// The base's owner, where the acting user may change the base.
pub(crate) async fn editable_base(
    connection: &mut PgConnection,
    base: Uuid,
) -> Result<Uuid, KnowledgeError> {
    let row = sqlx::query!(
        r#"SELECT owner_id, (id = ANY ((SELECT knowledge.bases_for('edit'))::uuid[])) AS "editable!"
           FROM knowledge.knowledge_bases WHERE id = $1 AND deleted_at IS NULL"#,
        base,
    )
    .fetch_optional(connection)
    .await?;
    match row {
        Some(row) if row.editable => Ok(row.owner_id),
        Some(_) => Err(KnowledgeError::ReadOnly),
        None => Err(KnowledgeError::NotFound("knowledge base")),
    }
}

pub(crate) struct NewDocument<'a> {
    pub id: Uuid,
    pub base: Uuid,
    pub uploader: Uuid,
    /// The API key that it came with.
    pub api_key: Option<Uuid>,
    pub title: &'a str,
    pub filename: &'a str,
    pub path: &'a str,
    pub size: i64,
    pub mime_type: &'a str,
    pub hash: &'a [u8],
    pub now: DateTime<Utc>,
}

/// Answers whether the document is new; not so if a living one of the base has the same bytes.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    new: &NewDocument<'_>,
) -> Result<bool, KnowledgeError> {
    let done = sqlx::query!(
        "INSERT INTO knowledge.documents
           (id, knowledge_base_id, uploaded_by, api_key_id, title, filename, file_path, file_size,
            mime_type, content_hash, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
         ON CONFLICT (knowledge_base_id, content_hash) WHERE deleted_at IS NULL DO NOTHING",
        new.id,
        new.base,
        new.uploader,
        new.api_key,
        new.title,
        new.filename,
        new.path,
        new.size,
        new.mime_type,
        new.hash,
        new.now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Answers whether there was a living document.
pub(crate) async fn mark_deleted(
    connection: &mut PgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, KnowledgeError> {
    let done = sqlx::query!(
        "UPDATE knowledge.documents SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL",
        id,
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Answers whether the document had failed. What it has already is kept.
pub(crate) async fn requeue(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<bool, KnowledgeError> {
    let done = sqlx::query!(
        "UPDATE knowledge.documents
         SET processing_status = 'pending', error_code = NULL, error_detail = NULL,
             attempts = 0, stage = CASE WHEN stage = 'parsing' THEN 'queued' ELSE stage END
         WHERE id = $1 AND processing_status = 'failed' AND deleted_at IS NULL",
        id,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Number, text and headings of a page.
pub(crate) async fn text(
    connection: &mut PgConnection,
    document: Uuid,
    page: Option<i32>,
) -> Result<Option<(i32, String, Vec<Heading>)>, KnowledgeError> {
    let row = sqlx::query!(
        r#"SELECT page, content, headings AS "headings: sqlx::types::Json<Vec<Heading>>"
           FROM knowledge.document_texts
           WHERE document_id = $1 AND page = coalesce($2, page)
           ORDER BY page LIMIT 1"#,
        document,
        page,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (row.page, row.content, row.headings.0)))
}

pub(crate) async fn chunks(
    connection: &mut PgConnection,
    document: Uuid,
    after: i32,
    limit: i64,
) -> Result<Vec<Chunk>, KnowledgeError> {
    Ok(sqlx::query_as!(
        Chunk,
        "SELECT c.id, c.document_id, c.knowledge_base_id, d.title AS document_title, c.chunk_index,
                c.content, c.token_count, c.page, c.start_offset, c.end_offset, c.headings
         FROM knowledge.document_chunks c JOIN knowledge.documents d ON d.id = c.document_id
         WHERE c.document_id = $1 AND c.chunk_index > $2 AND d.deleted_at IS NULL
         ORDER BY c.chunk_index LIMIT $3",
        document,
        after,
        limit,
    )
    .fetch_all(connection)
    .await?)
}

pub(crate) async fn chunk(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Option<Chunk>, KnowledgeError> {
    Ok(sqlx::query_as!(
        Chunk,
        "SELECT c.id, c.document_id, c.knowledge_base_id, d.title AS document_title, c.chunk_index,
                c.content, c.token_count, c.page, c.start_offset, c.end_offset, c.headings
         FROM knowledge.document_chunks c JOIN knowledge.documents d ON d.id = c.document_id
         WHERE c.id = $1 AND d.deleted_at IS NULL",
        id,
    )
    .fetch_optional(connection)
    .await?)
}

/// Path, name and type of a document's file.
pub(crate) async fn file(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Option<(String, String, String, i64)>, KnowledgeError> {
    let row = sqlx::query!(
        "SELECT file_path, filename, mime_type, file_size
         FROM knowledge.documents WHERE id = $1 AND deleted_at IS NULL",
        id,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (row.file_path, row.filename, row.mime_type, row.file_size)))
}
