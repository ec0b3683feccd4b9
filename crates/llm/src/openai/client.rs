use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use lyceum_core::Secret;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::failure;
use super::wire::ModelList;
use crate::LlmError;
use crate::sse::SseParser;

/// The most bytes of an error answer that are read.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// The most bytes of an answer that is not streamed.
const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// Where a client's requests go out: something that judges the address and has the connections.
pub trait HttpSend: Send + Sync {
    /// A request to `url`, or the reason why it may not be reached.
    fn request(&self, method: Method, url: Url) -> Result<reqwest::RequestBuilder, LlmError>;
}

/// How long a provider may take. Connecting has its own limit in the [`HttpSend`].
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until the answer's head.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { first_byte: Duration::from_secs(120), idle: Duration::from_secs(60) }
    }
}

impl Timeouts {
    /// For one request and its answer altogether, unless the other limits allow more.
    pub const TOTAL: Duration = Duration::from_secs(30 * 60);
    /// Between two events of a stream that keeps itself alive with comments, as servers do while
    /// they read a long prompt; `idle` where that is longer.
    pub const QUIET: Duration = Duration::from_secs(5 * 60);

    fn total(&self) -> Duration {
        Self::TOTAL.max(self.first_byte.saturating_add(self.idle))
    }
}

/// When a request was sent; kept with its answer.
#[derive(Clone, Copy)]
struct SentAt(Instant);

/// How long an answer is waited for.
#[derive(Clone, Copy)]
struct Patience {
    /// For any bytes.
    idle: Duration,
    /// For something that is of use, since `heard`.
    quiet: Duration,
    /// For everything, since `sent`.
    total: Duration,
    sent: Instant,
    heard: Instant,
}

impl Patience {
    fn new(timeouts: &Timeouts, response: &reqwest::Response) -> Self {
        let now = Instant::now();
        Self {
            idle: timeouts.idle,
            quiet: Timeouts::QUIET.max(timeouts.idle),
            total: timeouts.total(),
            sent: response.extensions().get::<SentAt>().map_or(now, |sent| sent.0),
            heard: now,
        }
    }

    /// The next bytes; `None` at the end.
    async fn piece(&self, response: &mut reqwest::Response) -> Result<Option<Bytes>, LlmError> {
        let now = Instant::now();
        let mut until = now + self.idle;
        let mut limit = self.idle;
        for (since, other) in [(self.heard, self.quiet), (self.sent, self.total)] {
            if since + other < until {
                until = since + other;
                limit = other;
            }
        }
        // Where bytes are always ready, waiting for them never takes too long.
        if until <= now {
            return Err(LlmError::Timeout(limit));
        }
        match timeout_at(until, response.chunk()).await {
            Err(_) => Err(LlmError::Timeout(limit)),
            Ok(piece) => piece.map_err(|error| failure::from_transport(error, limit)),
        }
    }
}

/// A client of one account at one provider. Cheap to clone.
#[derive(Clone)]
pub struct OpenAiClient {
    http: Arc<dyn HttpSend>,
    base_url: Url,
    pub(super) key: Option<Secret>,
    headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) timeouts: Timeouts,
    pub(super) embedding_batch: usize,
}

impl OpenAiClient {
    /// A client of the API below `base_url` (which mostly ends in `/v1`).
    pub fn new(http: Arc<dyn HttpSend>, base_url: Url, key: Option<Secret>) -> Self {
        let timeouts = Timeouts::default();
        Self { http, base_url, key, headers: Vec::new(), timeouts, embedding_batch: 64 }
    }

    /// The same client with other limits of time.
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The same client with one more header on every request.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same client with at most `texts` texts in one embedding request.
    pub fn with_embedding_batch(mut self, texts: usize) -> Self {
        self.embedding_batch = texts.max(1);
        self
    }

    /// The models that the provider lists, sorted.
    pub async fn models(&self) -> Result<Vec<String>, LlmError> {
        let request = self.request(Method::GET, "models")?;
        let answer = self.read(self.send(request).await?).await?;
        let list: ModelList = decode(&answer)?;
        let mut ids: Vec<String> = list.data.into_iter().map(|entry| entry.id).collect();
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    /// Posts a JSON body to `path` below the base URL and waits for the head of the answer. An
    /// answer other than 2xx is an error.
    pub async fn post(&self, path: &str, body: Bytes) -> Result<reqwest::Response, LlmError> {
        let request = self
            .request(Method::POST, path)?
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body);
        self.send(request).await
    }

    /// The whole body of an answer.
    pub async fn read(&self, mut response: reqwest::Response) -> Result<Bytes, LlmError> {
        let mut patience = Patience::new(&self.timeouts, &response);
        let mut body = Vec::new();
        while let Some(piece) = patience.piece(&mut response).await? {
            if body.len() + piece.len() > MAX_ANSWER_BYTES {
                return Err(LlmError::Malformed("the answer is too long".to_owned()));
            }
            body.extend_from_slice(&piece);
            patience.heard = Instant::now();
        }
        Ok(body.into())
    }

    /// The answer as a stream of events. Dropping it closes the connection.
    pub fn frames(&self, response: reqwest::Response) -> Frames {
        let patience = Patience::new(&self.timeouts, &response);
        frames(response, patience)
    }

