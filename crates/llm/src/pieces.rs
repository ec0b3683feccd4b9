//! Answers that come in pieces: how long they are waited for, and how they are cut.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
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

/// Whether an answer has said its first words, as who reads it tells who waits for it. All clones are
/// one.
#[derive(Clone, Debug, Default)]
pub struct Begun(Arc<AtomicBool>);

impl Begun {
    /// To be told by who reads an answer: it has said its first words. What opens an answer, as an
    /// event with its id, comes at once also where a model thinks for minutes.
    pub fn tell(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_told(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long an answer is waited for.
pub(crate) struct Patience {
    /// For any bytes, until the answer's first words.
    first: Duration,
    /// For any bytes behind them.
    idle: Duration,
    /// For something that is of use, since `heard`.
    quiet: Duration,
    /// For everything, since `sent`.
    total: Duration,
    sent: Instant,
    pub(crate) heard: Instant,
    begun: Begun,
}

impl Patience {
    pub(crate) fn new(timeouts: &Timeouts, response: &reqwest::Response) -> Self {
        let now = Instant::now();
        let first = timeouts.first_byte.max(timeouts.idle);
        Self {
            first,
            idle: timeouts.idle,
            quiet: Timeouts::QUIET.max(first),
            total: timeouts.total(),
            sent: response.extensions().get::<SentAt>().map_or(now, |sent| sent.0),
            heard: now,
            begun: Begun::default(),
        }
    }

    /// The same with one limit for any silence.
    pub(crate) fn with_silence(self, silence: Duration) -> Self {
        let quiet = self.quiet.max(silence);
        Self { first: silence, idle: silence, quiet, ..self }
    }

    /// The next bytes; `None` at the end.
    pub(crate) async fn piece(
        &self,
        response: &mut reqwest::Response,
    ) -> Result<Option<Bytes>, LlmError> {
        let now = Instant::now();
        let mut limit = match self.begun.is_told() {
            true => self.idle,
            false => self.first,
        };
        let mut until = now + limit;
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
pub(crate) struct Pieces {
    pieces: BoxStream<'static, Result<String, LlmError>>,
    begun: Begun,
}

impl Pieces {
    /// Tells that the answer has said its first words.
    pub(crate) fn begun(&self) {
        self.begun.tell();
    }

    /// The same, to be told when the pieces are in other hands.
    pub(crate) fn teller(&self) -> Begun {
        self.begun.clone()
    }
}

impl Stream for Pieces {
    type Item = Result<String, LlmError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pieces.poll_next_unpin(context)
    }
}

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
    secrets: Vec<Secret>,
) -> Pieces {
    let begun = patience.begun.clone();
    let pieces = async_stream::stream! {
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
                yield Err(no_stream(&silence, &secrets));
            }
            (Some(_), _) => yield Err(LlmError::BrokenStream("it was cut inside an event".to_owned())),
            (None, Some(silence)) => yield Err(no_stream(&silence, &secrets)),
            (None, None) => {}
        }
    };
    Pieces { pieces: pieces.boxed(), begun }
}

/// What an answer of status 200 means that should have been a stream and had no event.
fn no_stream(body: &[u8], secrets: &[Secret]) -> LlmError {
    let document = serde_json::from_slice::<Value>(body).ok();
    match document.as_ref().and_then(failure::member) {
        Some(error) => failure::from_member(error, secrets),
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
        from: impl Stream<Item = &'static str> + Send + 'static,
        quiet: Duration,
        total: Duration,
    ) -> Pieces {
        let from = from.map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes())));
        let response = http::Response::new(reqwest::Body::wrap_stream(from));
        let now = Instant::now();
        let begun = Begun::default();
        let patience =
            Patience { first: LONG, idle: LONG, quiet, total, sent: now, heard: now, begun };
        pieces(response.into(), patience, Framing::events(), Vec::new())
    }

    #[tokio::test]
    async fn the_silence_before_the_first_words_may_be_longer_than_the_one_behind_them() {
        const LONGER: Duration = Duration::from_millis(200);
        let limits = Timeouts { first_byte: LONGER, idle: SHORT, ..Timeouts::default() };
        for (begins, limit) in [(false, LONGER), (true, SHORT)] {
            let from = stream::iter(["data: a\n\n"]).chain(stream::pending());
            let from = from.map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
            let response: reqwest::Response =
                http::Response::new(reqwest::Body::wrap_stream(from)).into();
            let patience = Patience::new(&limits, &response);
            let mut pieces = pieces(response, patience, Framing::events(), Vec::new());
            assert_eq!(pieces.next().await.unwrap().unwrap(), "a");
            if begins {
                pieces.begun();
            }
            let end = pieces.next().await;
            assert!(matches!(&end, Some(Err(LlmError::Timeout(t))) if *t == limit), "{end:?}");
        }
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
