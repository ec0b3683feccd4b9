use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::Stop;
use crate::chunk::{Chunk, ChunkSettings};
use crate::documents::Stage;
use crate::parse::{Heading, ParsedPage};

/// What a job needs to know of its document.
pub(crate) struct Job {
    pub base: Uuid,
    pub uploader: Option<Uuid>,
    pub filename: String,
    pub file_path: String,
    pub stage: Stage,
    pub model: String,
    pub model_config: Option<Uuid>,
    pub dimension: usize,
    pub chunking: ChunkSettings,
    /// This one included, since a person asked for the document.
    pub attempts: i32,
}

/// What is known of a document once its text is extracted.
pub(crate) struct ReadText<'a> {
    pub title: Option<&'a str>,
    pub mime_type: &'a str,
    pub pages: i32,
    /// Pages or sheets that could not be read.
    pub unread: Vec<String>,
}

/// A chunk with everything that its row holds.
pub(crate) struct ChunkRow {
    pub chunk: Chunk,
    pub words: String,
    pub word_count: usize,
    pub vector: Vec<f32>,
}

/// Marks the document as being worked at; `None` where there is nothing to do.
pub(crate) async fn begin(
    connection: &mut PgConnection,
    document: Uuid,
) -> Result<Option<Job>, sqlx::Error> {
    let row = sqlx::query!(
        r#"UPDATE knowledge.documents d
           SET processing_status = 'processing', attempts = attempts + 1,
               error_code = NULL, error_detail = NULL,
               stage = CASE WHEN d.stage = 'queued' THEN 'parsing' ELSE d.stage END
           FROM knowledge.knowledge_bases b
           WHERE d.id = $1 AND b.id = d.knowledge_base_id
             AND d.deleted_at IS NULL AND b.deleted_at IS NULL
             AND d.processing_status IN ('pending', 'processing')
           RETURNING d.knowledge_base_id, d.uploaded_by, d.filename, d.file_path,
                     d.stage AS "stage: Stage", b.embedding_model, b.embedding_model_config_id,
                     b.vector_dimension, b.chunk_size, b.chunk_overlap, d.attempts"#,
        document,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Job {
        base: row.knowledge_base_id,
        uploader: row.uploaded_by,
        filename: row.filename,
        file_path: row.file_path,
        stage: row.stage,
        model: row.embedding_model,
        model_config: row.embedding_model_config_id,
        dimension: usize::try_from(row.vector_dimension).unwrap_or(0),
        chunking: Job::settings(row.chunk_size, row.chunk_overlap),
        attempts: row.attempts,
    }))
}

