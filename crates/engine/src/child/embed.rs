//! `/v1/embeddings`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::HeaderMap;
use lyceum_llm::openai::{EmbeddingData, EmbeddingList, EmbeddingVector, WireUsage};
use lyceum_llm::{EmbeddingTask, ModelKind, Usage};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::chat::user_of;
use super::failure::Failure;
use super::models::{Loaded, Models, Work};
use crate::native::{EmbedJob, MAX_BATCH_TOKENS, Token};

/// Texts in one request, at most.
const MAX_INPUTS: usize = 4096;

/// What `/v1/embeddings` is asked: OpenAI's members and two of ours.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EmbedRequest {
    /// The model.
    pub(crate) model: String,
    /// One text or several.
    pub(crate) input: Input,
    /// What for; decides the prefix.
    #[serde(default = "raw")]
    pub(crate) task: EmbeddingTask,
    /// Whether a text that is too long is cut instead of refused.
    #[serde(default)]
    pub(crate) truncate: bool,
    /// `float` or `base64`.
    #[serde(default)]
    pub(crate) encoding_format: Option<String>,
    /// Wanted length of the vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dimensions: Option<u32>,
}

/// A caller that knows nothing of tasks puts prefixes itself.
fn raw() -> EmbeddingTask {
    EmbeddingTask::Raw
}

/// One text or several.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Input {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

pub(super) async fn embed(
    State(models): State<Arc<Models>>,
    headers: HeaderMap,
    body: Result<Json<EmbedRequest>, JsonRejection>,
) -> Result<Json<EmbeddingList>, Failure> {
    let Json(request) = body.map_err(|error| Failure::Invalid(error.body_text()))?;
    let loaded = models.get(&request.model, ModelKind::Embedding).await?;
    check(&loaded, &request)?;
    let base64 = request.encoding_format.as_deref() == Some("base64");
    let model = request.model.clone();
    let urgent = request.task == EmbeddingTask::Query;
    let texts = tokenize(&loaded, request).await?;
    let tokens: usize = texts.iter().map(Vec::len).sum();
    let vectors = submit(&loaded, texts, urgent, &user_of(&headers)).await?;
    let show = |(index, vector)| EmbeddingData {
        object: "embedding".into(),
        index: Some(index),
        embedding: EmbeddingVector::encode(vector, base64),
    };
    let usage = Usage { prompt_tokens: tokens as u64, ..Usage::default() };
    Ok(Json(EmbeddingList {
        object: "list".into(),
        data: vectors.into_iter().enumerate().map(show).collect(),
        model,
        usage: Some(WireUsage::from(usage)),
    }))
}

fn check(loaded: &Loaded, request: &EmbedRequest) -> Result<(), Failure> {
    let count = match &request.input {
        Input::One(_) => 1,
        Input::Many(texts) => texts.len(),
    };
    if count == 0 || count > MAX_INPUTS {
        return Err(Failure::Invalid(format!("input must have 1 to {MAX_INPUTS} texts")));
    }
    match (request.dimensions, loaded.spec.dimensions) {
        (Some(wanted), has) if has != Some(wanted) => {
            let has = has.unwrap_or_default();
            Err(Failure::Invalid(format!("the model's vectors have {has} dimensions only")))
        }
        _ => Ok(()),
    }
}

async fn tokenize(loaded: &Arc<Loaded>, request: EmbedRequest) -> Result<Vec<Vec<Token>>, Failure> {
    let loaded = loaded.clone();
    let all = move || {
        let texts = match request.input {
            Input::One(text) => vec![text],
            Input::Many(texts) => texts,
        };
        let prefix = loaded.spec.prefix(request.task);
        let limit = MAX_BATCH_TOKENS.min(loaded.spec.context_length as usize);
        let one = |(index, text): (usize, &String)| {
            let whole = format!("{prefix}{}", text.trim());
            let mut tokens = loaded.native.tokenize(&whole, true, false);
            if tokens.len() > limit && !request.truncate {
                return Err(Failure::TooLong(format!(
                    "This model's maximum context length is {limit} tokens; text {index} has {}.",
                    tokens.len()
                )));
            }
            if let (true, Some(last)) = (tokens.len() > limit, tokens.last().copied()) {
                tokens.truncate(limit - 1);
                tokens.push(last);
            }
            Ok(tokens)
        };
        texts.iter().enumerate().map(one).collect()
    };
    let tokenized = tokio::task::spawn_blocking(all).await;
    tokenized.map_err(|error| Failure::Native(error.to_string()))?
}

async fn submit(
    loaded: &Loaded,
    texts: Vec<Vec<Token>>,
    urgent: bool,
    user: &str,
) -> Result<Vec<Vec<f32>>, Failure> {
    let Work::Embedding { inbox } = &loaded.work else {
        return Err(Failure::Invalid("not an embedding model".to_owned()));
    };
    let (reply, answer) = oneshot::channel();
    let job = EmbedJob { texts, urgent, reply };
    inbox.push(user, urgent, job, |job| !job.reply.is_closed()).map_err(|_| Failure::Busy)?;
    let vectors = answer.await.map_err(|_| Failure::Native("the model was unloaded".to_owned()))?;
    vectors.map_err(Failure::Native)
}
