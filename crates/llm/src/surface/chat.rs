//! OpenAI's chat completions, which is the form of [`ChatRequest`](crate::ChatRequest) itself.

mod functions;

use serde_json::{Value, json};

pub use functions::{becomes, request};

use super::{Answer, Fault, Head, Part, Writer};
use crate::openai::{
    Choice, ChunkChoice, ChunkDelta, Completion, CompletionChunk, CompletionMessage, FunctionDelta,
    ToolCallChunk, WireUsage,
};
use crate::{ChatEvent, FinishReason, ToolCallDelta, Usage, sse};

/// What ends a stream.
pub(super) const DONE: &str = "[DONE]";

/// Writes a chat completion.
pub struct Chat {
    head: Head,
    id: String,
    /// Whether the caller wants the usage at the end of a stream.
    with_usage: bool,
    /// Whether the model refuses.
    refused: bool,
    /// Whether calls are told in OpenAI's older words, which have room for one.
    is_older: bool,
    /// The call that a stream tells in them.
    called: Option<u32>,
}

impl Chat {
    /// An answer that begins.
    pub fn new(head: Head, with_usage: bool) -> Self {
        let id = format!("chatcmpl-{}", head.seed);
        Self { head, id, with_usage, refused: false, is_older: false, called: None }
    }

    /// The same for a request that has `functions` in place of tools, if it does.
    pub fn in_older_words(self, is_older: bool) -> Self {
        Self { is_older, ..self }
    }

    /// A call in the older words, if it is the first.
    fn function_call(&mut self, call: ToolCallDelta) -> Option<FunctionDelta> {
        let is_first = *self.called.get_or_insert(call.index) == call.index;
        is_first.then(|| function(call))
    }

    /// Here a refusal has its own place, and is no reason to end; a call has one by its older name.
    fn told(&self, reason: FinishReason, refused: bool) -> FinishReason {
        match reason {
            FinishReason::ContentFilter if refused => FinishReason::Stop,
            FinishReason::ToolCalls if self.is_older => {
                FinishReason::Other("function_call".to_owned())
            }
            other => other,
        }
    }

    fn chunk(&self, delta: ChunkDelta, finish_reason: Option<FinishReason>) -> String {
        self.event(
            vec![ChunkChoice { index: 0, delta, finish_reason, ..ChunkChoice::default() }],
            None,
        )
    }

    fn event(&self, choices: Vec<ChunkChoice>, usage: Option<Usage>) -> String {
        let chunk = CompletionChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".to_owned(),
            created: self.head.created,
            model: self.head.model.clone(),
            choices,
            usage: usage.map(WireUsage::from),
            ..CompletionChunk::default()
        };
        sse::event(None, &serde_json::to_string(&chunk).unwrap_or_default())
    }
}

impl Writer for Chat {
    fn adopt(&mut self, id: &str, model: &str) {
        id.clone_into(&mut self.id);
        self.head.served_by(model.to_owned());
    }

    fn write(&mut self, event: ChatEvent) -> String {
        match event {
            ChatEvent::Started { model, .. } => {
                self.head.served_by(model);
                let role = Some("assistant".into());
                let content = Some(String::new());
                self.chunk(ChunkDelta { role, content, ..ChunkDelta::default() }, None)
            }
            ChatEvent::Text(text) => {
                self.chunk(ChunkDelta { content: Some(text), ..ChunkDelta::default() }, None)
            }
            ChatEvent::Refusal(text) => {
                self.refused = true;
                self.chunk(ChunkDelta { refusal: Some(text), ..ChunkDelta::default() }, None)
            }
            ChatEvent::Reasoning(text) => {
                let reasoning_content = Some(text);
                self.chunk(ChunkDelta { reasoning_content, ..ChunkDelta::default() }, None)
            }
            ChatEvent::ToolCall(call) if self.is_older => match self.function_call(call) {
                None => String::new(),
                function_call => {
                    self.chunk(ChunkDelta { function_call, ..ChunkDelta::default() }, None)
                }
            },
            ChatEvent::ToolCall(call) => {
                let tool_calls = vec![piece(call)];
                self.chunk(ChunkDelta { tool_calls, ..ChunkDelta::default() }, None)
            }
            ChatEvent::Counted(_) => String::new(),
            ChatEvent::Finished { reason, usage } => {
                let reason = self.told(reason, self.refused);
                let mut end = self.chunk(ChunkDelta::default(), Some(reason));
                if self.with_usage {
                    end.push_str(&self.event(Vec::new(), Some(usage.unwrap_or_default())));
                }
                end.push_str(&sse::event(None, DONE));
                end
            }
        }
    }

    fn fail(&mut self, fault: &Fault<'_>) -> String {
        sse::event(None, &fault.openai().to_string())
    }

    fn document(&mut self, answer: Answer) -> Value {
        let (text, reasoning) = (answer.text(), answer.reasoning());
        let refuses = answer.refuses();
        let calls = answer.parts.into_iter().filter_map(|part| match part {
            Part::Call(call) => Some(call),
            _ => None,
        });
        let (tool_calls, function_call): (Vec<Value>, _) = match self.is_older {
            true => (Vec::new(), calls.map(function).next()),
            false => (calls.map(whole).collect(), None),
        };
        let calls = !tool_calls.is_empty() || function_call.is_some();
        let (content, refusal) = match refuses {
            true => (None, Some(text)),
            false => ((!text.is_empty() || !calls).then_some(text), None),
        };
        let reason = self.told(answer.reason, refuses);
        let message = CompletionMessage {
            role: "assistant".into(),
            content,
            refusal,
            reasoning_content: (!reasoning.is_empty()).then_some(reasoning),
            tool_calls,
            function_call,
        };
        self.head.served_by(answer.model);
        json!(Completion {
            id: self.id.clone(),
            object: "chat.completion".into(),
            created: self.head.created,
            model: self.head.model.clone(),
            choices: vec![Choice { index: 0, message, finish_reason: Some(reason) }],
            usage: answer.usage.map(WireUsage::from),
        })
    }
}

fn function(call: ToolCallDelta) -> FunctionDelta {
    FunctionDelta { name: call.name, arguments: call.arguments }
}

fn piece(call: ToolCallDelta) -> ToolCallChunk {
    let kind = call.id.as_ref().map(|_| "function".to_owned());
    let function = FunctionDelta { name: call.name, arguments: call.arguments };
    let ToolCallDelta { index, id, extra_content, .. } = call;
    ToolCallChunk { index: Some(index), id, kind, function, extra_content }
}

fn whole(call: ToolCallDelta) -> Value {
    let mut value = json!({ "id": call.id, "type": "function",
        "function": { "name": call.name, "arguments": call.arguments } });
    if let Some(extra) = call.extra_content {
        value["extra_content"] = extra;
    }
    value
}
