use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use lyceum_gateway::{CallContext, Purpose};
use lyceum_jobs::JobContext;
use lyceum_llm::EmbeddingTask;

use super::store::{self, ChunkRow, Job as Document};
use super::{IngestDocument, Stop};
use crate::chunk::{Chunk, ChunkSettings, chunk, plan};
use crate::{Knowledge, KnowledgeError, words};

/// Batches at the embedding model at the same time: while one is written, the next is computed.
const IN_FLIGHT: usize = 2;

impl Knowledge {
    /// Cuts the text and embeds what has no row yet.
    pub(super) async fn embed_chunks(
        &self,
        job: &IngestDocument,
        document: &Document,
        context: &JobContext,
    ) -> Result<(), Stop> {
        let model = self
            .model_of_base(job.owner_id, document.model_config, &document.model)
            .await
            .map_err(KnowledgeError::from)?;
        let mut tx = self.db.begin_as(job.owner_id).await?;
        let pages = store::text(&mut tx, job.document_id).await?;
        tx.commit().await?;
        let counter = self.counter(&model);
        let chunks = chunk(&pages, document.chunking, &counter).await;
        let chunks = chunks.map_err(|error| KnowledgeError::Gateway(error.into()))?;
        drop(pages);
        if chunks.is_empty() {
            let detail = "The document has no text.".to_owned();
            return Err(Stop::Document { code: "no_text".to_owned(), detail });
        }
        let plan = plan(&chunks);
        let mut tx = self.db.begin_as(job.owner_id).await?;
        let total = i32::try_from(chunks.len()).unwrap_or(i32::MAX);
        let done = store::begin_chunks(&mut tx, job.document_id, &plan, total).await?;
        let done = done.ok_or(Stop::Gone)?;
        tx.commit().await?;

        // Without its person a key is nobody's.
        let (user, api_key_id) = match document.uploader {
            Some(uploader) => (uploader, job.api_key_id),
            None => (job.owner_id, None),
        };
        let batches = self.batches(&chunks, usize::try_from(done).unwrap_or(0));
        drop(chunks);
        let work = stream::iter(batches).map(|(first, batch)| {
            let (knowledge, model) = (self.clone(), model.clone());
            let call = CallContext { api_key_id, ..CallContext::new(user, Purpose::Embedding) };
            let dimension = document.dimension;
            async move {
                let texts: Vec<String> = batch.iter().map(Chunk::embedded_text).collect();
                let (task, input) = (EmbeddingTask::Passage, texts.clone());
                let vectors = knowledge.embed(call, &model, task, input, Some(dimension)).await?;
                Ok::<_, Stop>((first, rows(batch, texts, vectors).await?))
            }
            .boxed()
        });
        let mut work = std::pin::pin!(work.buffered(IN_FLIGHT));
        loop {
            let next = tokio::select! {
                next = work.try_next() => next?,
                () = context.shutdown.cancelled() => return Err(Stop::Shutdown),
            };
            let Some((first, rows)) = next else { return Ok(()) };
            let mut tx = self.db.begin_as(job.owner_id).await?;
            store::add_chunks(&mut tx, document, job.document_id, &plan, first, &rows).await?;
            tx.commit().await?;
        }
    }

    /// Chunks that have no row yet, as many at a time as the settings allow, each with the number
    /// of its first.
    fn batches(&self, chunks: &[Chunk], done: usize) -> Vec<(usize, Vec<Chunk>)> {
        let settings = self.settings();
        let mut batches = Vec::new();
        let (mut first, mut tokens) = (done, 0);
        for at in done..chunks.len() {
            let next = chunks[at].tokens as usize;
            let full = at - first >= settings.embed_batch_chunks.max(1)
                || tokens + next > settings.embed_batch_tokens;
            if at > first && full {
                batches.push((first, chunks[first..at].to_vec()));
                (first, tokens) = (at, 0);
            }
            tokens += next;
        }
        if first < chunks.len() {
            batches.push((first, chunks[first..].to_vec()));
        }
        batches
    }
}

/// Segments the words and puts everything of a row together.
async fn rows(
    chunks: Vec<Chunk>,
    texts: Vec<String>,
    vectors: Vec<Vec<f32>>,
) -> Result<Vec<ChunkRow>, Stop> {
    let made = tokio::task::spawn_blocking(move || {
        let parts = chunks.into_iter().zip(texts).zip(vectors);
        let row = |((chunk, text), vector): ((Chunk, String), Vec<f32>)| {
            let (words, word_count) = words::vector(&text);
            ChunkRow { chunk, words, word_count, vector }
        };
        parts.map(row).collect()
    });
    made.await.map_err(|error| {
        let detail = error.to_string();
        Stop::Later { code: "internal".to_owned(), detail }
    })
}

impl Document {
    pub(super) fn settings(size: i32, overlap: i32) -> ChunkSettings {
        ChunkSettings {
            size: usize::try_from(size).unwrap_or(512),
            overlap: usize::try_from(overlap).unwrap_or(0),
        }
    }
}
