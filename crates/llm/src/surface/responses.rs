//! OpenAI's Responses API, without what it keeps: every request brings its whole conversation.

mod answer;
mod items;
mod request;

use serde_json::Value;

pub use answer::Responses;
pub use request::{becomes, check, request};

use super::carry;

/// The input as OpenAI itself takes it: without the reasoning of other providers' models that went
/// out through here, which it could not open.
pub fn without_foreign(input: &mut Value) {
    if let Value::Array(items) = input {
        items.retain(|item| {
            item["type"] != "reasoning" || !carry::is_ours(item.get("encrypted_content"))
        });
    }
}
