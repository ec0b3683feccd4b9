//! The pieces of `streamGenerateContent`.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::endpoint::decode_piece;
use crate::openai::lenient;
use crate::stream::Reader;
use crate::{ChatEvent, Endpoint, FinishReason, LlmError, ToolCallDelta, Usage};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    #[serde(default, deserialize_with = "lenient")]
    candidates: Vec<Candidate>,
    #[serde(default)]
    prompt_feedback: Option<Feedback>,
    #[serde(default)]
    usage_metadata: Option<Counts>,
    #[serde(default)]
    model_version: Option<String>,
    #[serde(default)]
    response_id: Option<String>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default, deserialize_with = "lenient")]
    content: Content,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    index: u32,
}

#[derive(Default, Deserialize)]
struct Content {
    #[serde(default, deserialize_with = "lenient")]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    #[serde(default)]
    text: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    thought: bool,
    #[serde(default)]
    thought_signature: Option<String>,
    #[serde(default)]
    function_call: Option<FunctionCall>,
}

#[derive(Deserialize)]
struct FunctionCall {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    args: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    #[serde(default)]
    block_reason: Option<String>,
}

/// The counts so far; the last ones are those of the answer.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    /// What was read from the cache is part of it.
    #[serde(default, deserialize_with = "lenient")]
    prompt_token_count: u64,
    #[serde(default, deserialize_with = "lenient")]
    tool_use_prompt_token_count: u64,
    #[serde(default, deserialize_with = "lenient")]
    cached_content_token_count: u64,
    /// Without the thoughts.
    #[serde(default, deserialize_with = "lenient")]
    candidates_token_count: u64,
    #[serde(default, deserialize_with = "lenient")]
    thoughts_token_count: u64,
}

impl From<Counts> for Usage {
    fn from(counts: Counts) -> Self {
        Self {
            prompt_tokens: counts
                .prompt_token_count
                .saturating_add(counts.tool_use_prompt_token_count),
            completion_tokens: counts
                .candidates_token_count
                .saturating_add(counts.thoughts_token_count),
            cached_tokens: counts.cached_content_token_count,
            reasoning_tokens: counts.thoughts_token_count,
            ..Self::default()
        }
        .bounded()
    }
}

/// What is known of an answer while it comes.
pub(super) struct Events {
    endpoint: Endpoint,
    model: String,
    started: bool,
    calls: u32,
    usage: Option<Usage>,
    reason: Option<FinishReason>,
}

impl Events {
    pub(super) fn new(endpoint: Endpoint, model: String) -> Self {
        Self { endpoint, model, started: false, calls: 0, usage: None, reason: None }
    }

    fn part(&mut self, part: Part) -> Option<ChatEvent> {
        if let Some(call) = part.function_call {
            let index = self.calls;
            self.calls += 1;
            let signature = part.thought_signature;
            let arguments = call.args.unwrap_or_else(|| json!({}));
            return Some(ChatEvent::ToolCall(ToolCallDelta {
                index,
                // The API mostly names its calls by their function alone.
                id: Some(
                    call.id.unwrap_or_else(|| format!("call_{}", lyceum_core::new_id().simple())),
                ),
                name: Some(call.name),
                arguments: arguments.to_string(),
                extra_content: signature
                    .map(|signature| json!({ "google": { "thought_signature": signature } })),
            }));
        }
        let text = part.text.filter(|text| !text.is_empty())?;
        Some(if part.thought { ChatEvent::Reasoning(text) } else { ChatEvent::Text(text) })
    }
}

fn reason(name: &str) -> FinishReason {
    match name {
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" => FinishReason::Length,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR" => FinishReason::ContentFilter,
        other => FinishReason::Other(other.to_ascii_lowercase()),
    }
}

impl Reader for Events {
    fn read(&mut self, piece: &str) -> Result<Vec<ChatEvent>, LlmError> {
        let chunk: Chunk = decode_piece(piece)?;
        if let Some(error) = &chunk.error {
            return Err(self.endpoint.member_error(error));
        }
        let mut events = Vec::new();
        if !self.started {
            self.started = true;
            events.push(ChatEvent::Started {
                id: chunk.response_id.unwrap_or_default(),
                model: chunk.model_version.unwrap_or_else(|| self.model.clone()),
            });
        }
        let usage = chunk.usage_metadata.map(Usage::from);
        events.extend(usage.map(ChatEvent::Counted));
        self.usage = usage.or(self.usage);
        // The prompt itself was withheld: there is no candidate.
        if chunk.prompt_feedback.and_then(|feedback| feedback.block_reason).is_some() {
            self.reason = Some(FinishReason::ContentFilter);
        }
        for candidate in chunk.candidates.into_iter().filter(|candidate| candidate.index == 0) {
            let parts = candidate.content.parts.into_iter();
            events.extend(parts.filter_map(|part| self.part(part)));
            if let Some(name) = candidate.finish_reason {
                self.reason = Some(reason(&name));
            }
        }
        Ok(events)
    }

    /// The stream has no mark at its end, and what comes with the reason may not be the last.
    fn is_over(&self) -> bool {
        false
    }

    fn end(&mut self) -> Option<ChatEvent> {
        let reason = match self.reason.take()? {
            FinishReason::Stop if self.calls > 0 => FinishReason::ToolCalls,
            other => other,
        };
        Some(ChatEvent::Finished { reason, usage: self.usage })
    }
}
