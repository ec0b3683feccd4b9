//! The few words of JSON Schema that settings use.

use serde_json::Value;

/// Whether `value` fits; otherwise what it must be, as the end of a sentence about it.
pub(super) fn check(schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(wanted) = schema.get("type").and_then(Value::as_str)
        && !is_type(value, wanted)
    {
        return Err(format!("must be of the type {wanted}"));
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        let names: Vec<String> = allowed.iter().map(Value::to_string).collect();
        return Err(format!("must be one of {}", names.join(", ")));
    }
    let limit = |name| schema.get(name).and_then(Value::as_f64);
    if let Some(number) = value.as_f64() {
        if let Some(minimum) = limit("minimum").filter(|minimum| number < *minimum) {
            return Err(format!("must be at least {minimum}"));
        }
        if let Some(maximum) = limit("maximum").filter(|maximum| number > *maximum) {
            return Err(format!("must be at most {maximum}"));
        }
    }
    let most = schema.get("maxLength").and_then(Value::as_u64);
    if let (Some(text), Some(most)) = (value.as_str(), most)
        && text.chars().count() as u64 > most
    {
        return Err(format!("must be at most {most} characters long"));
    }
    Ok(())
}

fn is_type(value: &Value, wanted: &str) -> bool {
    match wanted {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::check;

    #[test]
    fn values_are_held_to_their_schema() {
        let days = json!({"type": "integer", "minimum": 1, "maximum": 365});
        assert!(check(&days, &json!(30)).is_ok());
        for (bad, why) in [
            (json!("30"), "must be of the type integer"),
            (json!(1.5), "must be of the type integer"),
            (json!(0), "must be at least 1"),
            (json!(366), "must be at most 365"),
            (json!(null), "must be of the type integer"),
        ] {
            assert_eq!(check(&days, &bad).unwrap_err(), why);
        }
        let word = json!({"type": "string", "maxLength": 2, "enum": ["中文", "en", "long"]});
        assert!(check(&word, &json!("中文")).is_ok());
        assert_eq!(check(&word, &json!("long")).unwrap_err(), "must be at most 2 characters long");
        assert!(check(&word, &json!("fr")).is_err());
        assert!(check(&json!({"type": "unheard of"}), &json!(1)).is_err(), "fails closed");
    }
}