/// Takes back an attempt that ended because the program stops, which is not the document's fault.
pub(crate) async fn give_back_attempt(
    connection: &mut PgConnection,
    document: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE knowledge.documents SET attempts = greatest(attempts - 1, 0)
         WHERE id = $1 AND processing_status = 'processing'",
        document,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn clear_text(
    connection: &mut PgConnection,
    document: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM knowledge.document_texts WHERE document_id = $1", document)
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) async fn add_text(
    connection: &mut PgConnection,
    base: Uuid,
    document: Uuid,
    pages: &[ParsedPage],
) -> Result<(), sqlx::Error> {
    let numbers: Vec<i32> = pages.iter().map(|p| i32::try_from(p.number).unwrap_or(0)).collect();
    let texts: Vec<String> = pages.iter().map(|page| page.text.clone()).collect();
    let headings: Vec<serde_json::Value> =
        pages.iter().map(|page| serde_json::json!(page.headings)).collect();
    sqlx::query!(
        "INSERT INTO knowledge.document_texts
           (document_id, knowledge_base_id, page, content, headings)
         SELECT $1, $2, * FROM unnest($3::integer[], $4::text[], $5::jsonb[])",
        document,
        base,
        &numbers,
        &texts,
        &headings,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Answers whether the document is still there.
pub(crate) async fn text_complete(
    connection: &mut PgConnection,
    document: Uuid,
    read: &ReadText<'_>,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE knowledge.documents
         SET stage = 'chunking', progress = 10, page_count = $4, mime_type = $3,
             title = coalesce($2, title), unread = $5
         WHERE id = $1 AND deleted_at IS NULL AND processing_status = 'processing'",
        document,
        read.title,
        read.mime_type,
        read.pages,
        &read.unread,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(crate) async fn text(
    connection: &mut PgConnection,
    document: Uuid,
) -> Result<Vec<ParsedPage>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT page, content, headings AS "headings: Json<Vec<Heading>>"
           FROM knowledge.document_texts WHERE document_id = $1 ORDER BY page"#,
        document,
    )
    .fetch_all(connection)
    .await?;
    let page = |number: i32| u32::try_from(number).unwrap_or(0);
    Ok(rows
        .into_iter()
        .map(|row| ParsedPage {
            number: page(row.page),
            text: row.content,
            headings: row.headings.0,
        })
        .collect())
}

/// Locks the document and answers how many chunks it has already, cut by the same plan; `None`
/// where it is gone. Chunks of another plan are removed.
pub(crate) async fn begin_chunks(
    connection: &mut PgConnection,
    document: Uuid,
    plan: &[u8],
    total: i32,
) -> Result<Option<i64>, sqlx::Error> {
    let found = sqlx::query!(
        "SELECT chunk_plan FROM knowledge.documents
         WHERE id = $1 AND deleted_at IS NULL AND processing_status = 'processing' FOR UPDATE",
        document,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(found) = found else { return Ok(None) };
    if found.chunk_plan.as_deref() != Some(plan) {
        sqlx::query!("DELETE FROM knowledge.document_chunks WHERE document_id = $1", document)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query!(
        "UPDATE knowledge.documents SET stage = 'embedding', chunk_plan = $2, chunk_count = $3
         WHERE id = $1",
        document,
        plan,
        total,
    )
    .execute(&mut *connection)
    .await?;
    count_chunks(connection, document).await.map(Some)
}

async fn count_chunks(connection: &mut PgConnection, document: Uuid) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM knowledge.document_chunks WHERE document_id = $1"#,
        document,
    )
    .fetch_one(connection)
    .await
}

/// Adds the chunks from number `first` on. Under the document's lock, so that nothing is added to
/// one that is deleted, and nothing twice by an attempt whose successor runs already.
pub(crate) async fn add_chunks(
    connection: &mut PgConnection,
    job: &Job,
    document: Uuid,
    plan: &[u8],
    first: usize,
    rows: &[ChunkRow],
) -> Result<(), Stop> {
    let locked = sqlx::query_scalar!(
        "SELECT chunk_count FROM knowledge.documents
         WHERE id = $1 AND deleted_at IS NULL AND processing_status = 'processing'
           AND chunk_plan = $2 FOR UPDATE",
        document,
        plan,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let total = locked.ok_or(Stop::Gone)?;
    let first = i64::try_from(first).unwrap_or(i64::MAX);
    if count_chunks(connection, document).await? != first {
        // Another attempt is ahead of this one.
        return Err(Stop::Gone);
    }
    insert_chunks(connection, job, document, first, rows).await?;
    let done = first + i64::try_from(rows.len()).unwrap_or(0);
    let progress = 10 + 85 * done / i64::from(total.max(1));
    sqlx::query!(
        "UPDATE knowledge.documents SET progress = $2, stage = $3 WHERE id = $1",
        document,
        i16::try_from(progress.min(95)).unwrap_or(95),
        if done >= i64::from(total) { "indexing" } else { "embedding" },
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_chunks(
    connection: &mut PgConnection,
    job: &Job,
    document: Uuid,
    first: i64,
    rows: &[ChunkRow],
) -> Result<(), sqlx::Error> {
    let int = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let column = |of: &dyn Fn(&ChunkRow) -> i32| rows.iter().map(of).collect::<Vec<i32>>();
    let ids: Vec<Uuid> = rows.iter().map(|_| lyceum_core::new_id()).collect();
    let contents: Vec<String> = rows.iter().map(|row| row.chunk.content.clone()).collect();
    let headings: Vec<serde_json::Value> =
        rows.iter().map(|row| serde_json::json!(row.chunk.headings)).collect();
    let words: Vec<String> = rows.iter().map(|row| row.words.clone()).collect();
    let vectors: Vec<String> = rows.iter().map(|row| vector_text(&row.vector)).collect();
    sqlx::query!(
        r#"INSERT INTO knowledge.document_chunks
             (id, knowledge_base_id, document_id, chunk_index, content, token_count, word_count,
              page, start_offset, end_offset, headings, words, dimension, embedding)
           SELECT r.id, $1, $2, $3 + (r.n - 1)::integer, r.content, r.tokens, r.word_count,
                  r.page, r.starts, r.ends, ARRAY(SELECT jsonb_array_elements_text(r.headings)),
                  r.words::tsvector, $4, r.vector::halfvec
           FROM unnest($5::uuid[], $6::text[], $7::integer[], $8::integer[], $9::integer[],
                       $10::integer[], $11::integer[], $12::jsonb[], $13::text[], $14::text[])
                WITH ORDINALITY
                AS r (id, content, tokens, word_count, page, starts, ends, headings, words, vector, n)"#,
        job.base,
        document,
        i32::try_from(first).unwrap_or(i32::MAX),
        i32::try_from(job.dimension).unwrap_or(0),
        &ids,
        &contents,
        &column(&|row| int(row.chunk.tokens)),
        &column(&|row| i32::try_from(row.word_count).unwrap_or(i32::MAX)),
        &column(&|row| int(row.chunk.page)),
        &column(&|row| int(row.chunk.start)),
        &column(&|row| int(row.chunk.end)),
        &headings,
        &words,
        &vectors,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The text form of a vector.
pub(crate) fn vector_text(vector: &[f32]) -> String {
    let numbers: Vec<String> = vector.iter().map(ToString::to_string).collect();
    format!("[{}]", numbers.join(","))
}

/// Makes the document one that can be found, with all counts, in the caller's transaction.
pub(crate) async fn complete(
    connection: &mut PgConnection,
    document: Uuid,
    now: DateTime<Utc>,
) -> Result<(), Stop> {
    let row = sqlx::query!(
        "UPDATE knowledge.documents d
         SET processing_status = 'completed', stage = 'done', progress = 100, completed_at = $2,
             error_code = NULL, error_detail = NULL
         WHERE d.id = $1 AND d.deleted_at IS NULL AND d.processing_status = 'processing'
           AND d.chunk_count = (SELECT count(*) FROM knowledge.document_chunks c
                                WHERE c.document_id = d.id)
         RETURNING d.knowledge_base_id",
        document,
        now,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let base = row.ok_or(Stop::Gone)?.knowledge_base_id;
    count(connection, base, document, 1).await?;
    Ok(())
}

/// Adds (1) or takes back (-1) a document's chunks and words in the counts of its base. The base's
/// row is locked first, so that two documents of one base never wait for each other's words.
pub(crate) async fn count(
    connection: &mut PgConnection,
    base: Uuid,
    document: Uuid,
    sign: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE knowledge.knowledge_bases b
         SET chunk_count = greatest(b.chunk_count + $3::integer * c.chunks, 0),
             word_count = greatest(b.word_count + $3 * c.words, 0)
         FROM (SELECT count(*) AS chunks, coalesce(sum(word_count), 0) AS words
               FROM knowledge.document_chunks WHERE document_id = $2) c
         WHERE b.id = $1",
        base,
        document,
        sign,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("SELECT knowledge.count_words($1, $2, $3)", base, document, sign)
        .execute(connection)
        .await?;
    Ok(())
}

/// Says on the document why an attempt failed; `last` if no other follows.
pub(crate) async fn note_failure(
    connection: &mut PgConnection,
    document: Uuid,
    code: &str,
    detail: &str,
    last: bool,
) -> Result<(), lyceum_store::StoreError> {
    let code: String = code.chars().take(60).collect();
    let detail: String = detail.chars().filter(|c| *c != '\0').take(1000).collect();
    sqlx::query!(
        "UPDATE knowledge.documents
         SET error_code = $2, error_detail = $3,
             processing_status = CASE WHEN $4 THEN 'failed' ELSE processing_status END
         WHERE id = $1 AND processing_status <> 'completed' AND deleted_at IS NULL",
        document,
        code,
        detail,
        last,
    )
    .execute(connection)
    .await?;
    Ok(())
}
