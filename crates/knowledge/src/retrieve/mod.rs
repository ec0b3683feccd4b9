//! From a question to the chunks that may answer it: the best by meaning and the best by words,
//! fused by their ranks.

mod fuse;
pub(crate) mod http;
mod rank;
mod relevance;
pub(crate) mod store;

use std::collections::BTreeMap;
use std::time::Instant;

use lyceum_core::{Problem as _, TRACE};
use lyceum_gateway::{CallContext, Purpose};
use lyceum_llm::EmbeddingTask;
use lyceum_store::StoreError;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use tracing::field::{Empty, display};
use tracing::{Instrument as _, Span, info_span};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Knowledge, KnowledgeError, words};
use fuse::Fused;
use rank::Weights;
use store::Base;

/// Chunks that each search gives.
const CANDIDATES: i32 = 40;
/// Chunks that are told beside the kept ones, to explain an answer.
const DROPPED: usize = 12;
/// Characters of a question that count.
const QUESTION_CHARS: usize = 2_000;

/// Whose question it is, and on whose account.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// Row-level security decides by this id.
    pub user_id: Uuid,
    /// The API key that the request came with.
    pub api_key_id: Option<Uuid>,
    /// The request, for the ledger.
    pub request_id: Uuid,
}

/// What was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Retrieval {
    /// The kept ones first, then those dropped, each by score.
    pub chunks: Vec<RetrievedChunk>,
    /// Whether the best of them seem to be about the question at all.
    pub relevant: bool,
    /// Milliseconds that it took, the question's embedding included.
    pub took_ms: u64,
    /// Documents of the bases that are still being processed, or wait for it, and cannot be found.
    pub being_read: usize,
}

/// A chunk that was found.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RetrievedChunk {
    /// The chunk.
    pub chunk_id: Uuid,
    /// Its document.
    pub document_id: Uuid,
    /// Its knowledge base.
    pub knowledge_base_id: Uuid,
    /// The document's title.
    pub document_title: String,
    /// The text.
    pub content: String,
    /// The page (sheet, slide) on which it stands; absent where the format has none.
    pub page: Option<i32>,
    /// The part of a long text without pages in which it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<i32>,
    /// Characters from the start of the page's text.
    pub start_offset: i32,
    /// The character after its last.
    pub end_offset: i32,
    /// The fused score: sum of 1/(60 + rank) over both searches.
    pub score: f64,
    /// Its place by meaning, from 1.
    pub dense_rank: Option<i32>,
    /// Cosine similarity to the question.
    pub dense_score: Option<f32>,
    /// Its place by words, from 1.
    pub text_rank: Option<i32>,
    /// Its weight by words.
    pub text_score: Option<f32>,
    /// Whether it is among the best that fit.
    pub kept: bool,
    /// Tokens of the embedding model.
    pub token_count: i32,
}

/// A question to a knowledge base.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchQuestion {
    /// 1 to 2000 characters.
    pub query: String,
    /// Chunks to keep, 1 to 40; 8 by default.
    pub limit: Option<usize>,
}

/// What a question found.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SearchAnswer {
    /// The kept chunks first, then those dropped.
    pub items: Vec<RetrievedChunk>,
    /// Whether the best of them seem to be about the question; if not, these are only the nearest.
    pub relevant: bool,
    /// Milliseconds that it took.
    pub took_ms: u64,
}

impl Knowledge {
    /// Finds chunks for a question under the user's own rights. Bases that are unknown, or not
    /// theirs to use, are an error. `limit` is how many to keep; the setting where `None`.
    pub async fn retrieve(
        &self,
        asker: Asker,
        bases: &[Uuid],
        question: &str,
        limit: Option<usize>,
    ) -> Result<Retrieval, KnowledgeError> {
        let span = span(bases);
        let finding = self.find(asker, bases, question, limit);
        let found = finding.instrument(span.clone()).await;
        match &found {
            Ok(retrieval) => span.record("lyceum.retrieval.chunks", retrieval.chunks.len()),
            Err(error) => {
                span.record("otel.status_code", "ERROR").record("error.type", error.code())
            }
        };
        found
    }

