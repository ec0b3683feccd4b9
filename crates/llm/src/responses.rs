//! OpenAI's Responses API behind [`ChatModel`]: for models that it alone serves, and for their
//! summaries of reasoning. Nothing is kept at the provider (`store` is false).

mod events;
mod request;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use crate::fit::{Fitter, bytes_of, members_of};
use crate::{
    ChatEvent, ChatModel, ChatRequest, ChatStream, Endpoint, Lessons, LlmError, Members, Native,
    PassedStream, Taken, convert, native, stops, stream,
};

/// What `include` has to ask for where a model's reasoning is to be given back to it.
pub const SEALED: &str = "reasoning.encrypted_content";

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
    fitter: Fitter,
}

impl ResponsesClient {
    /// A client of the API at `endpoint` (which mostly ends in `/v1`).
    pub fn at(endpoint: Endpoint) -> Self {
        Self { endpoint, fitter: Fitter::default() }
    }

    /// The same client with what others of this server have learned of its models.
    pub fn with_lessons(mut self, lessons: Lessons) -> Self {
        self.fitter.lessons = lessons;
        self
    }

    /// The members of a request that was not fitted yet of which `model` is known to take nothing.
    pub fn left_out_from(&self, model: &str, members: &Members) -> Vec<String> {
        self.fitter.left_out_from(model, members)
    }
}

#[async_trait]
impl ChatModel for ResponsesClient {
    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, LlmError> {
        let mut members = members_of(&request::body(&request)?)?;
        self.fitter.fit(&request.model, &mut members);
        let sent = bytes_of(&members)?;
        let taken = self.fitter.send(&self.endpoint, "responses", sent, &mut members).await?;
        let reader = events::Events::new(self.endpoint.clone());
        let answer = stream::events(self.endpoint.events(taken.response), reader);
        // The API knows no stop sequences.
        Ok(stops::cut(answer, convert::stops(&request)))
    }

    fn takes(&self, member: &str) -> bool {
        convert::takes(&TRANSLATED, member) || request::SAME.contains(&member)
    }

    fn left_out_of(&self, model: &str) -> Vec<&'static str> {
        let names = self.fitter.left_out_of(model).into_iter();
        names.map(|name| if name == "reasoning" { "reasoning_effort" } else { name }).collect()
    }
}

#[async_trait]
impl Native for ResponsesClient {
    fn fit(&self, model: &str, members: &mut Members) -> Vec<String> {
        self.fitter.fit(model, members)
    }

    async fn send(
        &self,
        headers: &[(HeaderName, HeaderValue)],
        sent: Bytes,
        members: &mut Members,
        streamed: bool,
    ) -> Result<Taken, LlmError> {
        let endpoint = self.endpoint.with_headers(headers).streaming(streamed);
        self.fitter.send(&endpoint, "responses", sent, members).await
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
