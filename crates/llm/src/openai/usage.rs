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
    #[serde(default, deserialize_with = "readable", skip_serializing)]
    pub prompt_cache_hit_tokens: Option<u64>,
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
}

/// More about the generated tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionTokensDetails {
    /// Spent on reasoning.
    #[serde(default, deserialize_with = "count")]
    pub reasoning_tokens: u64,
}

impl From<&WireUsage> for Usage {
    fn from(wire: &WireUsage) -> Self {
        let prompt = wire.prompt_tokens_details.as_ref();
        let cached = prompt.map(|details| details.cached_tokens);
        let reasoning = wire.completion_tokens_details.as_ref().map(|d| d.reasoning_tokens);
        Self {
            prompt_tokens: wire.prompt_tokens,
            completion_tokens: wire.completion_tokens,
            cached_tokens: cached.or(wire.prompt_cache_hit_tokens).unwrap_or(0),
            cache_write_tokens: prompt.map_or(0, |details| details.cache_write_tokens),
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
            prompt_tokens_details: (usage.cached_tokens > 0).then_some(PromptTokensDetails {
                cached_tokens: usage.cached_tokens,
                cache_write_tokens: usage.cache_write_tokens,
            }),
            completion_tokens_details: (usage.reasoning_tokens > 0)
                .then_some(CompletionTokensDetails { reasoning_tokens: usage.reasoning_tokens }),
            prompt_cache_hit_tokens: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