    /// The error that an `error` member in an answer of status 200 means.
    pub fn member_error(&self, error: &serde_json::Value) -> LlmError {
        failure::from_member(error, self.key.as_ref())
    }

    fn request(&self, method: Method, path: &str) -> Result<reqwest::RequestBuilder, LlmError> {
        let mut url = self.base_url.clone();
        url.path_segments_mut()
            .map_err(|()| LlmError::Connect("the base URL has no path".to_owned()))?
            .pop_if_empty()
            .extend(path.split('/'));
        let mut request = self.http.request(method, url)?;
        if let Some(key) = &self.key {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(|_| {
                    LlmError::Unauthorized("the key has forbidden characters".to_owned())
                })?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        Ok(request)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, LlmError> {
        let waited = self.timeouts.first_byte;
        let sent = SentAt(Instant::now());
        let mut response = match tokio::time::timeout(waited, request.send()).await {
            Err(_) => return Err(LlmError::Timeout(waited)),
            Ok(Err(error)) => return Err(failure::from_transport(error, waited)),
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        if status.is_success() {
            response.extensions_mut().insert(sent);
            return Ok(response);
        }
        Err(self.refusal(status, response).await)
    }

    async fn refusal(&self, status: StatusCode, mut response: reqwest::Response) -> LlmError {
        let headers = response.headers().clone();
        let mut body = Vec::new();
        while body.len() < MAX_ERROR_BYTES {
            match tokio::time::timeout(Duration::from_secs(5), response.chunk()).await {
                Ok(Ok(Some(piece))) => body.extend_from_slice(&piece),
                _ => break,
            }
        }
        body.truncate(MAX_ERROR_BYTES);
        failure::from_answer(status, &headers, &body, self.key.as_ref())
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

fn frames(mut response: reqwest::Response, mut patience: Patience) -> Frames {
    async_stream::stream! {
        let mut parser = SseParser::new();
        let mut silent = true;
        loop {
            while let Some(event) = parser.next_event() {
                silent = false;
                if event.data.trim() == "[DONE]" {
                    yield Ok(Frame::Done);
                    return;
                }
                yield Ok(Frame::Data(event.data));
                // After the yield: a slow reader is not the provider's silence.
                patience.heard = Instant::now();
            }
            match patience.piece(&mut response).await {
                Err(error) => {
                    yield Err(broken(error));
                    return;
                }
                Ok(Some(piece)) => {
                    if let Err(error) = parser.push(&piece) {
                        yield Err(LlmError::Malformed(error.to_string()));
                        return;
                    }
                }
                Ok(None) => break,
            }
        }
        // Only the closing mark may come without its empty line; anything else was cut.
        match parser.finish() {
            Some(event) if event.data.trim() == "[DONE]" => yield Ok(Frame::Done),
            Some(_) => yield Err(LlmError::BrokenStream("it was cut inside an event".to_owned())),
            // A web page, say, or an error document with status 200.
            None if silent => {
                yield Err(LlmError::Malformed("it is not a stream of events".to_owned()));
            }
            None => {}
        }
    }
    .boxed()
}

/// After the head has come, every failure of the connection is a broken stream.
fn broken(error: LlmError) -> LlmError {
    match error {
        LlmError::Connect(reason) => LlmError::BrokenStream(reason),
        other => other,
    }
}

/// Reads a JSON answer.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, LlmError> {
    serde_json::from_slice(body).map_err(|error| {
        LlmError::Malformed(format!("not the JSON of the OpenAI protocol ({error})"))
    })
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(60);

    fn events(
        pieces: impl futures::Stream<Item = &'static str> + Send + 'static,
        quiet: Duration,
        total: Duration,
    ) -> Frames {
        let pieces =
            pieces.map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes())));
        let response = http::Response::new(reqwest::Body::wrap_stream(pieces));
        let now = Instant::now();
        frames(response.into(), Patience { idle: LONG, quiet, total, sent: now, heard: now })
    }

    #[tokio::test]
    async fn comments_keep_a_stream_alive_for_a_while_only() {
        let pieces = [": ping\n\n", ": ping\n\n", "data: a\n\n", "data: [DONE]\n\n"];
        let mut alive = events(stream::iter(pieces), LONG, LONG);
        assert_eq!(alive.next().await.unwrap().unwrap(), Frame::Data("a".to_owned()));
        assert_eq!(alive.next().await.unwrap().unwrap(), Frame::Done);
        let end = events(stream::repeat(": ping\n\n"), SHORT, LONG).next().await;
        assert!(matches!(end, Some(Err(LlmError::Timeout(SHORT)))), "{end:?}");
    }

    #[tokio::test]
    async fn no_answer_goes_on_for_ever() {
        let mut endless = events(stream::repeat("data: a\n\n"), LONG, SHORT);
        let end = loop {
            match endless.next().await {
                Some(Ok(Frame::Data(_))) => {}
                end => break end,
            }
        };
        assert!(matches!(end, Some(Err(LlmError::Timeout(SHORT)))), "{end:?}");
    }

    #[test]
    fn the_whole_may_take_as_long_as_its_parts() {
        assert_eq!(Timeouts::default().total(), Timeouts::TOTAL);
        let slow = Timeouts { first_byte: Duration::from_secs(3600), idle: LONG };
        assert_eq!(slow.total(), Duration::from_secs(3660));
    }
}
