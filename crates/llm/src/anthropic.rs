//! Anthropic's Messages API behind [`ChatModel`].

mod events;
mod request;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use crate::{
    ChatEvent, ChatModel, ChatRequest, ChatStream, Endpoint, LlmError, Native, PassedStream,
    convert, native, stream,
};

/// The version of the protocol that is spoken.
const VERSION: &str = "2023-06-01";

/// Members of OpenAI's chat completions that are translated.
const TRANSLATED: [&str; 12] = [
    "max_completion_tokens",
    "max_tokens",
    "parallel_tool_calls",
    "reasoning_effort",
    "response_format",
    "stop",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
    "user",
];

/// A client of one account at Anthropic, or at whoever speaks its protocol. Cheap to clone.
#[derive(Clone)]
pub struct AnthropicClient {
    endpoint: Endpoint,
}

#[derive(Deserialize)]
struct ModelPage {
    data: Vec<Model>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

impl AnthropicClient {
    /// A client of the API at `endpoint`, with or without `/v1` at its end.
    pub fn at(endpoint: Endpoint) -> Self {
        let endpoint = endpoint.below("v1", &["v1"]).with_key_header("x-api-key").with_header(
            HeaderName::from_static("anthropic-version"),
            HeaderValue::from_static(VERSION),
        );
        Self { endpoint }
    }

    /// Passes on the question how many tokens a request has; the answer as it came.
    pub async fn count_tokens(
        &self,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Bytes, LlmError> {
        let endpoint = self.endpoint.with_headers(headers);
        endpoint.read(endpoint.post("messages/count_tokens", &[], body).await?).await
    }

    /// The models that the provider lists, sorted.
    pub async fn models(&self) -> Result<Vec<String>, LlmError> {
        let mut ids: Vec<String> = Vec::new();
        loop {
            let mut query = vec![("limit", "1000")];
            query.extend(ids.last().map(|last| ("after_id", last.as_str())));
            let page = self.endpoint.get("models", &query).await?;
            let page: ModelPage = self.endpoint.json(page).await?;
            let more = page.has_more && !page.data.is_empty();
            ids.extend(page.data.into_iter().map(|model| model.id));
            if !more {
                ids.sort();
                ids.dedup();
                return Ok(ids);
            }
        }
    }
}

#[async_trait]
impl ChatModel for AnthropicClient {
    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, LlmError> {
        let mut body = request::body(&request)?;
        loop {
            match self.endpoint.post_json("messages", &[], &body).await {
                Ok(response) => {
                    let reader = events::Events::new(self.endpoint.clone());
                    return Ok(stream::events(self.endpoint.events(response), reader));
                }
                // Newer models choose these by themselves and refuse them.
                Err(LlmError::Rejected(words)) => {
                    let refused =
                        ["temperature", "top_p", "top_k"].into_iter().find(|n| words.contains(n));
                    if refused.and_then(|name| body.remove(name)).is_none() {
                        return Err(LlmError::Rejected(words));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn takes(&self, member: &str) -> bool {
        convert::takes(&TRANSLATED, member)
    }
}

#[async_trait]
impl Native for AnthropicClient {
    async fn send(
        &self,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<reqwest::Response, LlmError> {
        self.endpoint.with_headers(headers).post("messages", &[], body).await
    }

    fn pass(&self, response: reqwest::Response) -> PassedStream {
        let reader = events::Events::new(self.endpoint.clone());
        native::pass(self.endpoint.events(response), reader)
    }

    async fn whole(
        &self,
        response: reqwest::Response,
    ) -> Result<(Bytes, Vec<ChatEvent>), LlmError> {
        let body = self.endpoint.read(response).await?;
        let events = events::whole(&self.endpoint, &body)?;
        Ok((body, events))
    }
}
