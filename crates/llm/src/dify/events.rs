//! The events of `/chat-messages`.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::endpoint::decode_piece;
use crate::openai::lenient;
use crate::stream::Reader;
use crate::{ChatEvent, Endpoint, FinishReason, LlmError, Usage};

/// All members of all events that are of use here.
#[derive(Default, Deserialize)]
struct Event {
    event: String,
    #[serde(default, deserialize_with = "lenient")]
    task_id: String,
    #[serde(default, deserialize_with = "lenient")]
    message_id: String,
    #[serde(default, deserialize_with = "lenient")]
    answer: String,
    #[serde(default, deserialize_with = "lenient")]
    metadata: Metadata,
    /// Of a thought.
    #[serde(default, deserialize_with = "lenient")]
    id: String,
    #[serde(default, deserialize_with = "lenient")]
    tool: String,
    #[serde(default)]
    tool_input: Option<Value>,
    #[serde(default, deserialize_with = "lenient")]
    observation: String,
    /// Of a workflow's end.
    #[serde(default, deserialize_with = "lenient")]
    data: Outcome,
    /// Of an error.
    #[serde(default)]
    code: Option<Value>,
    #[serde(default)]
    status: Option<Value>,
    #[serde(default)]
    message: Option<Value>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Counts {
    #[serde(default, deserialize_with = "lenient")]
    prompt_tokens: u64,
    #[serde(default, deserialize_with = "lenient")]
    completion_tokens: u64,
}

#[derive(Default, Deserialize)]
struct Outcome {
    #[serde(default, deserialize_with = "lenient")]
    status: String,
    #[serde(default, deserialize_with = "lenient")]
    error: String,
}

/// What is known of an answer while it comes. Dropped before the answer's end, it tells Dify to
/// stop: closing the connection alone does not.
pub(super) struct Events {
    endpoint: Endpoint,
    user: String,
    model: String,
    task: Option<String>,
    started: bool,
    /// The thoughts whose tool was told of.
    told: HashSet<String>,
    replaced: bool,
    end: Option<Option<Usage>>,
    over: bool,
}

impl Events {
    pub(super) fn new(endpoint: Endpoint, user: String, model: &str) -> Self {
        Self {
            endpoint,
            user,
            model: model.to_owned(),
            task: None,
            started: false,
            told: HashSet::new(),
            replaced: false,
            end: None,
            over: false,
        }
    }

    /// What an agent did with a tool. Its own words come as `agent_message`, too.
    fn thought(&mut self, event: Event) -> Option<ChatEvent> {
        if event.tool.is_empty() || event.observation.is_empty() || !self.told.insert(event.id) {
            return None;
        }
        let input = match event.tool_input {
            Some(Value::String(text)) => text,
            Some(value) => value.to_string(),
            None => String::new(),
        };
        let text = format!("{} {input}\n{}\n", event.tool, event.observation);
        Some(ChatEvent::Reasoning(text))
    }
}

impl Reader for Events {
    fn read(&mut self, piece: &str) -> Result<Vec<ChatEvent>, LlmError> {
        let event: Event = decode_piece(piece)?;
        if !event.task_id.is_empty() {
            self.task = Some(event.task_id.clone());
        }
        let mut events = Vec::new();
        if !self.started && !event.message_id.is_empty() && event.event != "error" {
            self.started = true;
            let id = event.message_id.clone();
            events.push(ChatEvent::Started { id, model: self.model.clone() });
        }
        match event.event.as_str() {
            "message" | "agent_message" if !event.answer.is_empty() => {
                events.push(ChatEvent::Text(event.answer));
            }
            "agent_thought" => events.extend(self.thought(event)),
            // Moderation withheld the answer and says something in its place.
            "message_replace" => {
                self.replaced = true;
                events.push(ChatEvent::Text(format!("\n\n{}", event.answer)));
            }
            "message_end" => {
                self.over = true;
                self.end = Some(event.metadata.usage.map(|counts| {
                    Usage {
                        prompt_tokens: counts.prompt_tokens,
                        completion_tokens: counts.completion_tokens,
                        ..Usage::default()
                    }
                    .bounded()
                }));
            }
            "workflow_finished" if event.data.status == "failed" => {
                self.over = true;
                let error = json!({ "status": 502, "message": event.data.error });
                return Err(self.endpoint.member_error(&error));
            }
            "error" => {
                self.over = true;
                let error =
                    json!({ "status": event.status, "code": event.code, "message": event.message });
                return Err(self.endpoint.member_error(&error));
            }
            _ => {}
        }
        Ok(events)
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn end(&mut self) -> Option<ChatEvent> {
        let usage = self.end.take()?;
        let reason = if self.replaced { FinishReason::ContentFilter } else { FinishReason::Stop };
        Some(ChatEvent::Finished { reason, usage })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let Some(task) = self.task.take().filter(|_| !self.over) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (endpoint, user) = (self.endpoint.clone(), std::mem::take(&mut self.user));
        runtime.spawn(async move {
            let path = format!("chat-messages/{task}/stop");
            // Nobody is left to be told if it fails; the answer then ends by itself.
            drop(endpoint.post_json(&path, &[], &json!({ "user": user })).await);
        });
    }
}
