//! Answers of built-in models and of other protocols, put into OpenAI's form.

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
use uuid::Uuid;

use super::body::Body;
use super::forward::{error_event, event, stream_headers};
use super::{Failure, describe};
use crate::{CallContext, Gateway, MeteredStream, ModelConfig};

pub(super) async fn chat(
    gateway: &Gateway,
    context: CallContext,
    model: &ModelConfig,
    body: Body,
    streamed: bool,
    with_usage: bool,
) -> Result<Response, Failure> {
    if body.get::<u32>("n")?.is_some_and(|answers| answers != 1) {
        let message = "This model gives one answer; leave 'n' out or set it to 1.";
        return Err(Failure::bad_request("invalid_field", message));
    }
    let request = request(body)?;
    let request_id = context.request_id;
    let events = gateway.chat(context, model, request).await?;
    if !streamed {
        return whole(gateway, model, request_id, events).await;
    }
    let notice = events.notice.clone();
    let pieces = Head::new(gateway, model, request_id).stream(events, with_usage);
    let mut response = Response::new(HttpBody::from_stream(pieces));
    stream_headers(&mut response);
    describe(response.headers_mut(), request_id, model, &notice);
    Ok(response)
}

/// A request as the ports take it.
pub(super) fn request(mut body: Body) -> Result<ChatRequest, Failure> {
    if body.has("max_completion_tokens") {
        body.remove("max_tokens");
    } else {
        body.remove("max_completion_tokens");
    }
    body.remove("stream");
    body.remove("stream_options");
    body.parse()
}

/// An answer in one piece.
pub(super) async fn whole(
    gateway: &Gateway,
    model: &ModelConfig,
    request_id: Uuid,
    events: MeteredStream,
) -> Result<Response, Failure> {
    let notice = events.notice.clone();
    let completion = Head::new(gateway, model, request_id).collect(events).await?;
    let mut response = Json(completion).into_response();
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
    fn new(gateway: &Gateway, model: &ModelConfig, request_id: Uuid) -> Self {
        Self {
            id: format!("chatcmpl-{}", request_id.simple()),
            created: gateway.inner.clock.now().timestamp(),
            model: model.model.clone(),
        }
    }

    /// The provider named the model that serves.
    fn served_by(&mut self, model: String) {
        if !model.is_empty() {
            self.model = model;
        }
    }

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
            ..CompletionChunk::default()
        };
        event(&serde_json::to_string(&chunk).unwrap_or_default())
    }

    fn stream(
        mut self,
        mut events: MeteredStream,
        with_usage: bool,
    ) -> impl futures::Stream<Item = Result<Bytes, std::convert::Infallible>> {
        async_stream::stream! {
            while let Some(item) = events.next().await {
                match item {
                    Ok(ChatEvent::Started { model, .. }) => {
                        self.served_by(model);
                        let role = ChunkDelta {
                            role: Some("assistant".into()),
                            content: Some(String::new()),
                            ..ChunkDelta::default()
                        };
                        yield Ok(self.chunk(role, None));
                    }
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

    async fn collect(mut self, mut events: MeteredStream) -> Result<Completion, Failure> {
        let mut text = String::new();
        let mut reasoning = String::new();
        let mut calls: Vec<ToolCallDelta> = Vec::new();
        let mut end = (FinishReason::Stop, None);
        while let Some(item) = events.next().await {
            match item? {
                ChatEvent::Started { model, .. } => self.served_by(model),
                ChatEvent::Text(more) => text.push_str(&more),
                ChatEvent::Reasoning(more) => reasoning.push_str(&more),
                ChatEvent::ToolCall(more) => join(&mut calls, more),
                ChatEvent::Finished { reason, usage } => end = (reason, usage),
            }
        }
        let tool_calls = calls.into_iter().map(|call| {
            let mut value = json!({ "id": call.id, "type": "function",
                "function": { "name": call.name, "arguments": call.arguments } });
            if let Some(extra) = call.extra_content {
                value["extra_content"] = extra;
            }
            value
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
            let ToolCallDelta { index, id, extra_content, .. } = call;
            let piece = ToolCallChunk { index, id, kind, function, extra_content };
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
            call.extra_content = call.extra_content.take().or(piece.extra_content);
        }
        None => calls.push(piece),
    }
}