    async fn find(
        &self,
        asker: Asker,
        bases: &[Uuid],
        question: &str,
        limit: Option<usize>,
    ) -> Result<Retrieval, KnowledgeError> {
        let started = Instant::now();
        let question: String = question.trim().chars().take(QUESTION_CHARS).collect();
        if question.is_empty() {
            return Err(KnowledgeError::Invalid { field: "query", reason: "is empty".to_owned() });
        }
        let user = asker.user_id;
        let scope = self.scope(user, bases).await?;
        let by_meaning = self
            .search_by_meaning(asker, &scope, &question)
            .instrument(info_span!(target: TRACE, "search by meaning"));
        let by_words = self
            .search_by_words(user, &scope, &question)
            .instrument(info_span!(target: TRACE, "search by words"));
        let (by_meaning, by_words) = tokio::join!(by_meaning, by_words);
        let (words, by_words) = by_words?;
        let fused = fuse::fuse(by_meaning?, by_words);
        let limit = limit.unwrap_or(self.settings().kept_chunks);
        let chunks = self.details(user, fused, limit).await?;
        let relevant = relevance::judge(&scope.bases, &question, words, &chunks).await;
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Retrieval { chunks, relevant, took_ms, being_read: scope.being_read })
    }

    /// Whether the user may use all these bases.
    pub async fn check_bases(&self, user: Uuid, bases: &[Uuid]) -> Result<(), KnowledgeError> {
        let mut tx = self.db.begin_as(user).await?;
        permitted(&mut tx, bases).await?;
        Ok(tx.commit().await.map_err(StoreError)?)
    }

    async fn scope(&self, user: Uuid, bases: &[Uuid]) -> Result<Scope, KnowledgeError> {
        let mut tx = self.db.begin_as(user).await?;
        let bases = permitted(&mut tx, bases).await?;
        let ids: Vec<Uuid> = bases.iter().map(|base| base.id).collect();
        let unfinished = store::unfinished_documents(&mut tx, &ids).await?;
        let all_chunks = store::all_chunks(&mut tx).await?;
        tx.commit().await?;
        let being_read = unfinished.iter().filter(|document| document.being_read).count();
        let excluded = unfinished.into_iter().map(|document| document.id).collect();
        Ok(Scope { ids, bases, excluded, being_read, all_chunks })
    }

    /// One ranking for each embedding model among the bases.
    async fn search_by_meaning(
        &self,
        asker: Asker,
        scope: &Scope,
        question: &str,
    ) -> Result<Vec<Vec<(Uuid, f32)>>, KnowledgeError> {
        let mut groups: BTreeMap<(Option<Uuid>, &str), Vec<&Base>> = BTreeMap::new();
        for base in scope.bases.iter().filter(|base| base.chunk_count > 0) {
            groups.entry((base.model_config, base.model.as_str())).or_default().push(base);
        }
        let mut rankings = Vec::new();
        for group in groups.into_values() {
            let Some(first) = group.first() else { continue };
            let model = self.model_of_base(first.owner, first.model_config, &first.model).await?;
            let context = CallContext {
                api_key_id: asker.api_key_id,
                request_id: asker.request_id,
                ..CallContext::new(asker.user_id, Purpose::Retrieval)
            };
            let dimension = usize::try_from(first.dimension).unwrap_or(0);
            let task = EmbeddingTask::Query;
            let input = vec![question.to_owned()];
            let vectors = self.embed(context, &model, task, input, Some(dimension)).await?;
            let Some(vector) = vectors.into_iter().next() else { continue };
            let ids: Vec<Uuid> = group.iter().map(|base| base.id).collect();
            let permitted = group.iter().map(|base| base.chunk_count).sum();
            let way = rank::way(permitted, scope.all_chunks);
            let mut tx = self.db.begin_as(asker.user_id).await?;
            let search = store::Dense { bases: &ids, excluded: &scope.excluded, vector: &vector };
            rankings.push(store::dense(&mut tx, &search, way, CANDIDATES).await?);
            tx.commit().await?;
        }
        Ok(rankings)
    }

    /// The question's words with their weights, and the chunks that hold them.
    async fn search_by_words(
        &self,
        user: Uuid,
        scope: &Scope,
        question: &str,
    ) -> Result<(Weights, Vec<(Uuid, f32)>), KnowledgeError> {
        let text = question.to_owned();
        let words = tokio::task::spawn_blocking(move || words::distinct(&text)).await;
        let mut words = words.unwrap_or_default();
        words.truncate(rank::MAX_WORDS);
        let chunks: i64 = scope.bases.iter().map(|base| base.chunk_count).sum();
        if words.is_empty() || chunks == 0 {
            return Ok((Weights::new(), Vec::new()));
        }
        let mut tx = self.db.begin_as(user).await?;
        let counts = store::word_counts(&mut tx, &scope.ids, &words).await?;
        let weights = rank::weights(words, &counts, chunks);
        let Some(plan) = rank::plan(counts, chunks) else { return Ok((weights, Vec::new())) };
        let all_words: i64 = scope.bases.iter().map(|base| base.word_count).sum();
        let average = all_words as f32 / chunks as f32;
        let found =
            store::by_words(&mut tx, &scope.ids, &scope.excluded, &plan, average, CANDIDATES)
                .await?;
        tx.commit().await?;
        Ok((weights, found))
    }

    /// Reads the best chunks and marks those that fit as kept.
    async fn details(
        &self,
        user: Uuid,
        mut fused: Vec<Fused>,
        limit: usize,
    ) -> Result<Vec<RetrievedChunk>, KnowledgeError> {
        fused.truncate(limit + DROPPED);
        let ids: Vec<Uuid> = fused.iter().map(|found| found.chunk).collect();
        let mut tx = self.db.begin_as(user).await?;
        let mut rows = store::details(&mut tx, &ids).await?;
        tx.commit().await?;
        let (mut kept, mut tokens) = (0, 0);
        let mut chunks: Vec<RetrievedChunk> = Vec::with_capacity(fused.len());
        for found in fused {
            let Some(mut chunk) = rows.remove(&found.chunk) else { continue };
            let fits = kept == 0 || tokens + chunk.token_count <= self.settings().kept_tokens;
            chunk.kept = kept < limit && fits;
            if chunk.kept {
                kept += 1;
                tokens += chunk.token_count;
            }
            chunk.score = found.score;
            chunk.dense_rank = found.dense.map(|(rank, _)| rank);
            chunk.dense_score = found.dense.map(|(_, score)| score);
            chunk.text_rank = found.text.map(|(rank, _)| rank);
            chunk.text_score = found.text.map(|(_, score)| score);
            chunks.push(chunk);
        }
        chunks.sort_by_key(|chunk| !chunk.kept);
        Ok(chunks)
    }
}

/// What a trace tells of a search.
fn span(bases: &[Uuid]) -> Span {
    let single = match bases {
        [base] => Some(display(base)),
        _ => None,
    };
    info_span!(
        target: TRACE, "retrieval",
        otel.status_code = Empty,
        gen_ai.operation.name = "retrieval",
        gen_ai.data_source.id = single,
        lyceum.retrieval.bases = bases.len(),
        lyceum.retrieval.chunks = Empty,
        error.type = Empty,
    )
}

/// The bases of these ids, all of which the acting user may use.
async fn permitted(
    connection: &mut PgConnection,
    bases: &[Uuid],
) -> Result<Vec<Base>, KnowledgeError> {
    let mut ids = bases.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let bases = store::bases(connection, &ids).await?;
    match bases.len() == ids.len() {
        true => Ok(bases),
        false => Err(KnowledgeError::NotFound("knowledge base")),
    }
}

/// Where a question is asked.
struct Scope {
    ids: Vec<Uuid>,
    bases: Vec<Base>,
    /// Documents that are not complete or are being deleted.
    excluded: Vec<Uuid>,
    /// Those of them that may be found later.
    being_read: usize,
    /// Chunks of everybody, as far as the statistics know.
    all_chunks: i64,
}
