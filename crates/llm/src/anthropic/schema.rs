//! JSON Schemas as the API takes them where it holds a model to them: without bounds of lengths and
//! sizes, and with no object that is open.

use serde_json::{Map, Value, json};

/// The forms of a text that the API can hold a model to.
const FORMATS: [&str; 10] =
    ["date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"];
/// One of these says what a value may be; a schema without takes everything.
const KINDS: [&str; 4] = ["type", "enum", "const", "anyOf"];

/// A schema whose answers are all answers by `schema`; `None` where there is none, as for an object
/// of any members. What the API cannot see to is told in the description.
pub(super) fn fit(schema: &Value) -> Option<Value> {
    let members = schema.as_object()?;
    let mut fitting = Map::new();
    let mut untold = Vec::new();
    for (name, value) in members {
        let kept = match name.as_str() {
            "$schema" | "$id" | "additionalProperties" => continue,
            "patternProperties" => return None,
            // Several closed objects have nothing in common; one is an alternative to nothing.
            "allOf" if value.as_array().is_some_and(|all| all.len() > 1) => return None,
            "$ref" | "const" | "default" | "description" | "enum" | "required" | "title"
            | "type" => value.clone(),
            "$defs" | "definitions" | "properties" => each(value)?,
            "items" => fit(value)?,
            "allOf" | "anyOf" | "oneOf" => all(value)?,
            "minItems" if matches!(value.as_u64(), Some(0 | 1)) => value.clone(),
            "format" if FORMATS.iter().any(|format| value == format) => value.clone(),
            _ => {
                untold.push(format!("{name}: {value}"));
                continue;
            }
        };
        let name = if matches!(name.as_str(), "allOf" | "oneOf") { "anyOf" } else { name.as_str() };
        if fitting.insert(name.to_owned(), kept).is_some() {
            // Two of the three.
            return None;
        }
    }
    if fitting.contains_key("$ref") {
        // Nothing else may stand beside it.
        fitting.retain(|name, _| matches!(name.as_str(), "$ref" | "$defs" | "definitions"));
        return Some(Value::Object(fitting));
    }
    if is_object(members) {
        if !has_its_names(members) {
            return None;
        }
        fitting.entry("type").or_insert_with(|| json!("object"));
        fitting.insert("additionalProperties".to_owned(), json!(false));
    }
    if !untold.is_empty() {
        let said = members.get("description").and_then(Value::as_str);
        let said = said.map(|text| format!("{text}\n\n")).unwrap_or_default();
        let description = format!("{said}{{{}}}", untold.join(", "));
        fitting.insert("description".to_owned(), json!(description));
    }
    KINDS.iter().any(|kind| fitting.contains_key(*kind)).then_some(Value::Object(fitting))
}

/// All schemas of an object by their names.
fn each(schemas: &Value) -> Option<Value> {
    let schemas = schemas.as_object()?.iter();
    let fitting: Option<Map<String, Value>> =
        schemas.map(|(name, schema)| Some((name.clone(), fit(schema)?))).collect();
    fitting.map(Value::Object)
}

/// All schemas of a list.
fn all(schemas: &Value) -> Option<Value> {
    schemas.as_array()?.iter().map(fit).collect()
}

fn is_object(members: &Map<String, Value>) -> bool {
    let is_named = match members.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        Some(kind) => kind == "object",
        None => false,
    };
    is_named || members.contains_key("properties")
}

/// Whether an object of the named members alone is what the schema means.
fn has_its_names(members: &Map<String, Value>) -> bool {
    let properties = members.get("properties").and_then(Value::as_object);
    match members.get("additionalProperties") {
        Some(Value::Bool(false)) => true,
        None | Some(Value::Bool(true)) => properties.is_some_and(|names| !names.is_empty()),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_loses_what_the_api_does_not_take_and_says_so() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object", "title": "Reply",
            "properties": {
                "name": {"type": "string", "maxLength": 9, "description": "A name."},
                "age": {"type": ["integer", "null"], "minimum": 0},
                "mail": {"type": "string", "format": "email"},
                "code": {"type": "string", "format": "regex"},
                "tags": {"type": "array", "minItems": 2, "items": {"oneOf": [
                    {"$ref": "#/$defs/tag", "description": "x"}, {"type": "null"}]}},
                "kind": {"const": "a"}, "first": {"allOf": [{"$ref": "#/$defs/tag"}]},
            },
            "required": ["name"],
            "$defs": {"tag": {"properties": {"t": {"enum": ["a", "b"]}}}},
        });
        let expected = json!({
            "type": "object", "title": "Reply", "additionalProperties": false,
            "properties": {
                "name": {"type": "string", "description": "A name.\n\n{maxLength: 9}"},
                "age": {"type": ["integer", "null"], "description": "{minimum: 0}"},
                "mail": {"type": "string", "format": "email"},
                "code": {"type": "string", "description": "{format: \"regex\"}"},
                "tags": {"type": "array", "description": "{minItems: 2}", "items": {"anyOf": [
                    {"$ref": "#/$defs/tag"}, {"type": "null"}]}},
                "kind": {"const": "a"}, "first": {"anyOf": [{"$ref": "#/$defs/tag"}]},
            },
            "required": ["name"],
            "$defs": {"tag": {"type": "object", "properties": {"t": {"enum": ["a", "b"]}},
                "additionalProperties": false}},
        });
        assert_eq!(fit(&schema), Some(expected.clone()));
        assert_eq!(fit(&expected), Some(expected));
    }

    #[test]
    fn an_object_of_any_members_has_no_schema_there() {
        let map = json!({"type": "object", "additionalProperties": {"type": "string"}});
        for open in [
            map.clone(),
            json!({"type": "object"}),
            json!({"type": ["object", "null"], "additionalProperties": true}),
            json!({"type": "object", "properties": {"a": {}}}),
            json!({"type": "object", "properties": {"a": true}}),
            json!({"type": "object", "properties": {"a": {"type": "string"}},
                "patternProperties": {"^x": {"type": "string"}}}),
            json!({"type": "array", "items": map}),
            json!({"anyOf": [{"type": "null"}], "oneOf": [{"type": "null"}]}),
            json!({"allOf": [{"type": "string"}, {"enum": ["a"]}]}),
        ] {
            assert_eq!(fit(&open), None, "{open}");
        }
        let none = json!({"type": "object", "properties": {}, "additionalProperties": false});
        assert_eq!(fit(&none), Some(none));
    }
}
