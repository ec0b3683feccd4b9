//! OpenAI's Responses API, without what it keeps: every request brings its whole conversation.

mod answer;
mod items;
mod request;

use serde_json::Value;

pub use answer::Responses;
pub use request::{becomes, check, request};

use super::{BadRequest, carry};
use items::NOT_KEPT;

/// Makes an input stand alone at a provider that keeps nothing of it: without reasoning that could not
/// be read there, be it another provider's that went out through here or one that was not sealed. Says
/// whether anything was left out; references to items are refused.
pub fn stand_alone(input: &mut Value) -> Result<bool, BadRequest> {
    let Value::Array(items) = input else { return Ok(false) };
    if let Some(place) = items.iter().position(|item| item["type"] == "item_reference") {
        return Err(BadRequest(format!("input.{place}: {NOT_KEPT}.")));
    }
    let before = items.len();
    items.retain(|item| item["type"] != "reasoning" || is_readable(item));
    Ok(items.len() < before)
}

/// Whether reasoning can be read without being kept: it is sealed, or open models wrote it out.
fn is_readable(reasoning: &Value) -> bool {
    match reasoning.get("encrypted_content").filter(|sealed| sealed.is_string()) {
        Some(sealed) => !carry::is_ours(Some(sealed)),
        None => reasoning["content"].as_array().is_some_and(|content| !content.is_empty()),
    }
}
