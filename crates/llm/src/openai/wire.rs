//! What goes over the wire. Readers take what providers really send: members missing, `null`, or
//! more than the documentation names.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::reading::{Words, calls, finish_reason, json_text, lenient, readable};
use super::usage::WireUsage;
use crate::{FinishReason, LlmError, failure};

/// One `data` of a streamed completion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CompletionChunk {
    /// Of the whole answer.
    #[serde(default, deserialize_with = "readable")]
    pub id: String,
    /// `chat.completion.chunk`.
    #[serde(default, deserialize_with = "readable")]
    pub object: String,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "readable")]
    pub created: i64,
    /// The model that serves.
    #[serde(default, deserialize_with = "readable")]
    pub model: String,
    /// Mostly one; none beside the closing usage.
    #[serde(default, deserialize_with = "lenient")]
    pub choices: Vec<ChunkChoice>,
    /// In the last chunk, if asked for.
    #[serde(default, deserialize_with = "readable", skip_serializing_if = "Option::is_none")]
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
    /// Reads the data of an event.
    pub fn read(data: &str) -> Result<Self, LlmError> {
        serde_json::from_str(data).map_err(|error| {
            LlmError::Malformed(format!("an event is not a completion chunk ({error})"))
        })
    }

    /// The error document, where the provider reports a failure instead of a piece.
    pub fn failure(&self) -> Option<Value> {
        if self.error.is_none() && self.message.is_none() {
            return None;
        }
        let document = json!({ "error": self.error, "code": self.code, "message": self.message });
        failure::member(&document).cloned()
    }
}

/// One choice of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChunkChoice {
    /// Which of the answers, where several are asked for.
    #[serde(default, deserialize_with = "readable")]
    pub index: u32,
    /// What is new.
    #[serde(default, deserialize_with = "lenient")]
    pub delta: ChunkDelta,
    /// What is new of an older completion, which has no delta.
    #[serde(default, deserialize_with = "readable", skip_serializing)]
    pub text: Option<String>,
    /// In the choice's last chunk.
    #[serde(default, deserialize_with = "finish_reason")]
    pub finish_reason: Option<FinishReason>,
}

impl ChunkChoice {
    /// Whether there is a word of the answer itself. Reasoning is none: where a provider sums it up,
    /// it comes in bursts, minutes apart.
    pub fn speaks(&self) -> bool {
        let ChunkDelta { content, refusal, tool_calls, function_call, .. } = &self.delta;
        let texts = [content, refusal, &self.text];
        let calls = !tool_calls.is_empty() || function_call.is_some();
        calls || texts.into_iter().flatten().any(|text| !text.is_empty())
    }

    /// Whether there is anything that a caller would miss.
    pub fn says_something(&self) -> bool {
        let thought = &self.delta.reasoning_content;
        self.speaks() || thought.as_ref().is_some_and(|text| !text.is_empty())
    }
}

/// What is new in a chunk; also what is read of a whole message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "ReadDelta")]
pub struct ChunkDelta {
    /// `assistant`, in the first chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Cow<'static, str>>,
    /// More text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// More reasoning, whatever the provider's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// More of the words with which the model refuses to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// More of tool calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCallChunk>,
    /// More of the one call that there is in OpenAI's older words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_call: Option<FunctionDelta>,
}

/// A [`ChunkDelta`] as it comes.
#[derive(Deserialize)]
struct ReadDelta {
    #[serde(default, deserialize_with = "readable")]
    role: Option<Cow<'static, str>>,
    #[serde(default)]
    content: Option<Words>,
    /// The name that most providers use.
    #[serde(default)]
    reasoning_content: Option<Words>,
    /// The other name.
    #[serde(default)]
    reasoning: Option<Words>,
    #[serde(default)]
    refusal: Option<Words>,
    #[serde(default, deserialize_with = "calls")]
    tool_calls: Vec<ToolCallChunk>,
    #[serde(default, deserialize_with = "readable")]
    function_call: Option<FunctionDelta>,
}

impl From<ReadDelta> for ChunkDelta {
    fn from(read: ReadDelta) -> Self {
        let reasoning = read.reasoning_content.or(read.reasoning).map(Words::whole);
        let (content, thinking) = match read.content {
            Some(Words { text, thinking }) => (Some(text), thinking),
            None => (None, String::new()),
        };
        Self {
            role: read.role,
            content,
            reasoning_content: reasoning.or((!thinking.is_empty()).then_some(thinking)),
            refusal: read.refusal.map(Words::whole),
            tool_calls: read.tool_calls,
            function_call: read.function_call,
        }
    }
}

