//! What one provider wants back and another surface has no member for: packed into the text that
//! the surface keeps for a model's hidden reasoning, which programs send back as they got it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// With which every such text begins. The providers' own never do: they are base64.
pub const MARK: &str = "lyceum:";

pub(super) fn pack(value: &Value) -> String {
    format!("{MARK}{}", STANDARD.encode(value.to_string()))
}

/// `None` for what was not packed here.
pub(super) fn unpack(text: &str) -> Option<Value> {
    let bytes = STANDARD.decode(text.strip_prefix(MARK)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Whether a text was packed here, or marks reasoning that came through here.
pub(super) fn is_ours(text: Option<&Value>) -> bool {
    text.and_then(Value::as_str).is_some_and(|text| text.starts_with(MARK))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_packed_here_is_unpacked() {
        let value = json!({"anthropic": {"thinking": [{"signature": "汉"}]}});
        assert_eq!(unpack(&pack(&value)), Some(value));
        for foreign in ["EqQBCgIYAhIM", MARK, "lyceum:!", ""] {
            assert_eq!(unpack(foreign), None, "{foreign}");
        }
    }
}
