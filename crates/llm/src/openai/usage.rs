//! How tokens are counted over the wire.

use serde::{Deserialize, Serialize};

use super::reading::{count, readable};
use crate::Usage;

/// `usage` of a completion or of the last chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireUsage {
    /// Tokens of the prompt.
    #[serde(default, deserialize_with = "count")]
    pub prompt_tokens: u64,
    /// Tokens generated; absent from embeddings.
    #[serde(default, deserialize_with = "count")]
    pub completion_tokens: u64,
    /// Both.
    #[serde(default, deserialize_with = "count")]
    pub total_tokens: u64,
    /// More about the prompt.
    #[serde(default, deserialize_with = "readable", skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_details: Option<PromptTokensDetails>,
    /// More about what was generated.
    #[serde(default, deserialize_with = "readable", skip_serializing_if = "Option::is_none")]
    pub completion_tokens_details: Option<CompletionTokensDetails>,
    /// DeepSeek's name for cached tokens.
    #[serde(default, deserialize_with = "count", skip_serializing)]
    pub prompt_cache_hit_tokens: u64,
    /// Moonshot's place for them.
    #[serde(default, deserialize_with = "count", skip_serializing)]
    pub cached_tokens: u64,
}

/// More about the prompt's tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptTokensDetails {
    /// Read from the provider's cache.
    #[serde(default, deserialize_with = "count")]
    pub cached_tokens: u64,
    /// Written to it, where a provider tells; no member of OpenAI's.
    #[serde(default, deserialize_with = "count", skip_serializing)]
    pub cache_write_tokens: u64,
    /// Qwen's name for them.
    #[serde(default, deserialize_with = "count", skip_serializing)]
    pub cache_creation_input_tokens: u64,
}

/// More about the generated tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionTokensDetails {
    /// Spent on reasoning.
    #[serde(default, deserialize_with = "count")]
    pub reasoning_tokens: u64,
}

impl WireUsage {
    /// The prompt's. Voyage and others that embed tell the sum alone.
    fn asked(&self) -> u64 {
        match self.prompt_tokens {
            0 => self.total_tokens.saturating_sub(self.completion_tokens),
            told => told,
        }
    }

    /// All that was generated. xAI counts the reasoning beside the answer, and both in the sum.
    fn generated(&self, reasoning: u64) -> u64 {
        let told = self.asked().saturating_add(self.completion_tokens);
        let beside = self.total_tokens.saturating_sub(told).min(reasoning);
        self.completion_tokens.saturating_add(beside)
    }
}

impl From<&WireUsage> for Usage {
    fn from(wire: &WireUsage) -> Self {
        let prompt = wire.prompt_tokens_details.clone().unwrap_or_default();
        let reasoning = wire.completion_tokens_details.as_ref().map_or(0, |d| d.reasoning_tokens);
        let cached = [prompt.cached_tokens, wire.prompt_cache_hit_tokens, wire.cached_tokens];
        let written = prompt.cache_write_tokens.max(prompt.cache_creation_input_tokens);
        Self {
            prompt_tokens: wire.asked(),
            completion_tokens: wire.generated(reasoning),
            cached_tokens: cached.into_iter().max().unwrap_or_default(),
            cache_write_tokens: written,
            reasoning_tokens: reasoning,
            ..Self::default()
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
            prompt_tokens_details: (usage.cached_tokens > 0).then_some(PromptTokensDetails {
                cached_tokens: usage.cached_tokens,
                cache_write_tokens: usage.cache_write_tokens,
                cache_creation_input_tokens: 0,
            }),
            completion_tokens_details: (usage.reasoning_tokens > 0)
                .then_some(CompletionTokensDetails { reasoning_tokens: usage.reasoning_tokens }),
            prompt_cache_hit_tokens: 0,
            cached_tokens: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prompt, cached, written, completion, reasoning.
    fn read(text: &str) -> (u64, u64, u64, u64, u64) {
        let usage = Usage::from(&serde_json::from_str::<WireUsage>(text).unwrap());
        (
            usage.prompt_tokens,
            usage.cached_tokens,
            usage.cache_write_tokens,
            usage.completion_tokens,
            usage.reasoning_tokens,
        )
    }

    #[test]
    fn reasoning_beside_the_answer_is_counted_once() {
        for (text, expected) in [
            // xAI.
            (
                r#"{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"prompt_tokens_details":{"cached_tokens":6},"completion_tokens_details":{"reasoning_tokens":94}}"#,
                (32, 6, 0, 103, 94),
            ),
            // OpenAI: within it.
            (
                r#"{"prompt_tokens":32,"completion_tokens":103,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":94}}"#,
                (32, 0, 0, 103, 94),
            ),
            // A sum of something else says nothing of reasoning.
            (r#"{"prompt_tokens":32,"completion_tokens":9,"total_tokens":500}"#, (32, 0, 0, 9, 0)),
            (
                r#"{"prompt_tokens":32,"completion_tokens":9,"completion_tokens_details":{"reasoning_tokens":5}}"#,
                (32, 0, 0, 9, 5),
            ),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_sum_alone_tells_the_prompt() {
        for (text, expected) in [
            (r#"{"total_tokens":12}"#, (12, 0, 0, 0, 0)),
            (r#"{"prompt_tokens":0,"completion_tokens":5,"total_tokens":12}"#, (7, 0, 0, 5, 0)),
            (r#"{"completion_tokens":5,"total_tokens":3}"#, (0, 0, 0, 5, 0)),
            ("{}", (0, 0, 0, 0, 0)),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_a_cache_did_is_found_by_every_name() {
        for (text, expected) in [
            // Moonshot.
            (
                r#"{"prompt_tokens":19,"completion_tokens":21,"total_tokens":40,"cached_tokens":10}"#,
                (19, 10, 0, 21, 0),
            ),
            // DeepSeek, with an empty place for it as well.
            (
                r#"{"prompt_tokens":9,"completion_tokens":3,"prompt_cache_hit_tokens":4,"prompt_tokens_details":{"cached_tokens":0}}"#,
                (9, 4, 0, 3, 0),
            ),
            // Qwen.
            (
                r#"{"prompt_tokens":1500,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":0,"cache_creation_input_tokens":1494,"cache_type":"ephemeral"}}"#,
                (1500, 0, 1494, 3, 0),
            ),
            // OpenRouter.
            (
                r#"{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":1,"cache_write_tokens":5}}"#,
                (9, 1, 5, 3, 0),
            ),
        ] {
            assert_eq!(read(text), expected, "{text}");
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
}
