//! The beginning of an answer that a route waits for, so that what fails before its first token can
//! be asked elsewhere.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use lyceum_llm::openai::{CompletionChunk, Frame, Frames, OpenAiClient};
use lyceum_llm::{ChatEvent, ChatStream, FinishReason, LlmError, Usage};
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

    /// Waits for the first token; what came before it is handed out again. Where the whole answer is
    /// limited, nothing reaches the caller before it is whole, and each piece is waited for.
    pub(super) async fn events(self, mut events: ChatStream) -> Result<ChatStream, Unopened> {
        let mut kept = Vec::new();
        while let Some(event) = self.wait(events.next()).await? {
            let event = event?;
            if let ChatEvent::Finished { reason: FinishReason::ContentFilter, usage } = &event {
                return Err(Unopened::withheld(*usage));
            }
            let opened = !matches!(event, ChatEvent::Started { .. });
            kept.push(Ok(event));
            if opened {
                break;
            }
        }
        let rest = match self.whole {
            true => self.until_the_end(events),
            false => events,
        };
        Ok(stream::iter(kept).chain(rest).boxed())
    }

    fn until_the_end(self, mut events: ChatStream) -> ChatStream {
        async_stream::try_stream! {
            while let Some(event) = self.wait(events.next()).await? {
                yield event?;
            }
        }
        .boxed()
    }

    /// The same for a stream that is passed on as it is.
    pub(super) async fn frames(
        self,
        client: &OpenAiClient,
        mut frames: Frames,
    ) -> Result<Frames, Unopened> {
        let mut kept = Vec::new();
        let mut withheld = false;
        let mut usage = None;
        loop {
            let frame = match self.wait(frames.next()).await? {
                Some(frame) => frame?,
                None => break,
            };
            let chunk = match &frame {
                Frame::Done => None,
                Frame::Data(data) => Some(read(client, data)?),
            };
            kept.push(Ok(frame));
            let Some(chunk) = chunk else { break };
            if says_something(&chunk) {
                return Ok(stream::iter(kept).chain(frames).boxed());
            }
            usage = chunk.usage.as_ref().map(Usage::from).or(usage);
            let reasons = chunk.choices.iter().filter_map(|choice| choice.finish_reason.as_ref());
            withheld |= reasons.into_iter().any(|reason| *reason == FinishReason::ContentFilter);
        }
        match withheld {
            true => Err(Unopened::withheld(usage)),
            false => Ok(stream::iter(kept).chain(frames).boxed()),
        }
    }
}

fn read(client: &OpenAiClient, data: &str) -> Result<CompletionChunk, LlmError> {
    let chunk: CompletionChunk = serde_json::from_str(data).map_err(|error| {
        LlmError::Malformed(format!("an event is not a completion chunk ({error})"))
    })?;
    match chunk.failure() {
        Some(error) => Err(client.member_error(&error)),
        None => Ok(chunk),
    }
}

fn says_something(chunk: &CompletionChunk) -> bool {
    let says = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    chunk.choices.iter().any(|choice| {
        let delta = &choice.delta;
        says(&delta.content)
            || says(&delta.reasoning_content)
            || says(&delta.reasoning)
            || !delta.tool_calls.is_empty()
    })
}
