//! The typed events of the Messages API.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::endpoint::{decode, decode_piece};
use crate::openai::lenient;
use crate::stream::Reader;
use crate::{ChatEvent, Endpoint, FinishReason, LlmError, ToolCallDelta, Usage};

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Message,
    },
    ContentBlockStart {
        content_block: Block,
    },
    ContentBlockDelta {
        delta: Delta,
    },
    ContentBlockStop,
    MessageDelta {
        delta: Closing,
        #[serde(default, deserialize_with = "lenient")]
        usage: Counts,
    },
    MessageStop,
    Error {
        error: Value,
    },
    /// `ping`, and what is to come.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    id: String,
    #[serde(default)]
    model: String,
    #[serde(default, deserialize_with = "lenient")]
    usage: Counts,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    Thinking {
        #[serde(default)]
        thinking: String,
    },
    RedactedThinking {
        data: String,
    },
    ToolUse {
        id: String,
        name: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Delta {
    #[serde(rename = "text_delta")]
    Text { text: String },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: String },
    #[serde(rename = "signature_delta")]
    Signature { signature: String },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: String },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Closing {
    #[serde(default)]
    stop_reason: Option<String>,
}

/// Counts so far; later ones replace earlier ones.
#[derive(Clone, Copy, Default, Deserialize)]
struct Counts {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation: Option<CacheCreation>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    output_tokens_details: Option<OutputDetails>,
}

/// How long what was written to the cache stays there.
#[derive(Clone, Copy, Deserialize)]
struct CacheCreation {
    #[serde(default, deserialize_with = "lenient")]
    ephemeral_1h_input_tokens: u64,
}

#[derive(Clone, Copy, Deserialize)]
struct OutputDetails {
    #[serde(default, deserialize_with = "lenient")]
    thinking_tokens: u64,
}

impl Counts {
    fn update(&mut self, later: Counts) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.cache_creation_input_tokens =
            later.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.cache_creation = later.cache_creation.or(self.cache_creation);
        self.cache_read_input_tokens =
            later.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
    }

    /// The API counts what was read from the cache and what was put into it apart from the rest.
    fn usage(self) -> Option<Usage> {
        let (fresh, output) = (self.input_tokens?, self.output_tokens?);
        let read = self.cache_read_input_tokens.unwrap_or(0);
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        Some(
            Usage {
                prompt_tokens: fresh.saturating_add(read).saturating_add(written),
                completion_tokens: output,
                cached_tokens: read,
                cache_write_tokens: written,
                cache_write_1h_tokens: self
                    .cache_creation
                    .map_or(0, |written| written.ephemeral_1h_input_tokens),
                reasoning_tokens: self.output_tokens_details.map_or(0, |d| d.thinking_tokens),
            }
            .bounded(),
        )
    }
}

/// What is known of an answer while it comes.
pub(super) struct Events {
    endpoint: Endpoint,
    counts: Counts,
    reason: Option<FinishReason>,
    over: bool,
    /// Of the block that is coming, where it is a tool call.
    call: Option<u32>,
    /// Whether that call has no arguments so far.
    bare: bool,
    calls: u32,
    /// The blocks of thinking so far, which have to come back with the calls that follow them.
    thinking: Vec<Value>,
}

impl Events {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            counts: Counts::default(),
            reason: None,
            over: false,
            call: None,
            bare: false,
            calls: 0,
            thinking: Vec::new(),
        }
    }

    fn block(&mut self, block: Block) -> Option<ChatEvent> {
        self.call = None;
        match block {
            Block::Text { text } => said(text, ChatEvent::Text),
            Block::Thinking { thinking } => {
                let block = json!({ "type": "thinking", "thinking": thinking, "signature": "" });
                self.thinking.push(block);
                said(thinking, ChatEvent::Reasoning)
            }
            Block::RedactedThinking { data } => {
                self.thinking.push(json!({ "type": "redacted_thinking", "data": data }));
                None
            }
            Block::ToolUse { id, name } => {
                let thinking = std::mem::take(&mut self.thinking);
                let extra = json!({ "anthropic": { "thinking": thinking } });
                let index = self.calls;
                self.calls += 1;
                self.call = Some(index);
                self.bare = true;
                Some(ChatEvent::ToolCall(ToolCallDelta {
                    index,
                    id: Some(id),
                    name: Some(name),
                    arguments: String::new(),
                    extra_content: (!thinking.is_empty()).then_some(extra),
                }))
            }
            Block::Other => None,
        }
    }

    fn delta(&mut self, delta: Delta) -> Option<ChatEvent> {
        match delta {
            Delta::Text { text } => said(text, ChatEvent::Text),
            Delta::Thinking { thinking } => {
                self.extend_thinking("thinking", &thinking);
                said(thinking, ChatEvent::Reasoning)
            }
            Delta::Signature { signature } => {
                self.extend_thinking("signature", &signature);
                None
            }
            Delta::InputJson { partial_json } => {
                self.bare &= partial_json.is_empty();
                self.arguments(partial_json)
            }
            Delta::Other => None,
        }
    }

    fn arguments(&self, piece: String) -> Option<ChatEvent> {
        let index = self.call?;
        said(piece, |arguments| {
            ChatEvent::ToolCall(ToolCallDelta { index, arguments, ..ToolCallDelta::default() })
        })
    }

    /// A call without arguments has an empty object of them everywhere else.
    fn block_end(&mut self) -> Option<ChatEvent> {
        let bare = std::mem::take(&mut self.bare);
        let end = if bare { self.arguments("{}".to_owned()) } else { None };
        self.call = None;
        end
    }

    fn extend_thinking(&mut self, member: &str, more: &str) {
        let known = self.thinking.last_mut().and_then(|block| block.get_mut(member));
        if let Some(Value::String(text)) = known {
            text.push_str(more);
        }
    }
}

