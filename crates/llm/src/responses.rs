//! OpenAI's Responses API behind [`ChatModel`]: for models that it alone serves, and for their
//! summaries of reasoning. Nothing is kept at the provider (`store` is false).

mod events;
mod request;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use crate::{
    ChatEvent, ChatModel, ChatRequest, ChatStream, Endpoint, LlmError, Native, PassedStream,
    convert, native, stops, stream,
};

/// Members of OpenAI's chat completions that are translated. Others are the same in both.
const TRANSLATED: [&str; 10] = [
    "max_completion_tokens",
    "max_tokens",
    "reasoning_effort",
    "response_format",
    "stop",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
    "verbosity",
];

/// A client of one account. Cheap to clone.
#[derive(Clone)]
pub struct ResponsesClient {
    endpoint: Endpoint,
}

impl ResponsesClient {
    /// A client of the API at `endpoint` (which mostly ends in `/v1`).
    pub fn at(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }
}

#[async_trait]
impl ChatModel for ResponsesClient {
    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, LlmError> {
        let mut body = request::body(&request)?;
        let response = loop {
            match self.endpoint.post_json("responses", &[], &body).await {
                Ok(response) => break response,
                // Models that reason take no sampling; those that do not take no reasoning.
                Err(LlmError::Rejected(words)) => {
                    let refused = ["temperature", "top_p", "reasoning"];
                    let refused = refused.into_iter().find(|name| words.contains(name));
                    if refused.and_then(|name| body.remove(name)).is_none() {
                        return Err(LlmError::Rejected(words));
                    }
                }
                Err(error) => return Err(error),
            }
        };
        let reader = events::Events::new(self.endpoint.clone());
        let answer = stream::events(self.endpoint.events(response), reader);
        // The API knows no stop sequences.
        Ok(stops::cut(answer, convert::stops(&request)))
    }

    fn takes(&self, member: &str) -> bool {
        convert::takes(&TRANSLATED, member) || request::SAME.contains(&member)
    }
}

#[async_trait]
impl Native for ResponsesClient {
    async fn send(
        &self,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<reqwest::Response, LlmError> {
        self.endpoint.with_headers(headers).post("responses", &[], body).await
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
