//! Answers that come in pieces: how long they are waited for, and how they are cut.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use lyceum_core::Secret;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::endpoint::MAX_ERROR_BYTES;
use crate::lines::LineParser;
use crate::sse::SseParser;
use crate::{LlmError, Timeouts, failure};

/// What ends the stream of most providers that speak OpenAI's protocol.
pub(crate) const DONE: &str = "[DONE]";

/// When a request was sent; kept with its answer.
#[derive(Clone, Copy)]
pub(crate) struct SentAt(pub(crate) Instant);

/// How long an answer is waited for.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// For any bytes.
    idle: Duration,
    /// For something that is of use, since `heard`.
    quiet: Duration,
    /// For everything, since `sent`.
    total: Duration,
    sent: Instant,
    pub(crate) heard: Instant,
}

impl Patience {
    pub(crate) fn new(timeouts: &Timeouts, response: &reqwest::Response) -> Self {
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
    pub(crate) async fn piece(
        &self,
        response: &mut reqwest::Response,
    ) -> Result<Option<Bytes>, LlmError> {
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

/// The pieces that a stream is made of: the data of events, or lines. Ends where the provider ends
/// the stream, or after an error.
pub(crate) type Pieces = BoxStream<'static, Result<String, LlmError>>;

/// How a stream is cut into pieces.
pub(crate) enum Framing {
    Events(SseParser),
    Lines(LineParser),
}

impl Framing {
    /// Server-sent events.
    pub(crate) fn events() -> Self {
        Self::Events(SseParser::new())
    }

    /// Newline-delimited JSON.
    pub(crate) fn lines() -> Self {
        Self::Lines(LineParser::default())
    }

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

/// The pieces of an answer.
pub(crate) fn pieces(
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
        pieces(response.into(), patience, Framing::events(), None)
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
}
