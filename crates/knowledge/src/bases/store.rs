use chrono::{DateTime, Utc};
use lyceum_core::PageRequest;
use sqlx::PgConnection;
use uuid::Uuid;

use super::KnowledgeBase;
use crate::KnowledgeError;

pub(crate) struct NewBase<'a> {
    pub id: Uuid,
    pub owner: Uuid,
    pub name: &'a str,
    pub description: &'a str,
    pub model: &'a str,
    pub model_config: Uuid,
    pub dimension: i32,
    pub size: i32,
    pub overlap: i32,
    pub now: DateTime<Utc>,
}

pub(crate) async fn insert(
    connection: &mut PgConnection,
    base: &NewBase<'_>,
) -> Result<(), KnowledgeError> {
    sqlx::query!(
        "INSERT INTO knowledge.knowledge_bases
           (id, owner_id, name, description, collection_name, embedding_model,
            embedding_model_config_id, vector_dimension, chunk_size, chunk_overlap,
            created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)",
        base.id,
        base.owner,
        base.name,
        base.description,
        format!("kb_{}", base.id.simple()),
        base.model,
        base.model_config,
        base.dimension,
        base.size,
        base.overlap,
        base.now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The bases that the acting user reaches.
pub(crate) async fn list(
    connection: &mut PgConnection,
    page: PageRequest,
) -> Result<Vec<KnowledgeBase>, KnowledgeError> {
    let (at, id) = page.after.map(|after| (after.at, after.id)).unzip();
    Ok(sqlx::query_as!(
        KnowledgeBase,
        r#"SELECT b.id, b.owner_id, b.name, b.description, b.embedding_model, b.vector_dimension,
                  b.chunk_size, b.chunk_overlap, b.document_count, b.chunk_count, b.total_size,
                  b.status, b.visibility, b.created_at, b.updated_at,
                  mine.level AS "level!", mine.level IN ('edit', 'own') AS "editable!"
           FROM knowledge.knowledge_bases b
           JOIN app.my_objects('knowledge_base') mine ON mine.object_id = b.id
           WHERE b.deleted_at IS NULL
             AND ($1::timestamptz IS NULL OR (b.created_at, b.id) < ($1, $2))
           ORDER BY b.created_at DESC, b.id DESC LIMIT $3"#,
        at,
        id,
        page.limit + 1,
    )
    .fetch_all(connection)
    .await?)
}

/// One base, if the acting user reaches it.
pub(crate) async fn find(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Option<KnowledgeBase>, KnowledgeError> {
    Ok(sqlx::query_as!(
        KnowledgeBase,
        r#"SELECT b.id, b.owner_id, b.name, b.description, b.embedding_model, b.vector_dimension,
                  b.chunk_size, b.chunk_overlap, b.document_count, b.chunk_count, b.total_size,
                  b.status, b.visibility, b.created_at, b.updated_at,
                  mine.level AS "level!", mine.level IN ('edit', 'own') AS "editable!"
           FROM knowledge.knowledge_bases b
           JOIN app.my_objects('knowledge_base') mine ON mine.object_id = b.id
           WHERE b.id = $1 AND b.deleted_at IS NULL"#,
        id,
    )
    .fetch_optional(connection)
    .await?)
}

/// Answers whether there was such a base of this owner.
pub(crate) async fn update(
    connection: &mut PgConnection,
    owner: Uuid,
    id: Uuid,
    name: Option<&str>,
    description: Option<&str>,
    visibility: Option<&str>,
) -> Result<bool, KnowledgeError> {
    let done = sqlx::query!(
        "UPDATE knowledge.knowledge_bases
         SET name = coalesce($3, name), description = coalesce($4, description),
             visibility = coalesce($5, visibility)
         WHERE id = $2 AND owner_id = $1 AND deleted_at IS NULL",
        owner,
        id,
        name,
        description,
        visibility,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Marks the base and its documents; answers whether there was such a base of this owner.
pub(crate) async fn mark_deleted(
    connection: &mut PgConnection,
    owner: Uuid,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, KnowledgeError> {
    let owned = sqlx::query_scalar!(
        "SELECT id FROM knowledge.knowledge_bases
         WHERE id = $2 AND owner_id = $1 AND deleted_at IS NULL FOR UPDATE",
        owner,
        id,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if owned.is_none() {
        return Ok(false);
    }
    // Documents first: those of a deleted base are out of sight.
    sqlx::query!(
        "UPDATE knowledge.documents SET deleted_at = $2
         WHERE knowledge_base_id = $1 AND deleted_at IS NULL",
        id,
        now,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("UPDATE knowledge.knowledge_bases SET deleted_at = $2 WHERE id = $1", id, now,)
        .execute(connection)
        .await?;
    Ok(true)
}
