use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::LlmError;
use crate::convert::{Media, Part, part};

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions of the platform or the application (also OpenAI's `developer`).
    #[serde(alias = "developer")]
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool that the model called (also OpenAI's older `function`).
    #[serde(alias = "function")]
    Tool,
}

/// What a message says: text, or parts of several kinds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Text and images in order.
    Parts(Vec<ContentPart>),
}

impl Content {
    /// All text of the content, parts joined by a line break.
    pub fn text(&self) -> String {
        match self {
            Content::Text(text) => text.clone(),
            Content::Parts(parts) => {
                let texts = parts.iter().filter_map(|part| match part {
                    ContentPart::Text { text, .. } => Some(text.as_str()),
                    ContentPart::Other(_) => None,
                });
                texts.collect::<Vec<_>>().join("\n")
            }
        }
    }
}

/// One part of a message, in OpenAI's form.
#[derive(Clone, Debug, PartialEq)]
pub enum ContentPart {
    /// `{"type": "text", "text": …}`; read without the type, too.
    Text {
        /// The text.
        text: String,
        /// Members that only some providers know (`cache_control`).
        extra: Map<String, Value>,
    },
    /// Anything else (an image, a file), passed on as it came.
    Other(Value),
}

impl ContentPart {
    /// A text and nothing else.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), extra: Map::new() }
    }

    /// A member that only some providers know.
    pub(crate) fn extra(&self, name: &str) -> Option<&Value> {
        match self {
            ContentPart::Text { extra, .. } => extra.get(name),
            ContentPart::Other(value) => value.get(name),
        }
    }
}

impl Serialize for ContentPart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ContentPart::Text { text, extra } => {
                let mut part = serializer.serialize_map(Some(2 + extra.len()))?;
                part.serialize_entry("type", "text")?;
                part.serialize_entry("text", text)?;
                for (name, value) in extra {
                    part.serialize_entry(name, value)?;
                }
                part.end()
            }
            ContentPart::Other(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ContentPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let Some(part) = value.as_object_mut() else { return Ok(ContentPart::Other(value)) };
        let text = match part.get_mut("text") {
            Some(Value::String(text)) => std::mem::take(text),
            _ => return Ok(ContentPart::Other(value)),
        };
        part.remove("text");
        part.remove("type");
        Ok(ContentPart::Text { text, extra: std::mem::take(part) })
    }
}

/// One message of a conversation, in OpenAI's form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who says it.
    pub role: Role,
    /// What is said; absent where an assistant only calls tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Members that only some providers know (`name`, `tool_calls`, `tool_call_id` …).
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ChatMessage {
    /// A message of plain text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, content: Some(Content::Text(text.into())), extra: Map::new() }
    }
}

/// What a model is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// The provider's own name of the model.
    pub model: String,
    /// The conversation so far, oldest first.
    pub messages: Vec<ChatMessage>,
    /// The most tokens to generate.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "max_completion_tokens")]
    pub max_tokens: Option<u32>,
    /// 0 (always the likeliest token) to 2.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "serialize_decimal"
    )]
    pub temperature: Option<f32>,
    /// Nucleus sampling, within 0 and 1.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "serialize_decimal"
    )]
    pub top_p: Option<f32>,
    /// Texts that end the answer; one string or a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Value>,
    /// Repeats an answer where the provider can; some take a negative one for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Every other member, passed on as it came (`tools`, `response_format`, `user` …).
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ChatRequest {
    /// A request of `messages` to `model` with the provider's own defaults.
    pub fn new(model: impl Into<String>, messages: Vec<ChatMessage>) -> Self {
        Self {
            model: model.into(),
            messages,
            max_tokens: None,
            temperature: None,
            top_p: None,
            stop: None,
            seed: None,
            extra: Map::new(),
        }
    }

    /// Whether it names pictures by their addresses: clients whose providers take none fetch them, and
    /// send the bytes.
    pub fn names_pictures(&self) -> bool {
        let contents = self.messages.iter().filter_map(|message| message.content.as_ref());
        let parts = contents.filter_map(|content| match content {
            Content::Text(_) => None,
            Content::Parts(parts) => Some(parts),
        });
        parts.flatten().any(|found| matches!(part(found), Ok(Part::Image(Media::Remote(_)))))
    }
}

