use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use futures::stream::{BoxStream, StreamExt as _};
use http::{HeaderName, HeaderValue};
use lyceum_core::Secret;
use url::Url;

use crate::endpoint::{Endpoint, HttpSend, Timeouts};
use crate::fit::{Fitter, Lessons, Members, Server, Taken};
use crate::listing::{self, OpenAiList};
use crate::pieces::{Begun, DONE};
use crate::{ListedModel, LlmError};

/// A client of one account at one provider. Cheap to clone.
#[derive(Clone)]
pub struct OpenAiClient {
    pub(super) endpoint: Endpoint,
    pub(super) embedding_batch: usize,
    pub(super) fitter: Fitter,
}

impl OpenAiClient {
    /// A client of the API below `base_url` (which mostly ends in `/v1`).
    pub fn new(http: Arc<dyn HttpSend>, base_url: Url, key: Option<Secret>) -> Self {
        Self::at(Endpoint::new(http, base_url, key))
    }

    /// A client of the API at `endpoint`.
    pub fn at(endpoint: Endpoint) -> Self {
        Self { endpoint, embedding_batch: 64, fitter: Fitter::default() }
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

    /// The same client of servers that deviate from what OpenAI documents.
    pub fn with_server(mut self, server: Server) -> Self {
        self.fitter.server = server;
        self
    }

    /// The same client with what others of this server have learned of its models.
    pub fn with_lessons(mut self, lessons: Lessons) -> Self {
        self.fitter.lessons = lessons;
        self
    }

    /// Changes what `model` is known to take otherwise. Gives the members that have no effect.
    pub fn fit(&self, model: &str, members: &mut Members) -> Vec<String> {
        self.fitter.fit(model, members)
    }

    /// The members of a request that was not fitted yet of which `model` is known to take nothing.
    pub fn left_out_from(&self, model: &str, members: &Members) -> Vec<String> {
        self.fitter.left_out_from(model, members)
    }

    /// Posts a request that was fitted, in `sent` as JSON, for an answer that is streamed, and waits for
    /// the head of the answer. What the model refuses in words that are known is changed, in `members`
    /// as well.
    pub async fn send(
        &self,
        path: &str,
        sent: Bytes,
        members: &mut Members,
    ) -> Result<Taken, LlmError> {
        self.fitter.send(&self.endpoint, path, sent, members).await
    }

    /// The same for an answer in one piece: all of it, and the members that had to be left out.
    pub async fn send_whole(
        &self,
        path: &str,
        sent: Bytes,
        members: &mut Members,
    ) -> Result<(Bytes, Vec<String>), LlmError> {
        let endpoint = self.endpoint.streaming(false);
        let Taken { response, left_out } = self.fitter.send(&endpoint, path, sent, members).await?;
        Ok((endpoint.read(response).await?, left_out))
    }

    /// The models that the provider lists, sorted.
    pub async fn models(&self) -> Result<Vec<ListedModel>, LlmError> {
        let list: OpenAiList = self.endpoint.json(self.endpoint.get("models", &[]).await?).await?;
        Ok(listing::sorted(list.data))
    }

    /// Posts a JSON body to `path` below the base URL and waits for the head of the answer. An
    /// answer other than 2xx is an error.
    pub async fn post(&self, path: &str, body: Bytes) -> Result<reqwest::Response, LlmError> {
        self.endpoint.post(path, &[], body).await
    }

    /// Posts the same for an answer in one piece, and waits for all of it.
    pub async fn ask(&self, path: &str, body: Bytes) -> Result<Bytes, LlmError> {
        let endpoint = self.endpoint.streaming(false);
        endpoint.read(endpoint.post(path, &[], body).await?).await
    }

    /// The whole body of an answer.
    pub async fn read(&self, response: reqwest::Response) -> Result<Bytes, LlmError> {
        self.endpoint.read(response).await
    }

    /// The answer as a stream of events. Dropping it closes the connection.
    pub fn frames(&self, response: reqwest::Response) -> Frames {
        let mut pieces = self.endpoint.events(response);
        let begun = pieces.teller();
        let frames = async_stream::stream! {
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
        };
        Frames::new(frames.boxed(), begun)
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
pub struct Frames {
    frames: BoxStream<'static, Result<Frame, LlmError>>,
    begun: Begun,
}

impl Frames {
    /// Those of a stream, whose provider is waited for as `begun` tells.
    pub fn new(frames: BoxStream<'static, Result<Frame, LlmError>>, begun: Begun) -> Self {
        Self { frames, begun }
    }

    /// The two that they are made of.
    pub fn into_parts(self) -> (BoxStream<'static, Result<Frame, LlmError>>, Begun) {
        (self.frames, self.begun)
    }

    /// To be told by who reads them: the answer has said its first words.
    pub fn begun(&self) {
        self.begun.tell();
    }
}

impl Stream for Frames {
    type Item = Result<Frame, LlmError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.frames.poll_next_unpin(context)
    }
}
