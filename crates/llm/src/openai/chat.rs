use async_trait::async_trait;
use futures::StreamExt as _;
use serde::Serialize;

use super::calls::Calls;
use super::client::{Frame, Frames, OpenAiClient};
use super::wire::{ChunkDelta, CompletionChunk};
use crate::fit::{bytes_of, members_of};
use crate::stream::speaks;
use crate::{
    ChatEvent, ChatModel, ChatRequest, ChatStream, FinishReason, LlmError, ToolCallDelta, Usage,
};

#[derive(Serialize)]
struct StreamedBody<'a> {
    #[serde(flatten)]
    request: &'a ChatRequest,
    stream: bool,
    stream_options: StreamOptions,
}

#[derive(Clone, Copy, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[async_trait]
impl ChatModel for OpenAiClient {
    async fn chat(&self, mut request: ChatRequest) -> Result<ChatStream, LlmError> {
        request.extra.remove("stream");
        request.extra.remove("stream_options");
        let stream_options = StreamOptions { include_usage: true };
        let body = StreamedBody { request: &request, stream: true, stream_options };
        let mut members = members_of(&body)?;
        self.fit(&request.model, &mut members);
        let taken = self.send("chat/completions", bytes_of(&members)?, &mut members).await?;
        Ok(events(self.clone(), self.frames(taken.response)))
    }

    fn left_out_of(&self, model: &str) -> Vec<&'static str> {
        self.fitter.left_out_of(model)
    }
}

/// What is known of an answer while it comes.
#[derive(Default)]
struct Progress {
    started: bool,
    /// Whether the model said that it refuses.
    refused: bool,
    calls: Calls,
    reason: Option<FinishReason>,
    usage: Option<Usage>,
}

impl Progress {
    fn take(&mut self, chunk: CompletionChunk) -> Vec<ChatEvent> {
        let mut events = Vec::new();
        if !self.started {
            self.started = true;
            events.push(ChatEvent::Started { id: chunk.id, model: chunk.model });
        }
        if let Some(usage) = &chunk.usage {
            let usage = Usage::from(usage);
            self.usage = Some(usage);
            events.push(ChatEvent::Counted(usage));
        }
        for choice in chunk.choices {
            if choice.index == 0 {
                self.refused |= choice.delta.refusal.as_ref().is_some_and(|text| !text.is_empty());
                deltas(choice.delta, &mut self.calls, &mut events);
                self.reason = choice.finish_reason.or(self.reason.take());
            }
        }
        events
    }

    fn finished(self) -> ChatEvent {
        let reason = match self.reason {
            // A model that refuses names no other reason than that it is done.
            None | Some(FinishReason::Stop) if self.refused => FinishReason::ContentFilter,
            reason => reason.unwrap_or(FinishReason::Stop),
        };
        ChatEvent::Finished { reason, usage: self.usage }
    }
}

fn deltas(delta: ChunkDelta, calls: &mut Calls, events: &mut Vec<ChatEvent>) {
    let said = |text: &String| !text.is_empty();
    events.extend(delta.reasoning_content.filter(said).map(ChatEvent::Reasoning));
    events.extend(delta.content.filter(said).map(ChatEvent::Text));
    events.extend(delta.refusal.filter(said).map(ChatEvent::Refusal));
    for call in delta.tool_calls {
        events.push(ChatEvent::ToolCall(ToolCallDelta {
            index: calls.number(&call),
            id: call.id,
            name: call.function.name,
            arguments: call.function.arguments,
            extra_content: call.extra_content,
        }));
    }
}

