//! Where a provider is: an address, a key, and the requests and answers that go there. What all
//! provider clients share; knows no protocol.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use lyceum_core::Secret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::LlmError;
use crate::failure::{self, TransportError};
use crate::pieces::{Framing, Patience, Pieces, SentAt, pieces};

/// The most bytes of an error answer that are read.
pub(crate) const MAX_ERROR_BYTES: usize = 64 * 1024;
/// A word of a header's value that is shorter may be any word, such as the name of a team.
const TOKEN: usize = 16;
/// The most bytes of an answer that is not streamed.
const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// Where a client's requests go out: something that judges the address and has the connections.
pub trait HttpSend: Send + Sync {
    /// Sends the request, unless its address may not be reached, and waits for the head of the answer.
    fn send(
        &self,
        request: reqwest::Request,
    ) -> BoxFuture<'_, Result<reqwest::Response, TransportError>>;
}

/// How long a provider may take. Connecting has its own limit in the [`HttpSend`].
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until the head of a streamed answer, and from there until its first words.
    pub first_byte: Duration,
    /// Between two pieces of a streamed answer.
    pub idle: Duration,
    /// Until the head of an answer in one piece, which is mostly sent when all of it is there, and
    /// between its pieces.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { first_byte: seconds(300), idle: seconds(60), answer: seconds(600) }
    }
}

impl Timeouts {
    /// For one request and its answer altogether, unless the other limits allow more.
    pub const TOTAL: Duration = Duration::from_secs(30 * 60);
    /// Between two events of a stream that keeps itself alive with comments, as servers do while
    /// they read a long prompt; the other limits where they are longer.
    pub const QUIET: Duration = Duration::from_secs(5 * 60);

    pub(crate) fn total(&self) -> Duration {
        Self::TOTAL.max(self.first_byte.max(self.answer).saturating_add(self.idle))
    }
}

/// One account at one provider. Cheap to clone.
#[derive(Clone)]
pub struct Endpoint {
    parts: Arc<Parts>,
    /// Whether answers are expected as streams.
    streamed: bool,
}

