//! Ollama's own API (`/api/chat`, newline-delimited JSON) behind [`ChatModel`] and
//! [`EmbeddingModel`]. Its OpenAI-compatible API below `/v1` is [`crate::openai`]'s.

mod events;
mod request;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

use crate::embedding::Collected;
use crate::listing::{self, OllamaModel};
use crate::{
    ChatModel, ChatRequest, ChatStream, EmbeddingModel, EmbeddingRequest, EmbeddingResponse,
    Endpoint, ListedModel, LlmError, convert, stream,
};

/// A client of one server. Cheap to clone.
#[derive(Clone)]
pub struct OllamaClient {
    endpoint: Endpoint,
    embedding_batch: usize,
}

#[derive(Deserialize)]
struct Tags {
    models: Vec<OllamaModel>,
}

#[derive(Deserialize)]
struct Embeddings {
    #[serde(default)]
    model: Option<String>,
    embeddings: Vec<Vec<f32>>,
    #[serde(default)]
    prompt_eval_count: Option<u64>,
}

impl OllamaClient {
    /// A client of the server at `endpoint`, with or without `/api` at its end.
    pub fn at(endpoint: Endpoint) -> Self {
        Self { endpoint: endpoint.below("api", &["api"]), embedding_batch: 64 }
    }

    /// The same client with at most `texts` texts in one embedding request.
    pub fn with_embedding_batch(mut self, texts: usize) -> Self {
        self.embedding_batch = texts.max(1);
        self
    }

    /// The models on the server's disk, sorted.
    pub async fn models(&self) -> Result<Vec<ListedModel>, LlmError> {
        let tags: Tags = self.endpoint.json(self.endpoint.get("tags", &[]).await?).await?;
        Ok(listing::sorted(tags.models))
    }
}

#[async_trait]
impl ChatModel for OllamaClient {
    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, LlmError> {
        let mut body = request::body(&self.endpoint, &request).await?;
        let response = loop {
            match self.endpoint.post_json("chat", &[], &body).await {
                Ok(response) => break response,
                // Only some models think.
                Err(LlmError::Rejected(words))
                    if words.contains("think") && request::think_less(&mut body) => {}
                Err(error) => return Err(error),
            }
        };
        let reader = events::Events::new(self.endpoint.clone());
        Ok(stream::events(self.endpoint.lines(response), reader))
    }

    fn takes(&self, member: &str) -> bool {
        convert::takes(&convert::TRANSLATED, member)
    }
}

#[async_trait]
impl EmbeddingModel for OllamaClient {
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
        for input in request.input.chunks(self.embedding_batch) {
            // Without `truncate` a text that is too long would be cut in silence.
            let mut body = json!({ "model": request.model, "input": input, "truncate": false });
            if let Some(dimensions) = request.dimensions {
                body["dimensions"] = json!(dimensions);
            }
            let endpoint = self.endpoint.streaming(false);
            let response = endpoint.post_json("embed", &[], &body).await?;
            let answer = self.endpoint.read(response).await?;
            *answered += input.len();
            let answer: Embeddings = crate::endpoint::decode(&answer)?;
            let tokens = answer.prompt_eval_count;
            collected.add(input.len(), answer.model, answer.embeddings, tokens)?;
        }
        collected.finish()
    }
}
