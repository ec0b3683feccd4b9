use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use http::{HeaderName, HeaderValue};
use lyceum_core::Secret;
use url::Url;

use super::wire::ModelList;
use crate::LlmError;
use crate::endpoint::{Endpoint, HttpSend, Timeouts};
use crate::pieces::DONE;

/// A client of one account at one provider. Cheap to clone.
#[derive(Clone)]
pub struct OpenAiClient {
    pub(super) endpoint: Endpoint,
    pub(super) embedding_batch: usize,
    /// Whether limits go by their newer name, `max_completion_tokens`.
    pub(super) newer_limit: bool,
}

impl OpenAiClient {
    /// A client of the API below `base_url` (which mostly ends in `/v1`).
    pub fn new(http: Arc<dyn HttpSend>, base_url: Url, key: Option<Secret>) -> Self {
        Self::at(Endpoint::new(http, base_url, key))
    }

    /// A client of the API at `endpoint`.
    pub fn at(endpoint: Endpoint) -> Self {
        Self { endpoint, embedding_batch: 64, newer_limit: false }
    }

    /// The same client with other limits of time.
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.endpoint = self.endpoint.with_timeouts(timeouts);
        self
    }

    /// The same client with one more header on every request.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.endpoint = self.endpoint.with_header(name, value);
        self
    }

    /// The same client with at most `texts` texts in one embedding request.
    pub fn with_embedding_batch(mut self, texts: usize) -> Self {
        self.embedding_batch = texts.max(1);
        self
    }

    /// The same client with limits by their newer name, which OpenAI's own newer models want.
    pub fn with_newer_limit(mut self, newer: bool) -> Self {
        self.newer_limit = newer;
        self
    }

    /// The models that the provider lists, sorted.
    pub async fn models(&self) -> Result<Vec<String>, LlmError> {
        let list: ModelList = self.endpoint.json(self.endpoint.get("models", &[]).await?).await?;
        let mut ids: Vec<String> = list.data.into_iter().map(|entry| entry.id).collect();
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    /// Posts a JSON body to `path` below the base URL and waits for the head of the answer. An
    /// answer other than 2xx is an error.
    pub async fn post(&self, path: &str, body: Bytes) -> Result<reqwest::Response, LlmError> {
        self.endpoint.post(path, &[], body).await
    }

    /// The whole body of an answer.
    pub async fn read(&self, response: reqwest::Response) -> Result<Bytes, LlmError> {
        self.endpoint.read(response).await
    }

    /// The answer as a stream of events. Dropping it closes the connection.
    pub fn frames(&self, response: reqwest::Response) -> Frames {
        let mut pieces = self.endpoint.events(response);
        async_stream::stream! {
            while let Some(piece) = pieces.next().await {
                let done = matches!(&piece, Ok(data) if data.trim() == DONE);
                yield match piece {
                    Ok(_) if done => Ok(Frame::Done),
                    other => other.map(Frame::Data),
                };
                if done {
                    return;
                }
            }
        }
        .boxed()
    }

    /// The error that an error document in an answer of status 200 means.
    pub fn member_error(&self, error: &serde_json::Value) -> LlmError {
        self.endpoint.member_error(error)
    }
}

/// One event of a provider's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The `data` of an event.
    Data(String),
    /// `[DONE]`: the provider says that nothing follows.
    Done,
}

/// The events of an answer. Ends after [`Frame::Done`], after an error, or where the provider ends
/// the stream without either.
pub type Frames = BoxStream<'static, Result<Frame, LlmError>>;
