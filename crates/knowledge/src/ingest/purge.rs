use async_trait::async_trait;
use lyceum_jobs::{Job, JobContext, JobError};
use lyceum_store::StoreError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store;
use crate::Knowledge;

/// Chunks that are deleted at a time: the vector index takes its time to forget.
const BATCH: i64 = 500;

/// Removes a deleted document: chunks with their vectors, text, file, row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurgeDocument {
    /// Which.
    pub document_id: Uuid,
}

/// Removes a deleted knowledge base with everything in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurgeKnowledgeBase {
    /// Which.
    pub knowledge_base_id: Uuid,
}

#[async_trait]
impl Job for PurgeDocument {
    const NAME: &'static str = "knowledge.purge_document";
    type State = Knowledge;

    async fn run(self, state: Knowledge, context: JobContext) -> Result<(), JobError> {
        state.purge_document(self.document_id, &context).await
    }
}

#[async_trait]
impl Job for PurgeKnowledgeBase {
    const NAME: &'static str = "knowledge.purge_base";
    type State = Knowledge;

    async fn run(self, state: Knowledge, context: JobContext) -> Result<(), JobError> {
        let id = self.knowledge_base_id;
        let mut tx = state.db.begin_maintenance().await?;
        let documents = sqlx::query_scalar!(
            "SELECT d.id FROM knowledge.documents d
             JOIN knowledge.knowledge_bases b ON b.id = d.knowledge_base_id
             WHERE b.id = $1 AND b.deleted_at IS NOT NULL",
            id,
        )
        .fetch_all(&mut *tx)
        .await
        .map_err(StoreError::from)?;
        tx.commit().await.map_err(StoreError::from)?;
        for document in documents {
            state.purge_document(document, &context).await?;
        }
        let mut tx = state.db.begin_maintenance().await?;
        sqlx::query!(
            "DELETE FROM knowledge.knowledge_bases WHERE id = $1 AND deleted_at IS NOT NULL",
            id,
        )
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from)?;
        tx.commit().await.map_err(StoreError::from)?;
        let below = format!("documents/{id}");
        state.objects.delete_below(&below).await.map_err(|error| JobError::retry(&error))
    }
}

impl Knowledge {
    async fn purge_document(&self, id: Uuid, context: &JobContext) -> Result<(), JobError> {
        self.uncount(id).await?;
        loop {
            if context.shutdown.is_cancelled() {
                return Err(JobError::Retry("stopping".to_owned()));
            }
            let mut tx = self.db.begin_maintenance().await?;
            let gone = sqlx::query!(
                "DELETE FROM knowledge.document_chunks WHERE id IN (
                     SELECT c.id FROM knowledge.document_chunks c
                     JOIN knowledge.documents d ON d.id = c.document_id
                     WHERE d.id = $1 AND d.deleted_at IS NOT NULL LIMIT $2)",
                id,
                BATCH,
            )
            .execute(&mut *tx)
            .await
            .map_err(StoreError::from)?;
            tx.commit().await.map_err(StoreError::from)?;
            if gone.rows_affected() < BATCH.unsigned_abs() {
                break;
            }
        }
        let mut tx = self.db.begin_maintenance().await?;
        let path = sqlx::query_scalar!(
            "SELECT file_path FROM knowledge.documents WHERE id = $1 AND deleted_at IS NOT NULL",
            id,
        )
        .fetch_optional(&mut *tx)
        .await
        .map_err(StoreError::from)?;
        let Some(path) = path else { return Ok(()) };
        // The file goes first: as long as the row is there, this job finds the file again.
        self.objects.delete(&path).await.map_err(|error| JobError::retry(&error))?;
        sqlx::query!("DELETE FROM knowledge.documents WHERE id = $1", id)
            .execute(&mut *tx)
            .await
            .map_err(StoreError::from)?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(())
    }

    /// Takes a completed document out of the counts, once.
    async fn uncount(&self, id: Uuid) -> Result<(), StoreError> {
        let mut tx = self.db.begin_maintenance().await?;
        let base = sqlx::query_scalar!(
            "UPDATE knowledge.documents
             SET processing_status = 'pending', stage = 'queued', progress = 0
             WHERE id = $1 AND deleted_at IS NOT NULL AND processing_status = 'completed'
             RETURNING knowledge_base_id",
            id,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(base) = base {
            store::count(&mut tx, base, id, -1).await?;
            sqlx::query!(
                "DELETE FROM knowledge.word_counts WHERE knowledge_base_id = $1 AND chunks <= 0",
                base,
            )
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