/// What a message in one piece says.
pub(super) fn whole(endpoint: &Endpoint, body: &[u8]) -> Result<Vec<ChatEvent>, LlmError> {
    #[derive(Deserialize)]
    struct Whole {
        #[serde(flatten)]
        message: Message,
        #[serde(default)]
        content: Vec<WholeBlock>,
        #[serde(default)]
        stop_reason: Option<String>,
        #[serde(default)]
        error: Option<Value>,
    }
    #[derive(Deserialize)]
    struct WholeBlock {
        #[serde(default)]
        text: Option<String>,
        #[serde(default)]
        thinking: Option<String>,
        #[serde(default)]
        input: Option<Value>,
    }
    let Whole { message, content, stop_reason, error } = decode(body)?;
    if let Some(error) = error {
        return Err(endpoint.member_error(&error));
    }
    let mut said = vec![ChatEvent::Started { id: message.id, model: message.model }];
    for WholeBlock { text, thinking, input } in content {
        said.extend(text.map(ChatEvent::Text));
        said.extend(thinking.map(ChatEvent::Reasoning));
        said.extend(input.map(|input| {
            let call = ToolCallDelta { arguments: input.to_string(), ..ToolCallDelta::default() };
            ChatEvent::ToolCall(call)
        }));
    }
    let reason = stop_reason.map_or(FinishReason::Stop, reason);
    said.push(ChatEvent::Finished { reason, usage: message.usage.usage() });
    Ok(said)
}

fn said(text: String, event: impl FnOnce(String) -> ChatEvent) -> Option<ChatEvent> {
    (!text.is_empty()).then(|| event(text))
}

fn reason(name: String) -> FinishReason {
    match name.as_str() {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Other(name),
    }
}

impl Reader for Events {
    fn read(&mut self, piece: &str) -> Result<Vec<ChatEvent>, LlmError> {
        let event = match decode_piece(piece)? {
            Event::MessageStart { message } => {
                self.counts.update(message.usage);
                let started = ChatEvent::Started { id: message.id, model: message.model };
                let counted = self.counts.usage().map(ChatEvent::Counted);
                return Ok([started].into_iter().chain(counted).collect());
            }
            Event::ContentBlockStart { content_block } => self.block(content_block),
            Event::ContentBlockDelta { delta } => self.delta(delta),
            Event::MessageDelta { delta, usage } => {
                self.counts.update(usage);
                self.reason = delta.stop_reason.map(reason).or(self.reason.take());
                None
            }
            Event::MessageStop => {
                self.over = true;
                None
            }
            Event::Error { error } => return Err(self.endpoint.member_error(&error)),
            Event::ContentBlockStop => self.block_end(),
            Event::Other => None,
        };
        Ok(event.into_iter().collect())
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn is_ending(&self) -> bool {
        self.over || self.reason.is_some()
    }

    fn end(&mut self) -> Option<ChatEvent> {
        let reason = self.reason.take().or(self.over.then_some(FinishReason::Stop))?;
        Some(ChatEvent::Finished { reason, usage: self.counts.usage() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_in_the_cache_for_an_hour_is_counted_apart() {
        let counts = |value: Value| serde_json::from_value::<Counts>(value).unwrap();
        let mut first = counts(json!({"input_tokens": 1, "output_tokens": 1,
            "cache_creation_input_tokens": 30, "cache_read_input_tokens": 4,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}}));
        first.update(counts(json!({"output_tokens": 7})));
        let expected = Usage {
            prompt_tokens: 35,
            completion_tokens: 7,
            cached_tokens: 4,
            cache_write_tokens: 30,
            cache_write_1h_tokens: 20,
            ..Usage::default()
        };
        assert_eq!(first.usage(), Some(expected));
        let older = counts(json!({"input_tokens": 1, "output_tokens": 1, "cache_creation": null,
            "cache_creation_input_tokens": 30}));
        assert_eq!(older.usage().unwrap().cache_write_1h_tokens, 0);
    }
}