fn events(client: OpenAiClient, mut frames: Frames) -> ChatStream {
    async_stream::try_stream! {
        let mut progress = Progress::default();
        let mut done = false;
        while let Some(frame) = frames.next().await {
            let data = match frame {
                Ok(Frame::Data(data)) => data,
                Ok(Frame::Done) => {
                    done = true;
                    break;
                }
                // Once the model has said why it ended, a broken connection takes nothing away.
                Err(LlmError::BrokenStream(_) | LlmError::Timeout(_))
                    if progress.reason.is_some() => break,
                Err(error) => Err(error)?,
            };
            let chunk = CompletionChunk::read(&data)?;
            if let Some(error) = chunk.failure() {
                Err(client.member_error(&error))?;
            }
            let events = progress.take(chunk);
            if speaks(&events) {
                frames.begun();
            }
            for event in events {
                yield event;
            }
        }
        if !done && progress.reason.is_none() {
            Err(LlmError::BrokenStream("the provider ended it early".to_owned()))?;
        }
        yield progress.finished();
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::future::BoxFuture;
    use url::Url;

    use super::*;
    use crate::TransportError;
    use crate::openai::{Begun, HttpSend};

    struct Nowhere;

    impl HttpSend for Nowhere {
        fn send(
            &self,
            _: reqwest::Request,
        ) -> BoxFuture<'_, Result<reqwest::Response, TransportError>> {
            Box::pin(async { Err(TransportError::Connect("nowhere".into())) })
        }
    }

    /// The answer in these frames, and what is told of its first words.
    fn answer(frames: Vec<Result<Frame, LlmError>>) -> (ChatStream, Begun) {
        let url = Url::parse("http://provider.test/v1").unwrap();
        let client = OpenAiClient::new(Arc::new(Nowhere), url, None);
        let begun = Begun::default();
        let frames = Frames::new(futures::stream::iter(frames).boxed(), begun.clone());
        (events(client, frames), begun)
    }

    async fn read(frames: Vec<Result<Frame, LlmError>>) -> Vec<Result<ChatEvent, String>> {
        let (events, _) = answer(frames);
        events.map(|event| event.map_err(|e| e.to_string())).collect().await
    }

    fn data(text: &str) -> Result<Frame, LlmError> {
        Ok(Frame::Data(text.to_owned()))
    }

    const FIRST: &str =
        r#"{"id":"c","model":"m","choices":[{"delta":{"role":"assistant","content":"a"}}]}"#;
    const LAST: &str =
        r#"{"id":"c","model":"m","choices":[{"delta":{},"finish_reason":"length"}]}"#;
    const USAGE: &str =
        r#"{"id":"c","model":"m","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":1}}"#;

    #[tokio::test]
    async fn an_answer_ends_with_its_reason_and_the_usage_that_follows_it() {
        let events = read(vec![data(FIRST), data(LAST), data(USAGE), Ok(Frame::Done)]).await;
        let usage = Usage { prompt_tokens: 5, completion_tokens: 1, ..Usage::default() };
        let expected = [
            Ok(ChatEvent::Started { id: "c".to_owned(), model: "m".to_owned() }),
            Ok(ChatEvent::Text("a".to_owned())),
            Ok(ChatEvent::Counted(usage)),
            Ok(ChatEvent::Finished { reason: FinishReason::Length, usage: Some(usage) }),
        ];
        assert_eq!(events, expected);
    }

    #[tokio::test]
    async fn an_answer_has_begun_with_its_first_word_and_not_with_its_reasoning() {
        let thought = r#"{"id":"c","model":"m","choices":[{"delta":{"reasoning_content":"hm"}}]}"#;
        let (mut events, begun) = answer(vec![data(thought), data(FIRST)]);
        let mut seen = Vec::new();
        for _ in 0..3 {
            events.next().await.unwrap().unwrap();
            seen.push(begun.is_told());
        }
        assert_eq!(seen, [false, false, true]);
    }

    #[tokio::test]
    async fn an_empty_reason_in_every_piece_ends_nothing() {
        let piece =
            r#"{"id":"c","model":"m","choices":[{"delta":{"content":"a"},"finish_reason":""}]}"#;
        let events = read(vec![data(piece), data(piece), data(LAST), Ok(Frame::Done)]).await;
        let finished = ChatEvent::Finished { reason: FinishReason::Length, usage: None };
        assert_eq!((events.len(), events.last()), (4, Some(&Ok(finished))));
        let last = read(vec![data(piece), data(piece)]).await.pop().unwrap();
        assert_eq!(last.unwrap_err(), "the answer broke off: the provider ended it early");
    }

    #[tokio::test]
    async fn a_refusal_is_said_and_is_the_reason() {
        let words = r#"{"id":"c","model":"m","choices":[{"delta":{"refusal":"No."}}]}"#;
        let last = r#"{"id":"c","model":"m","choices":[{"delta":{},"finish_reason":"stop"}]}"#;
        let events = read(vec![data(words), data(last), Ok(Frame::Done)]).await;
        let expected = [
            Ok(ChatEvent::Refusal("No.".to_owned())),
            Ok(ChatEvent::Finished { reason: FinishReason::ContentFilter, usage: None }),
        ];
        assert_eq!(events[1..], expected);
    }

    #[tokio::test]
    async fn an_end_without_a_mark_counts_if_the_model_had_ended() {
        let finished = ChatEvent::Finished { reason: FinishReason::Length, usage: None };
        assert_eq!(read(vec![data(FIRST), data(LAST)]).await.pop(), Some(Ok(finished.clone())));
        let broken = Err(LlmError::BrokenStream("reset".to_owned()));
        assert_eq!(read(vec![data(FIRST), data(LAST), broken]).await.pop(), Some(Ok(finished)));
    }

    #[tokio::test]
    async fn a_stream_that_stops_before_is_an_error() {
        let last = read(vec![data(FIRST)]).await.pop().unwrap();
        assert_eq!(last.unwrap_err(), "the answer broke off: the provider ended it early");
        let last = read(vec![data(FIRST), data("<html>")]).await.pop().unwrap();
        assert!(last.unwrap_err().starts_with("the provider's answer cannot be read"));
        let failed = r#"{"error":{"message":"overloaded","code":503}}"#;
        let last = read(vec![data(FIRST), data(failed)]).await.pop().unwrap();
        assert_eq!(last.unwrap_err(), "the provider failed with status 503: overloaded");
        let spark = r#"{"code":11202,"message":"QPS limit","sid":"cha0"}"#;
        let last = read(vec![data(FIRST), data(spark)]).await.pop().unwrap();
        assert_eq!(last.unwrap_err(), "the provider's limit is reached: QPS limit");
    }
}
