//! Anthropic's Messages API behind [`ChatModel`].

mod events;
mod request;
mod schema;
mod turns;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use crate::listing::{self, AnthropicModel};
use crate::{
    ChatEvent, ChatModel, ChatRequest, ChatStream, Endpoint, ListedModel, LlmError, Members,
    Native, PassedStream, Taken, convert, native, stream,
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
    data: Vec<AnthropicModel>,
    #[serde(default)]
    has_more: bool,
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
        let endpoint = self.endpoint.with_headers(headers).streaming(false);
        endpoint.read(endpoint.post("messages/count_tokens", &[], body).await?).await
    }

    /// The models that the provider lists, sorted.
    pub async fn models(&self) -> Result<Vec<ListedModel>, LlmError> {
        let mut models: Vec<ListedModel> = Vec::new();
        let mut last: Option<String> = None;
        for _ in 0..listing::MOST_PAGES {
            let mut query = vec![("limit", "1000")];
            query.extend(last.as_deref().map(|id| ("after_id", id)));
            let page = self.endpoint.get("models", &query).await?;
            let ModelPage { data, has_more } = self.endpoint.json(page).await?;
            models.extend(data.into_iter().map(ListedModel::from));
            let next = models.last().filter(|_| has_more).map(|model| model.id.clone());
            // Who gives a page again gives it for ever.
            if next.is_none() || next == last {
                break;
            }
            last = next;
        }
        Ok(listing::sorted(models))
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
                // What a model can do, its name does not always say.
                Err(LlmError::Rejected(words)) if request::give_way(&mut body, &words) => {}
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
        sent: Bytes,
        _members: &mut Members,
        streamed: bool,
    ) -> Result<Taken, LlmError> {
        let endpoint = self.endpoint.with_headers(headers).streaming(streamed);
        let response = endpoint.post("messages", &[], sent).await?;
        Ok(Taken { response, left_out: Vec::new() })
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
