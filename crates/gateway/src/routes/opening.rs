//! The beginning of an answer that a route waits for, so that what fails before its first token can
//! be asked elsewhere.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use lyceum_llm::openai::{ChunkChoice, CompletionChunk, Frame, OpenAiClient};
use lyceum_llm::{ChatEvent, FinishReason, LlmError, Usage};
use tokio::time::{Instant, timeout_at};

/// How long an attempt is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    began: Instant,
    limit: Option<Duration>,
    /// For the whole answer, and not only for its first token.
    whole: bool,
}

/// An answer that did not begin.
pub(crate) struct Unopened {
    pub(crate) error: LlmError,
    /// What it cost all the same, as the provider counts.
    pub(crate) usage: Option<Usage>,
}

impl From<LlmError> for Unopened {
    fn from(error: LlmError) -> Self {
        Self { error, usage: None }
    }
}

impl Unopened {
    pub(super) fn withheld(usage: Option<Usage>) -> Self {
        let error = LlmError::ContentPolicy("it withheld the whole answer".to_owned());
        Self { error, usage }
    }
}

impl Patience {
    pub(super) fn new(limit: Option<Duration>, whole: bool) -> Self {
        Self { began: Instant::now(), limit, whole }
    }

    /// Waits, but not longer than the limit.
    pub(super) async fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T, LlmError> {
        match self.limit {
            None => Ok(future.await),
            Some(limit) => {
                let waited = timeout_at(self.began + limit, future).await;
                waited.map_err(|_| LlmError::Timeout(limit))
            }
        }
    }

    /// Waits until `look` sees a word in the answer; what came before it is handed out again. Where
    /// the whole answer is limited, nothing reaches the caller before it is whole, and each piece is
    /// waited for.
    pub(super) async fn open<T: Send + 'static>(
        self,
        mut pieces: BoxStream<'static, Result<T, LlmError>>,
        mut look: impl FnMut(&T) -> Result<Glimpse, LlmError>,
    ) -> Result<BoxStream<'static, Result<T, LlmError>>, Unopened> {
        let mut kept = Vec::new();
        while let Some(piece) = self.wait(pieces.next()).await? {
            let piece = piece?;
            let glimpse = look(&piece)?;
            kept.push(Ok(piece));
            match glimpse {
                Glimpse::Silence => {}
                Glimpse::Word => break,
                Glimpse::Withheld(usage) => return Err(Unopened::withheld(usage)),
            }
        }
        let rest = match self.whole {
            true => self.until_the_end(pieces),
            false => pieces,
        };
        Ok(stream::iter(kept).chain(rest).boxed())
    }

    fn until_the_end<T: Send + 'static>(
        self,
        mut pieces: BoxStream<'static, Result<T, LlmError>>,
    ) -> BoxStream<'static, Result<T, LlmError>> {
        async_stream::try_stream! {
            while let Some(piece) = self.wait(pieces.next()).await? {
                yield piece?;
            }
        }
        .boxed()
    }
}

/// What a piece of an answer shows that has said nothing yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glimpse {
    /// Nothing that a caller would miss.
    Silence,
    /// The first token, or the end of an answer without any.
    Word,
    /// The end of an answer of which all was withheld, and what it cost.
    Withheld(Option<Usage>),
}

impl Glimpse {
    /// Of several events, of which the first that says something counts.
    pub(crate) fn of_all(events: &[ChatEvent]) -> Self {
        events
            .iter()
            .map(Self::of)
            .find(|glimpse| *glimpse != Self::Silence)
            .unwrap_or(Self::Silence)
    }

    /// Of an event of a port.
    pub(crate) fn of(event: &ChatEvent) -> Self {
        match event {
            ChatEvent::Started { .. } | ChatEvent::Counted(_) => Self::Silence,
            ChatEvent::Finished { reason: FinishReason::ContentFilter, usage } => {
                Self::Withheld(*usage)
            }
            _ => Self::Word,
        }
    }
}

/// Looks at the frames of OpenAI's protocol, whose end comes in several.
#[derive(Default)]
pub(super) struct FrameLook {
    withheld: bool,
    usage: Option<Usage>,
}

impl FrameLook {
    pub(super) fn look(
        &mut self,
        client: &OpenAiClient,
        frame: &Frame,
    ) -> Result<Glimpse, LlmError> {
        let data = match frame {
            Frame::Done if self.withheld => return Ok(Glimpse::Withheld(self.usage)),
            Frame::Done => return Ok(Glimpse::Word),
            Frame::Data(data) => data,
        };
        let chunk = CompletionChunk::read(data)?;
        if let Some(error) = chunk.failure() {
            return Err(client.member_error(&error));
        }
        if chunk.choices.iter().any(ChunkChoice::says_something) {
            return Ok(Glimpse::Word);
        }
        self.usage = chunk.usage.as_ref().map(Usage::from).or(self.usage);
        let mut reasons = chunk.choices.iter().filter_map(|choice| choice.finish_reason.as_ref());
        self.withheld |= reasons.any(|reason| *reason == FinishReason::ContentFilter);
        Ok(Glimpse::Silence)
    }
}
