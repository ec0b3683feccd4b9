//! Estimates of token counts, for calls whose provider sent none. Deliberately on the high side.

use lyceum_llm::{ChatMessage, Content, ContentPart};
use serde::Deserialize;
use serde_json::Value;

use crate::quotas::Forecast;

/// Tokens that a message costs beside its text.
const PER_MESSAGE: u64 = 4;
/// Tokens taken for an image or a file.
const PER_ATTACHMENT: u64 = 1000;

/// About as many tokens as a text has: four ASCII characters make one, any other character is one.
pub(crate) fn tokens_of(text: &str) -> u64 {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    let other = text.chars().count() - ascii;
    (ascii.div_ceil(4) + other) as u64
}

/// Tokens of a prompt.
pub(crate) fn prompt_of_messages(messages: &[ChatMessage]) -> u64 {
    let of_content = |content: &Content| match content {
        Content::Text(text) => tokens_of(text),
        Content::Parts(parts) => parts
            .iter()
            .map(|part| match part {
                ContentPart::Text { text } => tokens_of(text),
                ContentPart::Other(_) => PER_ATTACHMENT,
            })
            .sum(),
    };
    messages.iter().map(|m| PER_MESSAGE + m.content.as_ref().map_or(0, of_content)).sum()
}

/// What a request to `/v1` may take that is passed on as it came.
pub(crate) fn forecast_of_body(body: &[u8]) -> Forecast {
    #[derive(Default, Deserialize)]
    struct Limits {
        #[serde(default)]
        max_tokens: Option<u64>,
        #[serde(default, alias = "max_output_tokens")]
        max_completion_tokens: Option<u64>,
        #[serde(default)]
        n: Option<u64>,
    }
    let limits: Limits = serde_json::from_slice(body).unwrap_or_default();
    let one = limits.max_completion_tokens.or(limits.max_tokens);
    let max_tokens = one.map(|one| one.saturating_mul(limits.n.unwrap_or(1).max(1)));
    Forecast { prompt_tokens: prompt_of_body(body), max_tokens }
}

/// Tokens of a request to `/v1` that is passed on as it came: of what it says by any surface's name.
pub(crate) fn prompt_of_body(body: &[u8]) -> u64 {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return 0 };
    let messages = body.get("messages").and_then(Value::as_array);
    let of_messages: u64 = messages
        .into_iter()
        .flatten()
        .map(|message| PER_MESSAGE + message.get("content").map_or(0, of_value))
        .sum();
    let others = ["input", "instructions", "prompt", "system"];
    let of_others: u64 = others.iter().filter_map(|name| body.get(name)).map(of_value).sum();
    let tools = body.get("tools").filter(|tools| tools.is_array());
    of_messages + of_others + tools.map_or(0, |tools| tokens_of(&tools.to_string()))
}

fn of_value(value: &Value) -> u64 {
    match value {
        Value::String(text) => tokens_of(text),
        Value::Array(items) => items.iter().map(of_value).sum(),
        Value::Object(part) => {
            let said = ["text", "content", "thinking", "arguments", "output", "summary"];
            match said.iter().find_map(|name| part.get(*name)) {
                Some(text) => of_value(text),
                // A call in Anthropic's form.
                None => part.get("input").map_or(PER_ATTACHMENT, |i| tokens_of(&i.to_string())),
            }
        }
        // A token of an embedding request that was tokenised by the caller.
        Value::Number(_) => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_counts_by_character_and_english_by_four() {
        assert_eq!(tokens_of(""), 0);
        assert_eq!(tokens_of("hello"), 2);
        assert_eq!(tokens_of("你好吗"), 3);
        assert_eq!(tokens_of("ok 你好"), 3);
    }

    #[test]
    fn a_body_is_counted_by_its_texts() {
        let body = br#"{"messages":[{"role":"user","content":[{"type":"text","text":"abcdefgh"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAAAAAAAAAAAAAA"}}]}]}"#;
        assert_eq!(prompt_of_body(body), PER_MESSAGE + 2 + PER_ATTACHMENT);
        assert_eq!(prompt_of_body(br#"{"input":["abcd",[1,2,3]]}"#), 4);
        assert_eq!(prompt_of_body(br#"{"system":"abcd","prompt":["abcdefgh"]}"#), 3);
        let turns = br#"{"messages":[{"role":"user","content":[{"type":"tool_result",
            "tool_use_id":"c","content":[{"type":"text","text":"abcd"}]}]},
            {"role":"assistant","content":[{"type":"tool_use","input":{"a":1}}]}]}"#;
        assert_eq!(prompt_of_body(turns), 2 * PER_MESSAGE + 1 + 2);
        assert_eq!(prompt_of_body(b"not json"), 0);
    }
}
