//! An answer in the form of the Messages API.

use serde_json::{Value, json};

use super::super::answer::{Place, arguments};
use super::super::{Answer, Fault, Head, Part, Writer};
use super::UNSIGNED;
use crate::{ChatEvent, FinishReason, Usage, sse};

/// Writes a message.
pub struct Messages {
    head: Head,
    id: String,
    answer: Answer,
    begun: bool,
    /// The blocks that are being written: mostly one, several where calls come in turns.
    open: Vec<usize>,
}

impl Messages {
    /// An answer that begins.
    pub fn new(head: Head) -> Self {
        let (id, answer) = (format!("msg_{}", head.seed), Answer::new(head.seed.clone()));
        Self { head, id, answer, begun: false, open: Vec::new() }
    }

    fn message(&self, content: &[Value], stop_reason: Option<&str>, usage: Usage) -> Value {
        json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.head.model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": null,
            "usage": counts(usage),
        })
    }

    fn begin(&mut self, out: &mut String) {
        if !std::mem::replace(&mut self.begun, true) {
            let message = self.message(&[], None, Usage::default());
            event(out, &json!({ "type": "message_start", "message": message }));
            event(out, &json!({ "type": "ping" }));
        }
    }

    fn piece(&mut self, piece: &ChatEvent, out: &mut String) {
        let Some(Place { index, begins }) = self.answer.place(piece) else { return };
        if begins {
            // What goes along with a call has a block of its own before it.
            let before = index
                .checked_sub(1)
                .filter(|&before| matches!(self.answer.parts.get(before), Some(Part::Carried(_))));
            for index in before.into_iter().chain([index]) {
                self.close(out, false);
                let block = self.answer.parts.get(index).map(empty);
                event(
                    out,
                    &json!({ "type": "content_block_start", "index": index,
                    "content_block": block }),
                );
                self.open.push(index);
            }
        }
        let delta = match piece {
            ChatEvent::Text(text) | ChatEvent::Refusal(text) => {
                json!({ "type": "text_delta", "text": text })
            }
            ChatEvent::Reasoning(text) => json!({ "type": "thinking_delta", "thinking": text }),
            ChatEvent::ToolCall(call) if !call.arguments.is_empty() => {
                json!({ "type": "input_json_delta", "partial_json": call.arguments })
            }
            _ => return,
        };
        event(out, &json!({ "type": "content_block_delta", "index": index, "delta": delta }));
    }

    /// Ends the blocks that are whole, or all.
    fn close(&mut self, out: &mut String, all: bool) {
        for index in std::mem::take(&mut self.open) {
            if !all && !self.answer.is_whole(index) {
                self.open.push(index);
                continue;
            }
            if matches!(self.answer.parts.get(index), Some(Part::Reasoning(_))) {
                let delta = json!({ "type": "signature_delta", "signature": UNSIGNED });
                event(
                    out,
                    &json!({ "type": "content_block_delta", "index": index,
                    "delta": delta }),
                );
            }
            event(out, &json!({ "type": "content_block_stop", "index": index }));
        }
    }
}

impl Writer for Messages {
    fn adopt(&mut self, id: &str, model: &str) {
        id.clone_into(&mut self.id);
        self.head.served_by(model.to_owned());
    }

    fn write(&mut self, happened: ChatEvent) -> String {
        let mut out = String::new();
        match happened {
            ChatEvent::Started { model, .. } => {
                self.head.served_by(model);
                self.begin(&mut out);
            }
            ChatEvent::Counted(_) => {}
            ChatEvent::Finished { reason, usage } => {
                self.begin(&mut out);
                self.close(&mut out, true);
                let reason = stop_reason(&reason, self.answer.calls());
                let delta = json!({ "stop_reason": reason, "stop_sequence": null });
                let usage = counts(usage.unwrap_or_default());
                event(
                    &mut out,
                    &json!({ "type": "message_delta", "delta": delta, "usage": usage }),
                );
                event(&mut out, &json!({ "type": "message_stop" }));
            }
            piece => {
                self.begin(&mut out);
                self.piece(&piece, &mut out);
            }
        }
        out
    }

    fn fail(&mut self, fault: &Fault<'_>) -> String {
        sse::event(Some("error"), &fault.anthropic().to_string())
    }

    fn document(&mut self, answer: Answer) -> Value {
        self.head.served_by(answer.model.clone());
        let content: Vec<Value> = answer.parts.iter().map(block).collect();
        let reason = stop_reason(&answer.reason, answer.calls());
        self.message(&content, Some(reason), answer.usage.unwrap_or_default())
    }
}

fn event(out: &mut String, value: &Value) {
    out.push_str(&sse::event(value["type"].as_str(), &value.to_string()));
}

/// The whole block of a part.
fn block(part: &Part) -> Value {
    match part {
        Part::Text(text) | Part::Refusal(text) => json!({ "type": "text", "text": text }),
        Part::Reasoning(text) => {
            json!({ "type": "thinking", "thinking": text, "signature": UNSIGNED })
        }
        Part::Carried(data) => json!({ "type": "redacted_thinking", "data": data }),
        Part::Call(call) => {
            let input = arguments(call);
            json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input })
        }
    }
}

/// The block of a part as it begins.
fn empty(part: &Part) -> Value {
    match part {
        Part::Text(_) | Part::Refusal(_) => json!({ "type": "text", "text": "" }),
        Part::Reasoning(_) => json!({ "type": "thinking", "thinking": "", "signature": "" }),
        Part::Carried(_) => block(part),
        Part::Call(call) => {
            json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": {} })
        }
    }
}

fn stop_reason(reason: &FinishReason, calls: bool) -> &'static str {
    match reason {
        FinishReason::Length => "max_tokens",
        FinishReason::ContentFilter => "refusal",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::Stop | FinishReason::Other(_) if calls => "tool_use",
        FinishReason::Stop | FinishReason::Other(_) => "end_turn",
    }
}

/// The API counts what was read from the cache or written to it apart from the rest.
fn counts(usage: Usage) -> Value {
    let cached = usage.cached_tokens.saturating_add(usage.cache_write_tokens);
    let mut counts = json!({
        "input_tokens": usage.prompt_tokens.saturating_sub(cached),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    });
    if usage.reasoning_tokens > 0 {
        counts["output_tokens_details"] = json!({ "thinking_tokens": usage.reasoning_tokens });
    }
    counts
}
