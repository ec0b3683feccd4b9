//! An answer in the form of the Responses API.

use serde_json::{Map, Value, json};

use super::super::answer::Place;
use super::super::carry::MARK;
use super::super::{Answer, Fault, Head, Part, Writer};
use crate::{ChatEvent, FinishReason, Usage, sse};

/// Members of a request that its answer repeats, and what it says where the request has none.
fn repeated() -> [(&'static str, Value); 16] {
    [
        ("instructions", Value::Null),
        ("max_output_tokens", Value::Null),
        ("max_tool_calls", Value::Null),
        ("metadata", json!({})),
        ("parallel_tool_calls", json!(true)),
        ("prompt_cache_key", Value::Null),
        ("reasoning", json!({ "effort": null, "summary": null })),
        ("safety_identifier", Value::Null),
        ("temperature", Value::Null),
        ("text", json!({ "format": { "type": "text" } })),
        ("tool_choice", json!("auto")),
        ("tools", json!([])),
        ("top_logprobs", Value::Null),
        ("top_p", Value::Null),
        ("truncation", json!("disabled")),
        ("user", Value::Null),
    ]
}

/// Writes a response.
pub struct Responses {
    head: Head,
    id: String,
    echo: Map<String, Value>,
    answer: Answer,
    begun: bool,
    /// The items that are being written: mostly one, several where calls come in turns.
    open: Vec<usize>,
    written: u64,
}

impl Responses {
    /// An answer to `request` that begins; its input is not looked at.
    pub fn new(head: Head, request: &Value) -> Self {
        let echo = repeated().map(|(name, usual)| {
            let given = request.get(name).filter(|value| !value.is_null());
            (name.to_owned(), given.cloned().unwrap_or(usual))
        });
        let (id, answer) = (format!("resp_{}", head.seed), Answer::new(head.seed.clone()));
        let echo = echo.into_iter().collect();
        Self { head, id, echo, answer, begun: false, open: Vec::new(), written: 0 }
    }

    fn response(&self, status: &str, answer: &Answer) -> Value {
        let mut response = self.echo.clone();
        let reason = match answer.reason {
            FinishReason::ContentFilter => json!({ "reason": "content_filter" }),
            _ => json!({ "reason": "max_output_tokens" }),
        };
        let items = 0..answer.parts.len();
        let output: Vec<Value> =
            items.map(|index| self.item(answer, index, of_item(answer, index, status))).collect();
        response.extend([
            ("id".to_owned(), json!(self.id)),
            ("object".to_owned(), json!("response")),
            ("created_at".to_owned(), json!(self.head.created)),
            ("status".to_owned(), json!(status)),
            ("background".to_owned(), json!(false)),
            ("error".to_owned(), Value::Null),
            ("incomplete_details".to_owned(), (status == "incomplete").then_some(reason).into()),
            ("model".to_owned(), json!(self.head.model)),
            ("output".to_owned(), json!(output)),
            ("previous_response_id".to_owned(), Value::Null),
            ("store".to_owned(), json!(false)),
            ("usage".to_owned(), answer.usage.map(counts).into()),
        ]);
        Value::Object(response)
    }

    fn item_id(&self, part: &Part, index: usize) -> String {
        let kind = match part {
            Part::Text(_) | Part::Refusal(_) => "msg",
            Part::Reasoning(_) | Part::Carried(_) => "rs",
            Part::Call(_) => "fc",
        };
        format!("{kind}_{}{index:02}", self.head.seed)
    }

    fn item(&self, answer: &Answer, index: usize, status: &str) -> Value {
        let Some(part) = answer.parts.get(index) else { return Value::Null };
        let id = self.item_id(part, index);
        let message = |part: Value| {
            json!({ "id": id, "type": "message", "status": status, "role": "assistant",
                "content": [part] })
        };
        match part {
            Part::Text(text) => message(said(text)),
            Part::Refusal(text) => message(refused(text)),
            Part::Reasoning(text) => json!({ "id": id, "type": "reasoning",
                "summary": [thought(text)], "encrypted_content": MARK }),
            Part::Carried(sealed) => json!({ "id": id, "type": "reasoning", "summary": [],
                "encrypted_content": sealed }),
            Part::Call(call) => json!({ "id": id, "type": "function_call", "status": status,
                "call_id": call.id, "name": call.name, "arguments": call.arguments }),
        }
    }

    /// Adds an event of the given members.
    fn event(&mut self, out: &mut String, kind: &str, members: Value) {
        let mut event = members;
        event["type"] = json!(kind);
        event["sequence_number"] = json!(self.written);
        self.written += 1;
        out.push_str(&sse::event(Some(kind), &event.to_string()));
    }

    fn begin(&mut self, out: &mut String) {
        if !std::mem::replace(&mut self.begun, true) {
            let response = self.response("in_progress", &self.answer);
            self.event(out, "response.created", json!({ "response": response }));
            self.event(out, "response.in_progress", json!({ "response": response }));
        }
    }

    fn piece(&mut self, piece: ChatEvent, out: &mut String) {
        let Some(Place { index, begins }) = self.answer.place(&piece) else { return };
        if begins {
            let before = index
                .checked_sub(1)
                .filter(|&before| matches!(self.answer.parts.get(before), Some(Part::Carried(_))));
            for index in before.into_iter().chain([index]) {
                self.close(out, None);
                self.open(out, index);
            }
        }
        let Some(part) = self.answer.parts.get(index) else { return };
        let at = json!({ "item_id": self.item_id(part, index), "output_index": index });
        let (kind, more) = match piece {
            ChatEvent::Text(text) => (
                "response.output_text.delta",
                json!({ "content_index": 0, "delta": text, "logprobs": [] }),
            ),
            ChatEvent::Refusal(text) => {
                ("response.refusal.delta", json!({ "content_index": 0, "delta": text }))
            }
            ChatEvent::Reasoning(text) => (
                "response.reasoning_summary_text.delta",
                json!({ "summary_index": 0, "delta": text }),
            ),
            ChatEvent::ToolCall(call) if !call.arguments.is_empty() => {
                ("response.function_call_arguments.delta", json!({ "delta": call.arguments }))
            }
            _ => return,
        };
        self.event(out, kind, merged(at, more));
    }

    fn open(&mut self, out: &mut String, index: usize) {
        self.open.push(index);
        let Some(part) = self.answer.parts.get(index) else { return };
        let at = json!({ "item_id": self.item_id(part, index), "output_index": index });
        let mut item = self.item(&self.answer, index, "in_progress");
        // It begins empty; what is there of it comes as its first delta.
        let inner = match part {
            Part::Text(_) | Part::Refusal(_) => {
                item["content"] = json!([]);
                let empty = match part {
                    Part::Refusal(_) => refused(""),
                    _ => said(""),
                };
                let part = json!({ "content_index": 0, "part": empty });
                Some(("response.content_part.added", merged(at, part)))
            }
            Part::Reasoning(_) => {
                item["summary"] = json!([]);
                let part = json!({ "summary_index": 0, "part": thought("") });
                Some(("response.reasoning_summary_part.added", merged(at, part)))
            }
            Part::Call(_) => {
                item["arguments"] = json!("");
                None
            }
            Part::Carried(_) => None,
        };
        let added = json!({ "output_index": index, "item": item });
        self.event(out, "response.output_item.added", added);
        if let Some((kind, members)) = inner {
            self.event(out, kind, members);
        }
    }

    /// Ends the items that are whole, or all where the answer ends.
    fn close(&mut self, out: &mut String, end: Option<&str>) {
        for index in std::mem::take(&mut self.open) {
            match end.is_some() || self.answer.is_whole(index) {
                true => self.done(out, index, end.unwrap_or("completed")),
                false => self.open.push(index),
            }
        }
    }

    fn done(&mut self, out: &mut String, index: usize, status: &str) {
        let Some(part) = self.answer.parts.get(index) else { return };
        let at = || json!({ "item_id": self.item_id(part, index), "output_index": index });
        let inner = match part {
            Part::Text(text) => {
                let whole = json!({ "content_index": 0, "text": text, "logprobs": [] });
                let part = json!({ "content_index": 0, "part": said(text) });
                vec![
                    ("response.output_text.done", merged(at(), whole)),
                    ("response.content_part.done", merged(at(), part)),
                ]
            }
            Part::Refusal(text) => {
                let whole = json!({ "content_index": 0, "refusal": text });
                let part = json!({ "content_index": 0, "part": refused(text) });
                vec![
                    ("response.refusal.done", merged(at(), whole)),
                    ("response.content_part.done", merged(at(), part)),
                ]
            }
            Part::Reasoning(text) => {
                let whole = json!({ "summary_index": 0, "text": text });
                let part = json!({ "summary_index": 0, "part": thought(text) });
                vec![
                    ("response.reasoning_summary_text.done", merged(at(), whole)),
                    ("response.reasoning_summary_part.done", merged(at(), part)),
                ]
            }
            Part::Call(call) => {
                let whole = json!({ "name": call.name, "arguments": call.arguments });
                vec![("response.function_call_arguments.done", merged(at(), whole))]
            }
            Part::Carried(_) => Vec::new(),
        };
        for (kind, members) in inner {
            self.event(out, kind, members);
        }
        let status = of_item(&self.answer, index, status);
        let done = json!({ "output_index": index, "item": self.item(&self.answer, index, status) });
        self.event(out, "response.output_item.done", done);
    }
}

impl Writer for Responses {
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
                let status = status(&reason, self.answer.refuses());
                self.close(&mut out, Some(status));
                self.answer.reason = reason;
                // The form has no answer without counts.
                self.answer.usage = Some(usage.unwrap_or_default());
                let response = self.response(status, &self.answer);
                let kind = format!("response.{status}");
                self.event(&mut out, &kind, json!({ "response": response }));
            }
            piece => {
                self.begin(&mut out);
                self.piece(piece, &mut out);
            }
        }
        out
    }

    fn fail(&mut self, fault: &Fault<'_>) -> String {
        let mut response = self.response("failed", &self.answer);
        response["error"] = json!({ "code": fault.code, "message": fault.message });
        let mut out = String::new();
        self.event(&mut out, "response.failed", json!({ "response": response }));
        out
    }

    fn document(&mut self, mut answer: Answer) -> Value {
        self.head.served_by(answer.model.clone());
        answer.usage = Some(answer.usage.unwrap_or_default());
        self.response(status(&answer.reason, answer.refuses()), &answer)
    }
}

/// A refusal in words is a whole answer.
fn status(reason: &FinishReason, refuses: bool) -> &'static str {
    match reason {
        FinishReason::ContentFilter if refuses => "completed",
        FinishReason::Length | FinishReason::ContentFilter => "incomplete",
        _ => "completed",
    }
}

/// Only the last item of an answer is not whole that was cut.
fn of_item(answer: &Answer, index: usize, status: &str) -> &'static str {
    match status {
        "incomplete" | "failed" if index + 1 == answer.parts.len() => "incomplete",
        _ => "completed",
    }
}

fn said(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

fn refused(text: &str) -> Value {
    json!({ "type": "refusal", "refusal": text })
}

fn thought(text: &str) -> Value {
    json!({ "type": "summary_text", "text": text })
}

fn merged(mut one: Value, other: Value) -> Value {
    if let (Value::Object(members), Value::Object(more)) = (&mut one, other) {
        members.extend(more);
    }
    one
}

fn counts(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": { "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": { "reasoning_tokens": usage.reasoning_tokens },
        "total_tokens": usage.total_tokens(),
    })
}
