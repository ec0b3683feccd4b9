//! The lines of `/api/chat`.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::endpoint::decode_piece;
use crate::openai::lenient;
use crate::stream::Reader;
use crate::{ChatEvent, Endpoint, FinishReason, LlmError, ToolCallDelta, Usage};

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    model: String,
    #[serde(default, deserialize_with = "lenient")]
    message: Message,
    #[serde(default)]
    done: bool,
    #[serde(default)]
    done_reason: Option<String>,
    #[serde(default)]
    prompt_eval_count: Option<u64>,
    #[serde(default)]
    eval_count: Option<u64>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Default, Deserialize)]
struct Message {
    #[serde(default, deserialize_with = "lenient")]
    content: String,
    #[serde(default, deserialize_with = "lenient")]
    thinking: String,
    #[serde(default, deserialize_with = "lenient")]
    tool_calls: Vec<Call>,
}

#[derive(Deserialize)]
struct Call {
    #[serde(default)]
    id: Option<String>,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    arguments: Option<Value>,
}

/// What is known of an answer while it comes.
pub(super) struct Events {
    endpoint: Endpoint,
    started: bool,
    calls: u32,
    end: Option<(FinishReason, Option<Usage>)>,
}

impl Events {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, started: false, calls: 0, end: None }
    }

    /// A call comes in one piece.
    fn call(&mut self, call: Call) -> ChatEvent {
        let index = self.calls;
        self.calls += 1;
        let id = call.id.filter(|id| !id.is_empty());
        let arguments = call.function.arguments.unwrap_or_else(|| json!({}));
        ChatEvent::ToolCall(ToolCallDelta {
            index,
            id: Some(id.unwrap_or_else(|| format!("call_{}", lyceum_core::new_id().simple()))),
            name: Some(call.function.name),
            arguments: arguments.to_string(),
            extra_content: None,
        })
    }
}

impl Reader for Events {
    fn read(&mut self, piece: &str) -> Result<Vec<ChatEvent>, LlmError> {
        let line: Line = decode_piece(piece)?;
        if let Some(error) = &line.error {
            return Err(self.endpoint.member_error(error));
        }
        let mut events = Vec::new();
        if !self.started {
            self.started = true;
            events.push(ChatEvent::Started { id: String::new(), model: line.model });
        }
        if !line.message.thinking.is_empty() {
            events.push(ChatEvent::Reasoning(line.message.thinking));
        }
        if !line.message.content.is_empty() {
            events.push(ChatEvent::Text(line.message.content));
        }
        for call in line.message.tool_calls {
            events.push(self.call(call));
        }
        if line.done {
            let reason = match line.done_reason.as_deref() {
                Some("length") => FinishReason::Length,
                Some("stop") | None if self.calls > 0 => FinishReason::ToolCalls,
                Some("stop") | None => FinishReason::Stop,
                Some(other) => FinishReason::Other(other.to_owned()),
            };
            // Of a prompt that it still had from an earlier request, older versions tell nothing.
            let prompt_tokens = line.prompt_eval_count.unwrap_or_default();
            let usage = line.eval_count.map(|completion_tokens| {
                Usage { prompt_tokens, completion_tokens, ..Usage::default() }.bounded()
            });
            self.end = Some((reason, usage));
        }
        Ok(events)
    }

    fn is_over(&self) -> bool {
        self.end.is_some()
    }

    fn end(&mut self) -> Option<ChatEvent> {
        let (reason, usage) = self.end.take()?;
        Some(ChatEvent::Finished { reason, usage })
    }
}
