use std::collections::HashMap;

use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::RetrievedChunk;
use super::rank::{Way, WordPlan};
use crate::KnowledgeError;
use crate::parse::Format;

/// A base that a question is put to.
pub(crate) struct Base {
    pub id: Uuid,
    pub owner: Uuid,
    pub model: String,
    pub model_config: Option<Uuid>,
    pub dimension: i32,
    pub chunk_count: i64,
    pub word_count: i64,
}

/// Those of the bases that the acting user may use.
pub(crate) async fn bases(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<Base>, KnowledgeError> {
    Ok(sqlx::query_as!(
        Base,
        "SELECT id, owner_id AS owner, embedding_model AS model,
                embedding_model_config_id AS model_config, vector_dimension AS dimension,
                chunk_count, word_count
         FROM knowledge.knowledge_bases
         WHERE id = ANY ($1) AND deleted_at IS NULL
           AND id = ANY ((SELECT knowledge.bases_for('use'))::uuid[])
         ORDER BY id",
        ids,
    )
    .fetch_all(connection)
    .await?)
}

/// A document whose chunks may not be found.
pub(crate) struct Unfinished {
    pub id: Uuid,
    /// Whether it is neither deleted nor failed.
    pub being_read: bool,
}

/// Documents whose chunks may not be found.
pub(crate) async fn unfinished_documents(
    connection: &mut PgConnection,
    bases: &[Uuid],
) -> Result<Vec<Unfinished>, KnowledgeError> {
    Ok(sqlx::query_as!(
        Unfinished,
        r#"SELECT id, (deleted_at IS NULL AND processing_status <> 'failed') AS "being_read!"
           FROM knowledge.documents
           WHERE knowledge_base_id = ANY ($1)
             AND (processing_status <> 'completed' OR deleted_at IS NOT NULL)"#,
        bases,
    )
    .fetch_all(connection)
    .await?)
}

/// How many chunks there are, as the last statistics say; 0 where there are none yet.
pub(crate) async fn all_chunks(connection: &mut PgConnection) -> Result<i64, KnowledgeError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT greatest(reltuples, 0)::bigint AS "chunks!"
           FROM pg_class WHERE oid = 'knowledge.document_chunks'::regclass"#
    )
    .fetch_one(connection)
    .await?)
}

/// A search by meaning.
pub(crate) struct Dense<'a> {
    pub bases: &'a [Uuid],
    pub excluded: &'a [Uuid],
    pub vector: &'a [f32],
}

/// The nearest chunks with their similarity.
pub(crate) async fn dense(
    connection: &mut PgConnection,
    search: &Dense<'_>,
    way: Way,
    limit: i32,
) -> Result<Vec<(Uuid, f32)>, KnowledgeError> {
    let cast = match (way, search.vector.len()) {
        (Way::Index, 384) => Some("halfvec(384)"),
        (Way::Index, 512) => Some("halfvec(512)"),
        (Way::Index, 768) => Some("halfvec(768)"),
        (Way::Index, 1024) => Some("halfvec(1024)"),
        (Way::Index, 1536) => Some("halfvec(1536)"),
        (Way::Index, 3072) => Some("halfvec(3072)"),
        // No index has the expression, so every permitted row is compared.
        _ => None,
    };
    if cast.is_some() {
        // The planner would rather sort all permitted rows than walk the index.
        sqlx::query!(
            "SELECT set_config('hnsw.ef_search', '100', true) AS a,
                    set_config('hnsw.iterative_scan', 'relaxed_order', true) AS b,
                    set_config('hnsw.max_scan_tuples', '40000', true) AS c,
                    set_config('enable_bitmapscan', 'off', true) AS d,
                    set_config('enable_seqscan', 'off', true) AS e,
                    set_config('enable_sort', 'off', true) AS f"
        )
        .fetch_one(&mut *connection)
        .await?;
    }
    let cast = cast.unwrap_or("halfvec");
    let mut query: QueryBuilder<Postgres> = QueryBuilder::new("");
    // In a subquery, the vector is read once and not once a row, whatever the plan.
    let distance = |query: &mut QueryBuilder<Postgres>| {
        query.push("embedding::").push(cast).push(" <=> (SELECT ");
        query.push_bind(search.vector.to_vec()).push("::real[]::").push(cast).push(")");
    };
    query.push("SELECT f.id, (1 - f.distance)::real FROM (SELECT id, ");
    distance(&mut query);
    query.push(" AS distance FROM knowledge.document_chunks WHERE knowledge_base_id = ANY (");
    query.push_bind(search.bases);
    // The planner must see the number itself to choose the partial index.
    query.push("::uuid[]) AND dimension = ").push(search.vector.len());
    if !search.excluded.is_empty() {
        query.push(" AND document_id <> ALL (").push_bind(search.excluded).push("::uuid[])");
    }
    query.push(" ORDER BY ");
    distance(&mut query);
    query.push(" LIMIT ").push_bind(limit).push(") f ORDER BY f.distance, f.id");
    Ok(query.build_query_as().fetch_all(connection).await?)
}

/// In how many chunks of the bases each word stands.
pub(crate) async fn word_counts(
    connection: &mut PgConnection,
    bases: &[Uuid],
    words: &[String],
) -> Result<Vec<(String, i64)>, KnowledgeError> {
    let rows = sqlx::query!(
        r#"SELECT word, sum(chunks)::bigint AS "chunks!"
           FROM knowledge.word_counts
           WHERE knowledge_base_id = ANY ($1) AND word = ANY ($2) GROUP BY word"#,
        bases,
        words,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.word, row.chunks)).collect())
}

/// The best chunks by words with their weight.
pub(crate) async fn by_words(
    connection: &mut PgConnection,
    bases: &[Uuid],
    excluded: &[Uuid],
    plan: &WordPlan,
    average_words: f32,
    limit: i32,
) -> Result<Vec<(Uuid, f32)>, KnowledgeError> {
    let rows = sqlx::query!(
        r#"SELECT chunk_id AS "chunk_id!", score AS "score!"
           FROM knowledge.search_words($1, $2, $3::text::tsquery, $4::text[]::tsquery[], $5, $6,
                                       $7, $8, $9)"#,
        bases,
        excluded,
        plan.candidates,
        &plan.terms,
        &plan.weights,
        average_words,
        plan.narrow,
        plan.limit,
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.chunk_id, row.score)).collect())
}

/// The chunks themselves, without scores.
pub(crate) async fn details(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, RetrievedChunk>, KnowledgeError> {
    let rows = sqlx::query!(
        "SELECT c.id, c.document_id, c.knowledge_base_id, d.title, d.mime_type, d.page_count,
                c.content, c.page, c.start_offset, c.end_offset, c.token_count
         FROM knowledge.document_chunks c JOIN knowledge.documents d ON d.id = c.document_id
         WHERE c.id = ANY ($1) AND d.deleted_at IS NULL AND d.processing_status = 'completed'",
        ids,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let format = Format::from_mime_type(&row.mime_type);
            let paged = format.is_some_and(|format| format.has_pages(row.page_count));
            let chunk = RetrievedChunk {
                chunk_id: row.id,
                document_id: row.document_id,
                knowledge_base_id: row.knowledge_base_id,
                document_title: row.title,
                content: row.content,
                page: paged.then_some(row.page),
                section: (!paged && row.page_count > 1).then_some(row.page),
                start_offset: row.start_offset,
                end_offset: row.end_offset,
                score: 0.0,
                dense_rank: None,
                dense_score: None,
                text_rank: None,
                text_score: None,
                kept: false,
                token_count: row.token_count,
            };
            (row.id, chunk)
        })
        .collect())
}