#[derive(Clone)]
struct Parts {
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
        let headers = Vec::new();
        let parts = Parts { http, base_url, key, key_header: None, headers, timeouts };
        Self { parts: Arc::new(parts), streamed: true }
    }

    fn parts(&mut self) -> &mut Parts {
        Arc::make_mut(&mut self.parts)
    }

    /// The same with other limits of time.
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.parts().timeouts = timeouts;
        self
    }

    /// The same for answers that are streamed, as all are expected to be at first, or that come in
    /// one piece.
    pub(crate) fn streaming(&self, streamed: bool) -> Self {
        Self { parts: self.parts.clone(), streamed }
    }

    /// The same with one more header on every request.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.parts().headers.push((name, value));
        self
    }

    /// The same with more headers on its requests.
    pub(crate) fn with_headers(&self, headers: &[(HeaderName, HeaderValue)]) -> Self {
        let mut endpoint = self.clone();
        if !headers.is_empty() {
            endpoint.parts().headers.extend_from_slice(headers);
        }
        endpoint
    }

    /// The same with the key in a header of its own.
    pub(crate) fn with_key_header(mut self, name: &'static str) -> Self {
        self.parts().key_header = Some(HeaderName::from_static(name));
        self
    }

    /// The same with `segment` at the end of the base URL's path, unless it ends in one of `versions`.
    pub(crate) fn below(mut self, segment: &str, versions: &[&str]) -> Self {
        let last = self.parts.base_url.path().trim_end_matches('/').rsplit('/').next();
        if last.is_none_or(|last| !versions.contains(&last))
            && let Ok(mut path) = self.parts().base_url.path_segments_mut()
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
        let mut request = self.request(Method::POST, path, query)?;
        request.headers_mut().append(header::CONTENT_TYPE, content_type);
        *request.body_mut() = Some(body.into());
        self.send(request).await
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
        let Timeouts { answer, idle, .. } = self.parts.timeouts;
        self.read_up_to(response, answer.max(idle), MAX_ANSWER_BYTES).await
    }

    async fn read_up_to(
        &self,
        mut response: reqwest::Response,
        silence: Duration,
        limit: usize,
    ) -> Result<Bytes, LlmError> {
        let mut patience = self.patience(&response).with_silence(silence);
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
        let patience = self.patience(&response);
        pieces(response, patience, Framing::events(), self.secrets())
    }

    /// The lines of an answer in newline-delimited JSON. Dropping it closes the connection.
    pub(crate) fn lines(&self, response: reqwest::Response) -> Pieces {
        let patience = self.patience(&response);
        pieces(response, patience, Framing::lines(), self.secrets())
    }

    fn patience(&self, response: &reqwest::Response) -> Patience {
        Patience::new(&self.parts.timeouts, response)
    }

    /// What no error may show: the key, and what looks like a token in a header that is sensitive.
    fn secrets(&self) -> Vec<Secret> {
        let sensitive = self.parts.headers.iter().filter(|(_, value)| value.is_sensitive());
        let texts = sensitive.filter_map(|(_, value)| value.to_str().ok());
        self.parts.key.iter().cloned().chain(texts.flat_map(secrets_in)).collect()
    }

    /// The error that an error document inside an answer of status 200 means.
    pub fn member_error(&self, error: &Value) -> LlmError {
        failure::from_member(error, &self.secrets())
    }

    /// Gets something from elsewhere, without the key: its type and its bytes, at most `limit`.
    pub(crate) async fn fetch(&self, url: Url, limit: usize) -> Result<(String, Bytes), LlmError> {
        let response = self.send(reqwest::Request::new(Method::GET, url)).await?;
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
        Ok((kind, self.read_up_to(response, self.parts.timeouts.idle, limit).await?))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<reqwest::Request, LlmError> {
        let mut url = self.parts.base_url.clone();
        url.path_segments_mut()
            .map_err(|()| LlmError::Connect("the base URL has no path".to_owned()))?
            .pop_if_empty()
            .extend(path.split('/'));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = reqwest::Request::new(method, url);
        let headers = request.headers_mut();
        if let Some(key) = &self.parts.key {
            let (name, text) = match &self.parts.key_header {
                Some(name) => (name.clone(), key.expose().to_owned()),
                None => (header::AUTHORIZATION, format!("Bearer {}", key.expose())),
            };
            let mut value = HeaderValue::from_str(&text).map_err(|_| {
                LlmError::Unauthorized("the key has forbidden characters".to_owned())
            })?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        for (name, value) in &self.parts.headers {
            headers.append(name, value.clone());
        }
        Ok(request)
    }

    async fn send(&self, request: reqwest::Request) -> Result<reqwest::Response, LlmError> {
        let Timeouts { first_byte, answer, .. } = self.parts.timeouts;
        let waited = if self.streamed { first_byte } else { answer };
        let sent = SentAt(Instant::now());
        let mut response = match tokio::time::timeout(waited, self.parts.http.send(request)).await {
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
        failure::from_answer(status, &headers, &body, &self.secrets())
    }
}

/// What looks like a token in a header's value: a word, and what stands in one behind a name, as in
/// `token=...;team=a`.
pub fn secrets_in(value: &str) -> impl Iterator<Item = Secret> {
    let words = value.split([' ', ';', ',', '"', '\'', '\t']);
    let inner = words
        .clone()
        .flat_map(|word| word.split(['=', ':']).filter(move |part| part.len() < word.len()));
    words.chain(inner).filter(|word| word.len() >= TOKEN).map(Secret::new)
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
    use super::*;

    #[test]
    fn a_token_is_found_wherever_it_stands_in_a_header() {
        let token = "0123456789abcdef0123";
        for value in ["token=T;team=a", "Bearer T", "a, key:T", "\"T\"", "T"] {
            let value = value.replace('T', token);
            assert!(secrets_in(&value).any(|secret| secret.expose() == token), "{value}");
        }
        let padded = "bGVhdmUgbm90aGluZw==";
        assert!(secrets_in(padded).any(|secret| secret.expose() == padded));
        assert_eq!(secrets_in("research: group a").count(), 0);
    }

    #[test]
    fn the_whole_may_take_as_long_as_its_parts() {
        assert_eq!(Timeouts::default().total(), Timeouts::TOTAL);
        let idle = Duration::from_secs(60);
        let slow = Timeouts { first_byte: Duration::from_secs(3600), idle, ..Timeouts::default() };
        assert_eq!(slow.total(), Duration::from_secs(3660));
        let slow = Timeouts { answer: Duration::from_secs(3000), idle, ..Timeouts::default() };
        assert_eq!(slow.total(), Duration::from_secs(3060));
    }
}
