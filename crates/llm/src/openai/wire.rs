//! What goes over the wire. Readers take what providers really send: members missing, `null`, or
//! more than the documentation names.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::{FinishReason, Usage, failure};

/// `null` and absent both read as the default.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// `usage` of a completion or of the last chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireUsage {
    /// Tokens of the prompt.
    #[serde(default, deserialize_with = "lenient")]
    pub prompt_tokens: u64,
    /// Tokens generated; absent from embeddings.
    #[serde(default, deserialize_with = "lenient")]
    pub completion_tokens: u64,
    /// Both.
    #[serde(default, deserialize_with = "lenient")]
    pub total_tokens: u64,
    /// More about the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_details: Option<PromptTokensDetails>,
    /// More about what was generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_tokens_details: Option<CompletionTokensDetails>,
    /// DeepSeek's name for cached tokens.
    #[serde(default, skip_serializing)]
    pub prompt_cache_hit_tokens: Option<u64>,
}

/// More about the prompt's tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptTokensDetails {
    /// Read from the provider's cache.
    #[serde(default, deserialize_with = "lenient")]
    pub cached_tokens: u64,
}

/// More about the generated tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionTokensDetails {
    /// Spent on reasoning.
    #[serde(default, deserialize_with = "lenient")]
    pub reasoning_tokens: u64,
}

impl From<&WireUsage> for Usage {
    fn from(wire: &WireUsage) -> Self {
        let cached = wire.prompt_tokens_details.as_ref().map(|details| details.cached_tokens);
        let reasoning = wire.completion_tokens_details.as_ref().map(|d| d.reasoning_tokens);
        Self {
            prompt_tokens: wire.prompt_tokens,
            completion_tokens: wire.completion_tokens,
            cached_tokens: cached.or(wire.prompt_cache_hit_tokens).unwrap_or(0),
            reasoning_tokens: reasoning.unwrap_or(0),
        }
        .bounded()
    }
}

impl From<Usage> for WireUsage {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.total_tokens(),
            prompt_tokens_details: (usage.cached_tokens > 0)
                .then_some(PromptTokensDetails { cached_tokens: usage.cached_tokens }),
            completion_tokens_details: (usage.reasoning_tokens > 0)
                .then_some(CompletionTokensDetails { reasoning_tokens: usage.reasoning_tokens }),
            prompt_cache_hit_tokens: None,
        }
    }
}

/// One `data` of a streamed completion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CompletionChunk {
    /// Of the whole answer.
    #[serde(default, deserialize_with = "lenient")]
    pub id: String,
    /// `chat.completion.chunk`.
    #[serde(default, deserialize_with = "lenient")]
    pub object: String,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "lenient")]
    pub created: i64,
    /// The model that serves.
    #[serde(default, deserialize_with = "lenient")]
    pub model: String,
    /// Mostly one; none beside the closing usage.
    #[serde(default, deserialize_with = "lenient")]
    pub choices: Vec<ChunkChoice>,
    /// In the last chunk, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<WireUsage>,
    /// Some providers report a failure inside the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// Spark's number of a failure; 0 is none.
    #[serde(default, skip_serializing)]
    pub code: Option<Value>,
    /// The words to `code`.
    #[serde(default, skip_serializing)]
    pub message: Option<Value>,
}

impl CompletionChunk {
    /// The error document, where the provider reports a failure instead of a piece.
    pub fn failure(&self) -> Option<Value> {
        let document = json!({ "error": self.error, "code": self.code, "message": self.message });
        let spoken = self.error.is_some() || self.message.is_some();
        spoken.then(|| failure::member(&document).cloned()).flatten()
    }
}

/// One choice of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChunkChoice {
    /// Which of the answers, where several are asked for.
    #[serde(default, deserialize_with = "lenient")]
    pub index: u32,
    /// What is new.
    #[serde(default, deserialize_with = "lenient")]
    pub delta: ChunkDelta,
    /// What is new of an older completion, which has no delta.
    #[serde(default, skip_serializing)]
    pub text: Option<String>,
    /// In the choice's last chunk.
    #[serde(default)]
    pub finish_reason: Option<FinishReason>,
}

/// What is new in a chunk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChunkDelta {
    /// `assistant`, in the first chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Cow<'static, str>>,
    /// More text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// More reasoning, by the name that most providers use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// More reasoning, by the other name.
    #[serde(default, skip_serializing)]
    pub reasoning: Option<String>,
    /// More of tool calls.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCallChunk>,
}

/// A piece of a tool call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolCallChunk {
    /// Which of the parallel calls.
    #[serde(default, deserialize_with = "lenient")]
    pub index: u32,
    /// In the first piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `function`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name and arguments.
    #[serde(default, deserialize_with = "lenient")]
    pub function: FunctionDelta,
    /// What the provider wants back with the call (Google's name for it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_content: Option<Value>,
}

/// A piece of a called function's name and arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionDelta {
    /// In the first piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A piece of JSON text.
    #[serde(default, deserialize_with = "lenient")]
    pub arguments: String,
}

/// A completion that is not streamed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Completion {
    /// Of the answer.
    #[serde(default, deserialize_with = "lenient")]
    pub id: String,
    /// `chat.completion`.
    #[serde(default, deserialize_with = "lenient")]
    pub object: Cow<'static, str>,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "lenient")]
    pub created: i64,
    /// The model that served.
    #[serde(default, deserialize_with = "lenient")]
    pub model: String,
    /// The answers.
    #[serde(default, deserialize_with = "lenient")]
    pub choices: Vec<Choice>,
    /// The provider's count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<WireUsage>,
}

