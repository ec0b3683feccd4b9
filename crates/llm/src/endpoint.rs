//! Where a provider is: an address, a key, and the requests and answers that go there. What all
//! provider clients share; knows no protocol.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use lyceum_core::Secret;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::lines::LineParser;
use crate::sse::SseParser;
use crate::{LlmError, failure};

/// The most bytes of an error answer that are read.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// The most bytes of an answer that is not streamed.
const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;
/// What ends the stream of most providers that speak OpenAI's protocol.
pub(crate) const DONE: &str = "[DONE]";

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

/// One account at one provider. Cheap to clone.
#[derive(Clone)]
pub struct Endpoint {
    http: Arc<dyn HttpSend>,
    base_url: Url,
    key: Option<Secret>,
    /// The header that takes the key as it is; `Authorization: Bearer` where there is none.
    key_header: Option<HeaderName>,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeouts: Timeouts,
}

impl Endpoint {
    /// The API below `base_url`, with the key as a bearer token.
    pub fn new(http: Arc<dyn HttpSend>, base_url: Url, key: Option<Secret>) -> Self {
        let timeouts = Timeouts::default();
        Self { http, base_url, key, key_header: None, headers: Vec::new(), timeouts }
    }

    /// The same with other limits of time.
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The same with one more header on every request.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same with the key in a header of its own.
    pub(crate) fn with_key_header(mut self, name: &'static str) -> Self {
        self.key_header = Some(HeaderName::from_static(name));
        self
    }

    /// The same with `segment` at the end of the base URL's path, unless it ends in one of `versions`.
    pub(crate) fn below(mut self, segment: &str, versions: &[&str]) -> Self {
        let last = self.base_url.path().trim_end_matches('/').rsplit('/').next();
        if last.is_none_or(|last| !versions.contains(&last))
            && let Ok(mut path) = self.base_url.path_segments_mut()
        {
            path.pop_if_empty().push(segment);
        }
        self
    }

    /// Gets `path` below the base URL. An answer other than 2xx is an error.
    pub(crate) async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<reqwest::Response, LlmError> {
        self.send(self.request(Method::GET, path, query)?).await
    }

    /// Posts a JSON body to `path` below the base URL and waits for the head of the answer. An
    /// answer other than 2xx is an error.
    pub(crate) async fn post(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: Bytes,
    ) -> Result<reqwest::Response, LlmError> {
        let json = HeaderValue::from_static("application/json");
        self.post_as(path, query, json, body).await
    }

    /// The same with a body of another type.
    pub(crate) async fn post_as(
        &self,
        path: &str,
        query: &[(&str, &str)],
        content_type: HeaderValue,
        body: Bytes,
    ) -> Result<reqwest::Response, LlmError> {
        let request = self.request(Method::POST, path, query)?;
        self.send(request.header(header::CONTENT_TYPE, content_type).body(body)).await
    }

    /// The same with a value that is written as JSON.
    pub(crate) async fn post_json(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: &impl Serialize,
    ) -> Result<reqwest::Response, LlmError> {
        let body = serde_json::to_vec(body).map_err(|e| LlmError::Internal(Box::new(e)))?;
        self.post(path, query, body.into()).await
    }

    /// The whole body of an answer.
    pub(crate) async fn read(&self, response: reqwest::Response) -> Result<Bytes, LlmError> {
        self.read_up_to(response, MAX_ANSWER_BYTES).await
    }

    async fn read_up_to(
        &self,
        mut response: reqwest::Response,
        limit: usize,
    ) -> Result<Bytes, LlmError> {
        let mut patience = Patience::new(&self.timeouts, &response);
        let mut body = Vec::new();
        while let Some(piece) = patience.piece(&mut response).await? {
            if body.len() + piece.len() > limit {
                return Err(LlmError::Malformed("the answer is too long".to_owned()));
            }
            body.extend_from_slice(&piece);
            patience.heard = Instant::now();
        }
        Ok(body.into())
    }

