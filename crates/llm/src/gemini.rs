//! Google's Gemini API (`generateContent`) behind [`ChatModel`] and [`EmbeddingModel`].

mod events;
mod request;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

use crate::embedding::Collected;
use crate::listing::{self, GeminiModel};
use crate::{
    ChatModel, ChatRequest, ChatStream, EmbeddingModel, EmbeddingRequest, EmbeddingResponse,
    EmbeddingTask, Endpoint, ListedModel, LlmError, convert, stream,
};

/// The most texts that one request embeds.
const MAX_BATCH: usize = 100;

/// A client of one account. Cheap to clone.
#[derive(Clone)]
pub struct GeminiClient {
    endpoint: Endpoint,
    embedding_batch: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModelPage {
    #[serde(default)]
    models: Vec<GeminiModel>,
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Embeddings {
    embeddings: Vec<Embedding>,
    #[serde(default)]
    usage_metadata: Option<EmbeddingUsage>,
}

#[derive(Deserialize)]
struct Embedding {
    values: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EmbeddingUsage {
    prompt_token_count: Option<u64>,
}

impl GeminiClient {
    /// A client of the API at `endpoint`, with or without `/v1beta` at its end.
    pub fn at(endpoint: Endpoint) -> Self {
        let endpoint = endpoint
            .below("v1beta", &["v1beta", "v1", "v1alpha"])
            .with_key_header("x-goog-api-key");
        Self { endpoint, embedding_batch: MAX_BATCH }
    }

    /// The same client with at most `texts` texts in one embedding request.
    pub fn with_embedding_batch(mut self, texts: usize) -> Self {
        self.embedding_batch = texts.clamp(1, MAX_BATCH);
        self
    }

    /// The models that the provider lists, sorted, without the `models/` before each.
    pub async fn models(&self) -> Result<Vec<ListedModel>, LlmError> {
        let mut models: Vec<GeminiModel> = Vec::new();
        let mut last: Option<String> = None;
        for _ in 0..listing::MOST_PAGES {
            let mut query = vec![("pageSize", "1000")];
            query.extend(last.as_deref().map(|token| ("pageToken", token)));
            let page = self.endpoint.get("models", &query).await?;
            let page: ModelPage = self.endpoint.json(page).await?;
            models.extend(page.models);
            let next = page.next_page_token.filter(|token| !token.is_empty());
            // Who gives a page again gives it for ever.
            if next.is_none() || next == last {
                break;
            }
            last = next;
        }
        Ok(listing::sorted(models))
    }
}

/// A model's name without its collection.
pub(crate) fn bare(name: &str) -> &str {
    name.strip_prefix("models/").unwrap_or(name)
}

/// The path of a method of a model, which may be a tuned one with a collection of its own.
fn path(model: &str, method: &str) -> String {
    match model.contains('/') {
        true => format!("{model}:{method}"),
        false => format!("models/{model}:{method}"),
    }
}

#[async_trait]
impl ChatModel for GeminiClient {
    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, LlmError> {
        let mut body = request::body(&self.endpoint, &request).await?;
        let path = path(&request.model, "streamGenerateContent");
        loop {
            match self.endpoint.post_json(&path, &[("alt", "sse")], &body).await {
                Ok(response) => {
                    let reader = events::Events::new(self.endpoint.clone(), request.model);
                    return Ok(stream::events(self.endpoint.events(response), reader));
                }
                Err(LlmError::Rejected(words)) if request::give_way(&mut body, &words) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn takes(&self, member: &str) -> bool {
        convert::takes(&convert::TRANSLATED, member)
    }
}

#[async_trait]
impl EmbeddingModel for GeminiClient {
    async fn embed(&self, request: EmbeddingRequest) -> Result<EmbeddingResponse, LlmError> {
        let mut answered = 0;
        self.embed_counted(request, &mut answered).await
    }

    async fn embed_counted(
        &self,
        request: EmbeddingRequest,
        answered: &mut usize,
    ) -> Result<EmbeddingResponse, LlmError> {
        let mut collected = Collected::new(&request);
        let path = path(&request.model, "batchEmbedContents");
        let model = path.rsplit_once(':').map_or(path.as_str(), |(model, _)| model);
        for input in request.input.chunks(self.embedding_batch) {
            let requests = input.iter().map(|text| {
                let mut one = json!({ "model": model, "content": { "parts": [{ "text": text }] } });
                match request.task {
                    EmbeddingTask::Query => one["taskType"] = json!("RETRIEVAL_QUERY"),
                    EmbeddingTask::Passage => one["taskType"] = json!("RETRIEVAL_DOCUMENT"),
                    EmbeddingTask::Raw => {}
                }
                if let Some(dimensions) = request.dimensions {
                    one["outputDimensionality"] = json!(dimensions);
                }
                one
            });
            let body = json!({ "requests": requests.collect::<Vec<_>>() });
            let endpoint = self.endpoint.streaming(false);
            let response = endpoint.post_json(&path, &[], &body).await?;
            let answer = self.endpoint.read(response).await?;
            *answered += input.len();
            let answer: Embeddings = crate::endpoint::decode(&answer)?;
            let vectors = answer.embeddings.into_iter().map(|embedding| embedding.values);
            let tokens = answer.usage_metadata.and_then(|usage| usage.prompt_token_count);
            collected.add(input.len(), None, vectors.collect(), tokens)?;
        }
        collected.finish()
    }
}