/// One answer of a completion.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Choice {
    /// Which of the answers.
    #[serde(default, deserialize_with = "lenient")]
    pub index: u32,
    /// The answer.
    pub message: CompletionMessage,
    /// Why it ended.
    #[serde(default)]
    pub finish_reason: Option<FinishReason>,
}

/// The message of a completion.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CompletionMessage {
    /// `assistant`.
    #[serde(default, deserialize_with = "lenient")]
    pub role: Cow<'static, str>,
    /// The text; `null` beside tool calls.
    #[serde(default)]
    pub content: Option<String>,
    /// The reasoning, where the provider shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The tools called.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<Value>,
}

/// Vectors as they are answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EmbeddingList {
    /// `list`.
    #[serde(default, deserialize_with = "lenient")]
    pub object: Cow<'static, str>,
    /// One entry a text.
    pub data: Vec<EmbeddingData>,
    /// The model that served.
    #[serde(default, deserialize_with = "lenient")]
    pub model: String,
    /// The provider's count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<WireUsage>,
}

/// One vector.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EmbeddingData {
    /// `embedding`.
    #[serde(default, deserialize_with = "lenient")]
    pub object: Cow<'static, str>,
    /// Which of the texts.
    #[serde(default)]
    pub index: Option<usize>,
    /// The vector.
    pub embedding: EmbeddingVector,
}

/// A vector in either of OpenAI's two forms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EmbeddingVector {
    /// Numbers.
    Float(Vec<f32>),
    /// Base64 of little-endian `f32`s.
    Base64(String),
}

/// The answer to `GET /models`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelList {
    /// `list`.
    #[serde(default, deserialize_with = "lenient")]
    pub object: Cow<'static, str>,
    /// The models.
    pub data: Vec<ModelEntry>,
}

/// One model of a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelEntry {
    /// The name that requests use.
    pub id: String,
    /// `model`.
    #[serde(default, deserialize_with = "lenient")]
    pub object: Cow<'static, str>,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "lenient")]
    pub created: i64,
    /// Whose it is.
    #[serde(default, deserialize_with = "lenient")]
    pub owned_by: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_of_several_providers_are_read() {
        for (text, content, cached) in [
            // OpenAI's first chunk: usage null because it was asked for.
            (
                r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}"#,
                Some(""),
                None,
            ),
            // vLLM: tool_calls null.
            (
                r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"x","tool_calls":null},"finish_reason":"stop","stop_reason":null}]}"#,
                Some("x"),
                None,
            ),
            // DeepSeek: usage beside the last choice, its own member for the cache.
            (
                r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":""},"finish_reason":"length"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_cache_hit_tokens":4,"prompt_tokens_details":null}}"#,
                Some(""),
                Some(4),
            ),
            // Spark: its success, and no finish_reason.
            (
                r#"{"code":0,"message":"Success","sid":"cha0","id":"cha0","created":1,"choices":[{"delta":{"role":"assistant","content":"hi"},"index":0}]}"#,
                Some("hi"),
                None,
            ),
            // OpenAI's closing usage.
            (
                r#"{"id":"c","model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":8,"audio_tokens":0}}}"#,
                None,
                Some(8),
            ),
        ] {
            let chunk: CompletionChunk = serde_json::from_str(text).unwrap();
            let first = chunk.choices.first().and_then(|choice| choice.delta.content.as_deref());
            assert_eq!(first, content, "{text}");
            assert_eq!(chunk.failure(), None, "{text}");
            assert_eq!(chunk.usage.as_ref().map(|usage| Usage::from(usage).cached_tokens), cached);
        }
    }

    #[test]
    fn counts_beyond_all_reason_are_bounded() {
        let text = r#"{"prompt_tokens":18446744073709551615,"completion_tokens":18446744073709551615,"prompt_cache_hit_tokens":18446744073709551615,"completion_tokens_details":{"reasoning_tokens":18446744073709551615}}"#;
        let wire: WireUsage = serde_json::from_str(text).unwrap();
        let usage = Usage::from(&wire);
        assert_eq!(usage.prompt_tokens, Usage::MAX_TOKENS);
        assert_eq!(usage.cached_tokens, Usage::MAX_TOKENS);
        assert_eq!(usage.reasoning_tokens, Usage::MAX_TOKENS);
        assert_eq!(usage.total_tokens(), 2 * Usage::MAX_TOKENS);
        let raw = Usage { prompt_tokens: u64::MAX, completion_tokens: 1, ..Usage::default() };
        assert_eq!(raw.total_tokens(), u64::MAX);
    }

    #[test]
    fn an_unknown_finish_reason_is_kept() {
        let choice: ChunkChoice = serde_json::from_str(r#"{"finish_reason":"eos"}"#).unwrap();
        assert_eq!(choice.finish_reason, Some(FinishReason::Other("eos".to_owned())));
    }

    #[test]
    fn a_written_chunk_has_the_documented_form() {
        let chunk = CompletionChunk {
            id: "chatcmpl-1".to_owned(),
            object: "chat.completion.chunk".to_owned(),
            created: 7,
            model: "m".to_owned(),
            choices: vec![ChunkChoice {
                index: 0,
                delta: ChunkDelta { content: Some("hi".to_owned()), ..ChunkDelta::default() },
                ..ChunkChoice::default()
            }],
            ..CompletionChunk::default()
        };
        let expected = r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"m","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}"#;
        assert_eq!(serde_json::to_string(&chunk).unwrap(), expected);
    }
}