/// A piece of a tool call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolCallChunk {
    /// Which of the parallel calls; not all servers say it, and some say 0 of every call:
    /// [`Calls`](super::Calls) tells them apart.
    #[serde(default, deserialize_with = "readable", skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// In the first piece.
    #[serde(default, deserialize_with = "readable", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `function`.
    #[serde(
        default,
        deserialize_with = "readable",
        rename = "type",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<String>,
    /// Name and arguments.
    #[serde(default, deserialize_with = "readable")]
    pub function: FunctionDelta,
    /// What the provider wants back with the call (Google's name for it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_content: Option<Value>,
}

/// A piece of a called function's name and arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionDelta {
    /// In the first piece.
    #[serde(default, deserialize_with = "readable", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A piece of JSON text.
    #[serde(default, deserialize_with = "json_text")]
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
    /// The words with which the model refuses, in place of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The reasoning, where the provider shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The tools called.
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<Value>,
    /// The function called, in OpenAI's older words.
    #[serde(default, deserialize_with = "readable", skip_serializing_if = "Option::is_none")]
    pub function_call: Option<FunctionDelta>,
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
    use crate::Usage;

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
            // Mistral: parts in place of a text; others: numbers of other kinds.
            (
                r#"{"id":7,"created":1.5,"model":null,"choices":[{"index":0.0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"a"}],"tool_calls":"none"},"finish_reason":7}],"usage":{"prompt_tokens":9.0,"completion_tokens":"3","prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":[]}}"#,
                Some("a"),
                Some(4),
            ),
            // OpenAI's closing usage.
            (
                r#"{"id":"c","model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":8,"audio_tokens":0}}}"#,
                None,
                Some(8),
            ),
        ] {
            let chunk = CompletionChunk::read(text).unwrap();
            let first = chunk.choices.first().and_then(|choice| choice.delta.content.as_deref());
            assert_eq!(first, content, "{text}");
            assert_eq!(chunk.failure(), None, "{text}");
            assert_eq!(chunk.usage.as_ref().map(|usage| Usage::from(usage).cached_tokens), cached);
        }
    }

    #[test]
    fn reasoning_and_refusals_are_read_by_all_their_names() {
        for (delta, reasoning, refusal) in [
            (r#"{"reasoning_content":"a","content":null}"#, Some("a"), None),
            (r#"{"reasoning":"a","reasoning_details":[{}]}"#, Some("a"), None),
            (r#"{"content":[{"type":"thinking","thinking":"a"}]}"#, Some("a"), None),
            (r#"{"content":"","refusal":"No."}"#, None, Some("No.")),
        ] {
            let read: ChunkDelta = serde_json::from_str(delta).unwrap();
            assert_eq!(read.reasoning_content.as_deref(), reasoning, "{delta}");
            assert_eq!(read.refusal.as_deref(), refusal, "{delta}");
        }
        let call: ToolCallChunk =
            serde_json::from_str(r#"{"function":{"name":"f","arguments":{"a":1}}}"#).unwrap();
        assert_eq!(call.function.arguments, r#"{"a":1}"#);
    }

    #[test]
    fn an_unknown_finish_reason_is_kept_and_an_empty_one_is_none() {
        let read = |text: &str| serde_json::from_str::<ChunkChoice>(text).unwrap().finish_reason;
        let eos = Some(FinishReason::Other("eos".to_owned()));
        assert_eq!(read(r#"{"finish_reason":"eos"}"#), eos);
        assert_eq!(read(r#"{"finish_reason":"stop"}"#), Some(FinishReason::Stop));
        for none in [r#""""#, "null", r#""null""#, "7"] {
            assert_eq!(read(&format!(r#"{{"finish_reason":{none}}}"#)), None, "{none}");
        }
    }

    #[test]
    fn one_call_without_a_list_around_it_is_read() {
        let text = r#"{"role":"assistant","tool_calls":{"type":"function","function":{"arguments":"{}","name":"f"}}}"#;
        let delta: ChunkDelta = serde_json::from_str(text).unwrap();
        assert_eq!(delta.tool_calls.len(), 1);
        assert_eq!(delta.tool_calls[0].function.name.as_deref(), Some("f"));
        let none: ChunkDelta = serde_json::from_str(r#"{"tool_calls":{}}"#).unwrap();
        assert!(none.tool_calls.is_empty());
    }

    #[test]
    fn a_call_in_the_older_words_is_a_word_of_the_answer() {
        for (text, speaks) in [
            (r#"{"delta":{"function_call":{"name":"f","arguments":""}}}"#, true),
            (r#"{"delta":{"content":null,"function_call":null}}"#, false),
        ] {
            let choice: ChunkChoice = serde_json::from_str(text).unwrap();
            assert_eq!(choice.speaks(), speaks, "{text}");
        }
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
