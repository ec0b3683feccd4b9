//! The part of JSON Schema that the providers' `config_schema` use: objects without further
//! members, whose members are strings, integers, numbers or booleans with bounds. What all kinds have
//! in common, their headers, has rules of its own.

use serde_json::{Map, Value};

use super::headers;
use crate::GatewayError;

/// The schema of a kind that is set up, with what all of them have.
pub(super) fn complete(mut schema: Value) -> Value {
    // The built-in kind has no settings at all.
    if let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        members.insert(headers::SETTING.to_owned(), headers::schema());
    }
    schema
}

/// Judges `config` against `schema`.
pub(super) fn check(schema: &Value, config: &Map<String, Value>) -> Result<(), GatewayError> {
    let none = Map::new();
    let members = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    for (name, value) in config {
        let field = format!("config.{name}");
        let Some(member) = members.get(name) else {
            let known = members.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(GatewayError::invalid(field, format!("is not a setting; known: {known}")));
        };
        check_value(member, value).map_err(|reason| GatewayError::invalid(field, reason))?;
    }
    let required = schema.get("required").and_then(Value::as_array);
    let mut required = required.into_iter().flatten().filter_map(Value::as_str);
    match required.find(|name| !config.contains_key(*name)) {
        Some(name) => Err(GatewayError::invalid(format!("config.{name}"), "is required")),
        None => Ok(()),
    }
}

fn check_value(schema: &Value, value: &Value) -> Result<(), String> {
    let wanted = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    let fits = match wanted {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => true,
    };
    if !fits {
        return Err(format!("must be of type {wanted}"));
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        return Err(format!("must be one of {}", Value::Array(allowed.clone())));
    }
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    if let Some(number) = value.as_f64() {
        if bound("minimum").is_some_and(|minimum| number < minimum) {
            return Err(format!("must be at least {}", schema["minimum"]));
        }
        if bound("maximum").is_some_and(|maximum| number > maximum) {
            return Err(format!("must be at most {}", schema["maximum"]));
        }
    }
    if let Some(text) = value.as_str() {
        let limit = schema.get("maxLength").and_then(Value::as_u64).unwrap_or(1000);
        if text.chars().count() as u64 > limit {
            return Err(format!("must be at most {limit} characters long"));
        }
        if text.chars().any(char::is_control) {
            return Err("must not have control characters".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_judged_by_type_bounds_and_name() {
        let schema = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "integer", "minimum": 1, "maximum": 10},
            "b": {"type": "string", "maxLength": 3},
            "c": {"type": "string", "enum": ["x", "y"]}}});
        let fits = |config: Value| check(&schema, config.as_object().unwrap()).is_ok();
        assert!(fits(json!({"a": 1})));
        assert!(fits(json!({"a": 10, "b": "汉字汉", "c": "x"})));
        for bad in [
            json!({}),
            json!({"a": 0}),
            json!({"a": 11}),
            json!({"a": 1.5}),
            json!({"a": "1"}),
            json!({"a": null}),
            json!({"a": 1, "b": "four"}),
            json!({"a": 1, "b": "a\r\n"}),
            json!({"a": 1, "c": "z"}),
            json!({"a": 1, "d": 1}),
        ] {
            assert!(!fits(bad.clone()), "{bad}");
        }
    }
}
