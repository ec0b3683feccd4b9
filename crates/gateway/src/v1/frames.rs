//! A stream of chat completions on its way through, read only for the ledger.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::StreamExt as _;
use lyceum_llm::openai::{Calls, ChunkChoice, CompletionChunk, Frame, Frames, OpenAiClient};
use lyceum_llm::{LlmError, sse};
use serde_json::Value;

use super::Failure;
use super::forward::said;
use crate::GatewayError;
use crate::calls::Meter;

/// One event with `data`.
fn event(data: &str) -> Bytes {
    sse::event(None, data).into()
}

/// A stream on its way through.
pub(super) struct Relay {
    client: OpenAiClient,
    meter: Meter,
    /// The end of the answer, kept back until the call is in the ledger.
    held: Vec<Bytes>,
    /// The choices that have begun, and those of which the model said why they ended.
    begun: BTreeSet<u32>,
    ended: BTreeSet<u32>,
    /// The calls of tools of each choice.
    calls: BTreeMap<u32, Calls>,
    /// Whether the answer has said its first words.
    spoken: bool,
    with_usage: bool,
}

impl Relay {
    pub(super) fn new(client: OpenAiClient, meter: Meter, with_usage: bool) -> Self {
        let (held, calls) = (Vec::new(), BTreeMap::new());
        let (begun, ended) = (BTreeSet::new(), BTreeSet::new());
        Self { client, meter, held, begun, ended, calls, spoken: false, with_usage }
    }

    /// Whether all that began has ended.
    fn is_whole(&self) -> bool {
        !self.ended.is_empty() && self.begun.is_subset(&self.ended)
    }

    pub(super) fn run(
        mut self,
        mut frames: Frames,
    ) -> impl futures::Stream<Item = Result<Bytes, std::convert::Infallible>> {
        async_stream::stream! {
            let mut done = false;
            let mut begun = false;
            let failure = loop {
                let data = match frames.next().await {
                    Some(Ok(Frame::Data(data))) => data,
                    Some(Ok(Frame::Done)) => {
                        done = true;
                        break None;
                    }
                    Some(Err(error)) => break Some(error),
                    None => break None,
                };
                match self.pass(&data) {
                    Ok(ready) => {
                        begun = true;
                        if self.spoken {
                            frames.begun();
                        }
                        for piece in ready {
                            yield Ok(piece);
                        }
                    }
                    Err(error) => break Some(error),
                }
            };
            drop(frames);
            let early = || LlmError::BrokenStream("the provider ended it early".to_owned());
            // Once the model has said why it ended, a connection that breaks takes nothing away.
            let whole = self.is_whole();
            let failure = match failure {
                Some(LlmError::BrokenStream(_) | LlmError::Timeout(_)) if whole => None,
                failure => failure.or_else(|| (!done && !whole).then(early)),
            };
            let Relay { mut meter, held, .. } = self;
            if !whole {
                meter.unfinished();
            }
            let closing = match failure {
                Some(error) => {
                    // Some providers refuse with status 200 and say so in the first event.
                    if !begun {
                        meter.refused(&error);
                    }
                    Err(meter.fail(error.into()).await)
                }
                None => meter.complete(None).await,
            };
            match closing {
                Ok(()) => {
                    for piece in held {
                        yield Ok(piece);
                    }
                    yield Ok(event("[DONE]"));
                }
                Err(error) => yield Ok(error_event(error)),
            }
        }
    }

    /// Reads one event for the ledger; returns what may be passed on now.
    fn pass(&mut self, data: &str) -> Result<Vec<Bytes>, LlmError> {
        let chunk = CompletionChunk::read(data)?;
        if let Some(error) = chunk.failure() {
            return Err(self.client.member_error(&error));
        }
        self.meter.served_by(&chunk.model);
        if let Some(usage) = &chunk.usage {
            self.meter.counted(usage.into());
        }
        let mut more = false;
        let mut ends = false;
        for choice in &chunk.choices {
            self.begun.insert(choice.index);
            choice.text.iter().for_each(|text| self.meter.text(text));
            said(&mut self.meter, &choice.delta);
            more |= choice.says_something();
            self.spoken |= choice.speaks();
            if let Some(reason) = &choice.finish_reason {
                self.meter.finished(reason);
                self.ended.insert(choice.index);
                ends = true;
            }
        }
        let numbered = self.numbered(&chunk, data);
        let data = numbered.as_deref().unwrap_or(data);
        // The closing usage is ours; the caller gets it if they asked for it.
        if chunk.choices.is_empty() && chunk.usage.is_some() && !self.with_usage {
            return Ok(Vec::new());
        }
        if ends || (!self.ended.is_empty() && !more) {
            self.held.push(event(data));
            return Ok(Vec::new());
        }
        // Another choice goes on after one has ended.
        let mut ready = std::mem::take(&mut self.held);
        ready.push(event(data));
        Ok(ready)
    }

    /// The event as the caller's client can read it, where the server does not number calls of tools
    /// as it should: what has one number becomes one call there.
    fn numbered(&mut self, chunk: &CompletionChunk, data: &str) -> Option<String> {
        if chunk.choices.iter().all(|choice| choice.delta.tool_calls.is_empty()) {
            return None;
        }
        let (mut numbers, mut is_right) = (Vec::new(), true);
        for ChunkChoice { index, delta, .. } in &chunk.choices {
            let calls = self.calls.entry(*index).or_default();
            let right: Vec<u32> = delta.tool_calls.iter().map(|call| calls.number(call)).collect();
            let told = delta.tool_calls.iter().map(|call| call.index);
            is_right &= told.eq(right.iter().copied().map(Some));
            numbers.push(right);
        }
        if is_right { None } else { renumbered(data, &numbers) }
    }
}

/// The event with calls of tools under these numbers, in a list as they are documented.
fn renumbered(data: &str, numbers: &[Vec<u32>]) -> Option<String> {
    let mut event: Value = serde_json::from_str(data).ok()?;
    let choices = event.get_mut("choices")?.as_array_mut()?;
    for (choice, numbers) in choices.iter_mut().zip(numbers) {
        let calls = choice.get_mut("delta").and_then(|delta| delta.get_mut("tool_calls"));
        let Some(calls) = calls.filter(|_| !numbers.is_empty()) else { continue };
        if calls.is_object() {
            *calls = Value::Array(vec![calls.take()]);
        }
        let calls = calls.as_array_mut().into_iter().flatten();
        for (call, &number) in calls.filter_map(Value::as_object_mut).zip(numbers) {
            call.insert("index".to_owned(), number.into());
        }
    }
    Some(event.to_string())
}

/// A failure after the stream has begun.
fn error_event(error: GatewayError) -> Bytes {
    event(&Failure::from(error).fault().openai().to_string())
}
