//! Anthropic's Messages API.

mod answer;
mod request;
mod turns;

use serde_json::Value;

pub use answer::Messages;
pub use request::{becomes, request};

use super::carry::{self, MARK};

/// The conversation as Anthropic itself takes it: without the thinking of other providers' models
/// that went out through here, whose signatures it could not verify.
pub fn without_foreign(messages: &mut Value) {
    for message in messages.as_array_mut().into_iter().flatten() {
        let Some(Value::Array(blocks)) = message.get_mut("content") else { continue };
        blocks.retain(|block| {
            let sealed = match block["type"].as_str() {
                Some("thinking") => block.get("signature"),
                Some("redacted_thinking") => block.get("data"),
                _ => None,
            };
            !carry::is_ours(sealed)
        });
    }
    if let Value::Array(turns) = messages {
        // A turn of nothing but such thinking.
        turns.retain(|turn| turn.get("content") != Some(&Value::Array(Vec::new())));
    }
}

/// What stands for a signature where the provider has none.
const UNSIGNED: &str = MARK;
