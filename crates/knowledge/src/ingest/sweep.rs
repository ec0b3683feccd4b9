use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use lyceum_jobs::{EnqueueOptions, Job, JobContext, JobError};
use lyceum_store::StoreError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{GAVE_UP, IngestDocument, MAX_ATTEMPTS, PurgeDocument, PurgeKnowledgeBase};
use crate::Knowledge;

/// A file without a row that is younger may belong to an upload that still runs.
const YOUNG: Duration = Duration::from_secs(24 * 3600);
/// Work that has not moved for so long has lost its job.
const STUCK: Duration = Duration::from_secs(3600);

/// Clears up: files that belong to no document, what uploads that were cut off left, and documents
/// whose job was lost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sweep {}

#[async_trait]
impl Job for Sweep {
    const NAME: &'static str = "knowledge.sweep";
    const MAX_ATTEMPTS: i32 = 3;
    type State = Knowledge;

    async fn run(self, state: Knowledge, _: JobContext) -> Result<(), JobError> {
        let now = state.clock.now();
        state.revive(now).await?;
        let stale = state.objects.remove_stale_uploads(YOUNG).await;
        let stale = stale.map_err(|error| JobError::retry(&error))?;
        if stale > 0 {
            tracing::info!(stale, "removed what uploads that were cut off left");
        }
        let paths =
            state.objects.list("documents").await.map_err(|error| JobError::retry(&error))?;
        let old: Vec<(Uuid, String)> = paths
            .into_iter()
            .filter_map(|path| Some((document_of(&path)?, path)))
            .filter(|(id, _)| stored_at(*id).is_some_and(|at| now - at > YOUNG_CHRONO))
            .collect();
        for batch in old.chunks(1_000) {
            let ids: Vec<Uuid> = batch.iter().map(|(id, _)| *id).collect();
            let mut tx = state.db.begin_maintenance().await?;
            let known = sqlx::query_scalar!(
                "SELECT id FROM knowledge.documents WHERE id = ANY ($1)",
                &ids,
            )
            .fetch_all(&mut *tx)
            .await
            .map_err(StoreError::from)?;
            tx.commit().await.map_err(StoreError::from)?;
            let known: HashSet<Uuid> = known.into_iter().collect();
            for (_, path) in batch.iter().filter(|(id, _)| !known.contains(id)) {
                tracing::info!(path, "removing a file that belongs to no document");
                state.objects.delete(path).await.map_err(|error| JobError::retry(&error))?;
            }
        }
        Ok(())
    }
}

const YOUNG_CHRONO: chrono::TimeDelta = chrono::TimeDelta::seconds(YOUNG.as_secs() as i64);
const STUCK_CHRONO: chrono::TimeDelta = chrono::TimeDelta::seconds(STUCK.as_secs() as i64);

/// The document whose file a path is.
fn document_of(path: &str) -> Option<Uuid> {
    path.strip_prefix("documents/")?.split('/').nth(1)?.parse().ok()
}

/// An id of version 7 tells when it was made.
fn stored_at(id: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

impl Knowledge {
    /// Puts work that nobody does any more back into the queue, but gives up documents that ended
    /// the process each time.
    async fn revive(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut tx = self.db.begin_maintenance().await?;
        sqlx::query!(
            "UPDATE knowledge.documents
             SET processing_status = 'failed', error_code = $3, error_detail = $4
             WHERE updated_at < $1 AND attempts >= $2 AND deleted_at IS NULL
               AND processing_status IN ('pending', 'processing')",
            now - STUCK_CHRONO,
            MAX_ATTEMPTS,
            GAVE_UP.0,
            GAVE_UP.1,
        )
        .execute(&mut *tx)
        .await?;
        let documents = sqlx::query!(
            r#"SELECT d.id, b.owner_id, (d.deleted_at IS NOT NULL) AS "deleted!"
               FROM knowledge.documents d
               JOIN knowledge.knowledge_bases b ON b.id = d.knowledge_base_id
               WHERE d.updated_at < $1 AND b.deleted_at IS NULL
                 AND (d.deleted_at IS NOT NULL OR d.processing_status IN ('pending', 'processing'))
               LIMIT 1000"#,
            now - STUCK_CHRONO,
        )
        .fetch_all(&mut *tx)
        .await?;
        for row in documents {
            let (job, key) = (row.id, |what| Some(format!("knowledge.{what}:{}", row.id)));
            if row.deleted {
                let options = EnqueueOptions { key: key("purge"), ..Default::default() };
                let purge = PurgeDocument { document_id: job };
                lyceum_jobs::enqueue(&mut tx, &purge, options).await?;
            } else {
                let options = EnqueueOptions { key: key("ingest"), ..Default::default() };
                let ingest = IngestDocument {
                    document_id: job,
                    owner_id: row.owner_id,
                    // The job that knew it was lost.
                    api_key_id: None,
                };
                lyceum_jobs::enqueue(&mut tx, &ingest, options).await?;
            }
        }
        let bases = sqlx::query_scalar!(
            "SELECT id FROM knowledge.knowledge_bases WHERE deleted_at < $1 LIMIT 100",
            now - STUCK_CHRONO,
        )
        .fetch_all(&mut *tx)
        .await?;
        for id in bases {
            let key = Some(format!("knowledge.purge:{id}"));
            let options = EnqueueOptions { key, ..Default::default() };
            let purge = PurgeKnowledgeBase { knowledge_base_id: id };
            lyceum_jobs::enqueue(&mut tx, &purge, options).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
