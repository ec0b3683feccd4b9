//! Chat with a built-in model, put into OpenAI's form.

use axum::Json;
use axum::body::Body as HttpBody;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use lyceum_llm::openai::{
    Choice, ChunkChoice, ChunkDelta, Completion, CompletionChunk, CompletionMessage, FunctionDelta,
    ToolCallChunk, WireUsage,
};
use lyceum_llm::{ChatEvent, ChatRequest, FinishReason, ToolCallDelta, Usage};
use serde_json::json;

use super::body::Body;
use super::forward::{error_event, event, stream_headers};
use super::{Failure, describe};
use crate::{CallContext, Gateway, MeteredStream, ModelConfig};

pub(super) async fn chat(
    gateway: &Gateway,
    context: CallContext,
    model: &ModelConfig,
    mut body: Body,
    streamed: bool,
    with_usage: bool,
) -> Result<Response, Failure> {
    if body.get::<u32>("n")?.is_some_and(|answers| answers != 1) {
        let message = "Built-in models give one answer; leave 'n' out or set it to 1.";
        return Err(Failure::bad_request("invalid_field", message));
    }
    if body.has("max_completion_tokens") {
        body.remove("max_tokens");
    } else {
        body.remove("max_completion_tokens");
    }
    body.remove("stream");
    body.remove("stream_options");
    let request: ChatRequest = body.parse()?;
    let request_id = context.request_id;
    let created = gateway.inner.clock.now().timestamp();
    let events = gateway.chat(context, model, request).await?;
    let notice = events.notice.clone();
    let head = Head {
        id: format!("chatcmpl-{}", request_id.simple()),
        created,
        model: model.model.clone(),
    };
    let mut response = match streamed {
        true => {
            let pieces = head.stream(events, with_usage);
            let mut response = Response::new(HttpBody::from_stream(pieces));
            stream_headers(&mut response);
            response
        }
        false => Json(head.collect(events).await?).into_response(),
    };
    describe(response.headers_mut(), request_id, model, &notice);
    Ok(response)
}

/// What every piece of an answer repeats.
struct Head {
    id: String,
    created: i64,
    model: String,
}

impl Head {
    fn chunk(&self, delta: ChunkDelta, finish_reason: Option<FinishReason>) -> Bytes {
        let choices = vec![ChunkChoice { index: 0, delta, finish_reason }];
        self.write(choices, None)
    }

    fn write(&self, choices: Vec<ChunkChoice>, usage: Option<Usage>) -> Bytes {
        let chunk = CompletionChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".to_owned(),
            created: self.created,
            model: self.model.clone(),
            choices,
            usage: usage.map(WireUsage::from),
            error: None,
        };
        event(&serde_json::to_string(&chunk).unwrap_or_default())
    }

    fn stream(
        self,
        mut events: MeteredStream,
        with_usage: bool,
    ) -> impl futures::Stream<Item = Result<Bytes, std::convert::Infallible>> {
        async_stream::stream! {
            let role = ChunkDelta {
                role: Some("assistant".into()),
                content: Some(String::new()),
                ..ChunkDelta::default()
            };
            yield Ok(self.chunk(role, None));
            while let Some(item) = events.next().await {
                match item {
                    Ok(ChatEvent::Finished { reason, usage }) => {
                        yield Ok(self.chunk(ChunkDelta::default(), Some(reason)));
                        if with_usage {
                            yield Ok(self.write(Vec::new(), Some(usage.unwrap_or_default())));
                        }
                        yield Ok(event("[DONE]"));
                    }
                    Ok(item) => {
                        if let Some(delta) = delta(item) {
                            yield Ok(self.chunk(delta, None));
                        }
                    }
                    Err(error) => yield Ok(error_event(error)),
                }
            }
        }
    }

    async fn collect(self, mut events: MeteredStream) -> Result<Completion, Failure> {
        let mut text = String::new();
        let mut reasoning = String::new();
        let mut calls: Vec<ToolCallDelta> = Vec::new();
        let mut end = (FinishReason::Stop, None);
        while let Some(item) = events.next().await {
            match item? {
                ChatEvent::Started { .. } => {}
                ChatEvent::Text(more) => text.push_str(&more),
                ChatEvent::Reasoning(more) => reasoning.push_str(&more),
                ChatEvent::ToolCall(more) => join(&mut calls, more),
                ChatEvent::Finished { reason, usage } => end = (reason, usage),
            }
        }
        let tool_calls = calls.into_iter().map(|call| {
            json!({ "id": call.id, "type": "function",
                    "function": { "name": call.name, "arguments": call.arguments } })
        });
        let tool_calls: Vec<_> = tool_calls.collect();
        let message = CompletionMessage {
            role: "assistant".into(),
            content: (!text.is_empty() || tool_calls.is_empty()).then_some(text),
            reasoning_content: (!reasoning.is_empty()).then_some(reasoning),
            tool_calls,
        };
        Ok(Completion {
            id: self.id,
            object: "chat.completion".into(),
            created: self.created,
            model: self.model,
            choices: vec![Choice { index: 0, message, finish_reason: Some(end.0) }],
            usage: end.1.map(WireUsage::from),
        })
    }
}

fn delta(event: ChatEvent) -> Option<ChunkDelta> {
    match event {
        ChatEvent::Text(text) => Some(ChunkDelta { content: Some(text), ..ChunkDelta::default() }),
        ChatEvent::Reasoning(text) => {
            Some(ChunkDelta { reasoning_content: Some(text), ..ChunkDelta::default() })
        }
        ChatEvent::ToolCall(call) => {
            let kind = call.id.as_ref().map(|_| "function".to_owned());
            let function = FunctionDelta { name: call.name, arguments: call.arguments };
            let piece = ToolCallChunk { index: call.index, id: call.id, kind, function };
            Some(ChunkDelta { tool_calls: vec![piece], ..ChunkDelta::default() })
        }
        ChatEvent::Started { .. } | ChatEvent::Finished { .. } => None,
    }
}

/// Adds a piece of a tool call to the call that it belongs to.
fn join(calls: &mut Vec<ToolCallDelta>, piece: ToolCallDelta) {
    match calls.iter_mut().find(|call| call.index == piece.index) {
        Some(call) => {
            call.arguments.push_str(&piece.arguments);
            call.id = call.id.take().or(piece.id);
            call.name = call.name.take().or(piece.name);
        }
        None => calls.push(piece),
    }
}