/// The number as it was written: 0.9 stays 0.9, and does not become 0.8999999761581421.
pub(crate) fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| value.into())
}

fn serialize_decimal<S: Serializer>(value: &Option<f32>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(decimal).serialize(serializer)
}

/// Tokens of one call, as the provider counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt, those read from a cache or written to it included.
    pub prompt_tokens: u64,
    /// Tokens generated, reasoning included.
    pub completion_tokens: u64,
    /// Of the prompt's tokens, those read from the provider's cache.
    #[serde(default)]
    pub cached_tokens: u64,
    /// Of the prompt's tokens, those written to the provider's cache, where it charges for that.
    #[serde(default)]
    pub cache_write_tokens: u64,
    /// Of these, those that are kept for an hour, which costs more than the usual minutes.
    #[serde(default)]
    pub cache_write_1h_tokens: u64,
    /// Of the generated tokens, those spent on reasoning.
    #[serde(default)]
    pub reasoning_tokens: u64,
}

impl Usage {
    /// The most tokens of a kind that one call can have; a provider that counts more is mistaken.
    pub const MAX_TOKENS: u64 = 1_000_000_000;

    /// The same with no count above [`Usage::MAX_TOKENS`].
    pub fn bounded(self) -> Self {
        Self {
            prompt_tokens: self.prompt_tokens.min(Self::MAX_TOKENS),
            completion_tokens: self.completion_tokens.min(Self::MAX_TOKENS),
            cached_tokens: self.cached_tokens.min(Self::MAX_TOKENS),
            cache_write_tokens: self.cache_write_tokens.min(Self::MAX_TOKENS),
            cache_write_1h_tokens: self.cache_write_1h_tokens.min(Self::MAX_TOKENS),
            reasoning_tokens: self.reasoning_tokens.min(Self::MAX_TOKENS),
        }
    }

    /// Prompt and completion together.
    pub fn total_tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model was done.
    Stop,
    /// `max_tokens` or the context was used up.
    Length,
    /// The model calls tools.
    ToolCalls,
    /// The provider withheld the rest.
    ContentFilter,
    /// Another reason, by the provider's own name.
    #[serde(untagged)]
    Other(String),
}

/// A piece of a tool call; pieces with the same index belong together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolCallDelta {
    /// Which of the parallel calls.
    pub index: u32,
    /// The call's id, in its first piece.
    pub id: Option<String>,
    /// The function's name, in its first piece.
    pub name: Option<String>,
    /// A piece of the arguments' JSON text.
    pub arguments: String,
    /// What the provider wants back when the call comes back with its result: signatures of its
    /// reasoning. In the first piece, by the provider's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_content: Option<Value>,
}

/// What happens while an answer is generated. Every stream that does not fail ends with exactly
/// one [`ChatEvent::Finished`].
#[derive(Clone, Debug, PartialEq)]
pub enum ChatEvent {
    /// The provider took the request.
    Started {
        /// The provider's id of the answer.
        id: String,
        /// The model that serves, by the provider's name.
        model: String,
    },
    /// More of the answer.
    Text(String),
    /// More of the words with which the model refuses to answer.
    Refusal(String),
    /// More of the model's reasoning, where the provider shows it.
    Reasoning(String),
    /// More of a tool call.
    ToolCall(ToolCallDelta),
    /// What the provider has counted so far, where it counts before the end.
    Counted(Usage),
    /// The end.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// The provider's count; `None` where it reports none.
        usage: Option<Usage>,
    },
}

/// An answer as it comes. Dropping the stream cancels the generation at the provider.
pub type ChatStream = BoxStream<'static, Result<ChatEvent, LlmError>>;

/// A model that answers messages.
#[async_trait]
pub trait ChatModel: Send + Sync {
    /// Asks the model. Returns once the provider has accepted the request; an error before that
    /// may be retried, one inside the stream may not.
    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, LlmError>;

    /// Whether a member of a request has a meaning for the model. Whoever passes on what it does not
    /// know takes everything.
    fn takes(&self, _member: &str) -> bool {
        true
    }

    /// The members that the client takes and that are known to have no meaning for a model, as the
    /// model refuses them.
    fn left_out_of(&self, _model: &str) -> Vec<&'static str> {
        Vec::new()
    }
}