    /// The body of an answer as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        response: reqwest::Response,
    ) -> Result<T, LlmError> {
        decode(&self.read(response).await?)
    }

    /// The data of the server-sent events of an answer. Dropping it closes the connection.
    pub(crate) fn events(&self, response: reqwest::Response) -> Pieces {
        let patience = Patience::new(&self.timeouts, &response);
        pieces(response, patience, Framing::Events(SseParser::new()), self.key.clone())
    }

    /// The lines of an answer in newline-delimited JSON. Dropping it closes the connection.
    pub(crate) fn lines(&self, response: reqwest::Response) -> Pieces {
        let patience = Patience::new(&self.timeouts, &response);
        pieces(response, patience, Framing::Lines(LineParser::default()), self.key.clone())
    }

    /// The error that an error document inside an answer of status 200 means.
    pub fn member_error(&self, error: &Value) -> LlmError {
        failure::from_member(error, self.key.as_ref())
    }

    /// Gets something from elsewhere, without the key: its type and its bytes, at most `limit`.
    pub(crate) async fn fetch(&self, url: Url, limit: usize) -> Result<(String, Bytes), LlmError> {
        let response = self.send(self.http.request(Method::GET, url)?).await?;
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
        Ok((kind, self.read_up_to(response, limit).await?))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<reqwest::RequestBuilder, LlmError> {
        let mut url = self.base_url.clone();
        url.path_segments_mut()
            .map_err(|()| LlmError::Connect("the base URL has no path".to_owned()))?
            .pop_if_empty()
            .extend(path.split('/'));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url)?;
        if let Some(key) = &self.key {
            let (name, text) = match &self.key_header {
                Some(name) => (name.clone(), key.expose().to_owned()),
                None => (header::AUTHORIZATION, format!("Bearer {}", key.expose())),
            };
            let mut value = HeaderValue::from_str(&text).map_err(|_| {
                LlmError::Unauthorized("the key has forbidden characters".to_owned())
            })?;
            value.set_sensitive(true);
            request = request.header(name, value);
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

/// The pieces that a stream is made of: the data of events, or lines. Ends where the provider ends
/// the stream, or after an error.
pub(crate) type Pieces = BoxStream<'static, Result<String, LlmError>>;

/// How a stream is cut into pieces.
enum Framing {
    Events(SseParser),
    Lines(LineParser),
}

impl Framing {
    fn push(&mut self, bytes: &[u8]) -> Result<(), LlmError> {
        let too_long = match self {
            Framing::Events(parser) => parser.push(bytes),
            Framing::Lines(parser) => parser.push(bytes),
        };
        too_long.map_err(|error| LlmError::Malformed(error.to_string()))
    }

    fn next(&mut self) -> Option<String> {
        match self {
            Framing::Events(parser) => parser.next_event().map(|event| event.data),
            Framing::Lines(parser) => parser.next_line(),
        }
    }

    fn is_json(&self) -> bool {
        matches!(self, Framing::Lines(_))
    }

    /// What was begun and not ended, and whether it is whole all the same.
    fn finish(&mut self) -> Option<(String, bool)> {
        match self {
            // Only the closing mark may come without its empty line; anything else was cut.
            Framing::Events(parser) => parser.finish().map(|event| {
                let whole = event.data.trim() == DONE;
                (event.data, whole)
            }),
            Framing::Lines(parser) => parser.finish().map(|line| {
                let whole = serde_json::from_str::<IgnoredAny>(&line).is_ok();
                (line, whole)
            }),
        }
    }
}

fn pieces(
    mut response: reqwest::Response,
    mut patience: Patience,
    mut framing: Framing,
    key: Option<Secret>,
) -> Pieces {
    async_stream::stream! {
        // The beginning of an answer that has no event yet: perhaps an error document.
        let mut silence = Some(Vec::new());
        loop {
            while let Some(data) = framing.next() {
                silence = None;
                yield Ok(data);
                // After the yield: a slow reader is not the provider's silence.
                patience.heard = Instant::now();
            }
            match patience.piece(&mut response).await {
                Err(error) => {
                    yield Err(broken(error));
                    return;
                }
                Ok(Some(piece)) => {
                    if let Some(silence) = &mut silence {
                        let room = MAX_ERROR_BYTES.saturating_sub(silence.len());
                        silence.extend_from_slice(&piece[..piece.len().min(room)]);
                    }
                    if let Err(error) = framing.push(&piece) {
                        yield Err(error);
                        return;
                    }
                }
                Ok(None) => break,
            }
        }
        match (framing.finish(), silence) {
            (Some((data, true)), _) => yield Ok(data),
            (Some(_), Some(silence)) if !silence.trim_ascii_start().starts_with(b"{") && framing.is_json() => {
                yield Err(no_stream(&silence, key.as_ref()));
            }
            (Some(_), _) => yield Err(LlmError::BrokenStream("it was cut inside an event".to_owned())),
            (None, Some(silence)) => yield Err(no_stream(&silence, key.as_ref())),
            (None, None) => {}
        }
    }
    .boxed()
}

/// What an answer of status 200 means that should have been a stream and had no event.
fn no_stream(body: &[u8], key: Option<&Secret>) -> LlmError {
    let document = serde_json::from_slice::<Value>(body).ok();
    match document.as_ref().and_then(failure::member) {
        Some(error) => failure::from_member(error, key),
        // A web page, say.
        None => LlmError::Malformed("it is not a stream of events".to_owned()),
    }
}

/// After the head has come, every failure of the connection is a broken stream.
fn broken(error: LlmError) -> LlmError {
    match error {
        LlmError::Connect(reason) | LlmError::Tls(reason) => LlmError::BrokenStream(reason),
        other => other,
    }
}

/// Reads a JSON answer.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, LlmError> {
    serde_json::from_slice(body)
        .map_err(|error| LlmError::Malformed(format!("not the JSON of its protocol ({error})")))
}

/// Reads one piece of a stream.
pub(crate) fn decode_piece<T: DeserializeOwned>(data: &str) -> Result<T, LlmError> {
    serde_json::from_str(data)
        .map_err(|error| LlmError::Malformed(format!("an event is not of its protocol ({error})")))
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(60);

    fn events(
        from: impl futures::Stream<Item = &'static str> + Send + 'static,
        quiet: Duration,
        total: Duration,
    ) -> Pieces {
        let from = from.map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes())));
        let response = http::Response::new(reqwest::Body::wrap_stream(from));
        let now = Instant::now();
        let patience = Patience { idle: LONG, quiet, total, sent: now, heard: now };
        pieces(response.into(), patience, Framing::Events(SseParser::new()), None)
    }

    #[tokio::test]
    async fn comments_keep_a_stream_alive_for_a_while_only() {
        let pieces = [": ping\n\n", ": ping\n\n", "data: a\n\n", "data: [DONE]\n\n"];
        let mut alive = events(stream::iter(pieces), LONG, LONG);
        assert_eq!(alive.next().await.unwrap().unwrap(), "a");
        assert_eq!(alive.next().await.unwrap().unwrap(), DONE);
        let end = events(stream::repeat(": ping\n\n"), SHORT, LONG).next().await;
        assert!(matches!(end, Some(Err(LlmError::Timeout(SHORT)))), "{end:?}");
    }

    #[tokio::test]
    async fn no_answer_goes_on_for_ever() {
        let mut endless = events(stream::repeat("data: a\n\n"), LONG, SHORT);
        let end = loop {
            match endless.next().await {
                Some(Ok(_)) => {}
                end => break end,
            }
        };
        assert!(matches!(end, Some(Err(LlmError::Timeout(SHORT)))), "{end:?}");
    }

    #[tokio::test]
    async fn an_error_document_instead_of_a_stream_says_what_is_wrong() {
        for (body, words) in [
            (
                r#"{"error":{"message":"no such thing","code":404}}"#,
                "the provider does not know the model: no such thing",
            ),
            (
                r#"{"code":11200,"message":"AppIdNoAuthError","sid":"cha0"}"#,
                "the provider refused the key: AppIdNoAuthError",
            ),
            ("<html>", "the provider's answer cannot be read: it is not a stream of events"),
            ("{}", "the provider's answer cannot be read: it is not a stream of events"),
        ] {
            let mut stream = events(stream::iter([body]), LONG, LONG);
            let error = stream.next().await.unwrap().unwrap_err();
            assert_eq!(error.to_string(), words);
            assert!(stream.next().await.is_none());
        }
    }

    #[test]
    fn the_whole_may_take_as_long_as_its_parts() {
        assert_eq!(Timeouts::default().total(), Timeouts::TOTAL);
        let slow = Timeouts { first_byte: Duration::from_secs(3600), idle: LONG };
        assert_eq!(slow.total(), Duration::from_secs(3660));
    }
}
