//! A provider config's own headers, which go with each of its requests. People put tokens in there,
//! so that values are sealed with the key, and the config keeps no more than the names.

use http::{HeaderName, HeaderValue};
use lyceum_core::Secret;
use serde_json::{Map, Value, json};

use crate::GatewayError;

/// The setting's name.
pub(super) const SETTING: &str = "headers";
/// The most headers.
const MOST: usize = 20;
/// The most bytes of a value.
const LONGEST: usize = 1024;
/// The most bytes of all names and values: many servers take 8 KiB in all, and so much can be sealed
/// beside the longest key.
const TOGETHER: usize = 7 * 1024;

/// What the connection, the key, the protocols and traces see to.
const OURS: [&str; 26] = [
    "accept",
    "accept-encoding",
    "anthropic-beta",
    "anthropic-version",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "openai-organization",
    "openai-project",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-api-key",
    "x-goog-api-key",
];

/// A header that is to be sent.
pub(super) struct Wanted {
    pub(super) name: HeaderName,
    /// The value that is set already, where there is none.
    value: Option<Secret>,
}

impl Wanted {
    /// Whether the value that is set already is to stay.
    pub(super) fn stays(&self) -> bool {
        self.value.is_none()
    }
}

/// What the setting may be, for the `config_schema` of all kinds.
pub(super) fn schema() -> Value {
    json!({
        "type": "object", "title": "Further headers", "maxProperties": MOST,
        "additionalProperties": {"oneOf": [
            {"type": "string", "minLength": 1, "maxLength": LONGEST},
            {"const": true},
        ]},
        "description": "Sent with each request. A value is never shown again: true stands for one \
                        that is set, and keeps it.",
    })
}

/// Takes the values of headers out of `settings`, which keep their names.
pub(super) fn take(settings: &mut Map<String, Value>) -> Result<Vec<Wanted>, GatewayError> {
    let given = match settings.remove(SETTING) {
        None => return Ok(Vec::new()),
        Some(Value::Object(given)) => given,
        Some(_) => return Err(of_all("must be an object of names and texts")),
    };
    if given.len() > MOST {
        return Err(of_all(format!("must be at most {MOST}")));
    }
    let mut names = Map::new();
    let mut wanted = Vec::new();
    for (name, value) in given {
        let header = judge_name(&name)?;
        // Names in the one and the other case are the same.
        if names.insert(header.as_str().to_owned(), true.into()).is_some() {
            return Err(of_one(&name, "is given twice"));
        }
        let value = match value {
            Value::Bool(true) => None,
            Value::String(text) => Some(judge_value(&name, &text)?),
            _ => return Err(of_one(&name, "must be a text, or true to keep what is set")),
        };
        wanted.push(Wanted { name: header, value });
    }
    if !names.is_empty() {
        settings.insert(SETTING.to_owned(), names.into());
    }
    Ok(wanted)
}

/// The headers that are wanted, with values from `present` for those that stay.
pub(super) fn resolve(
    wanted: Vec<Wanted>,
    present: &[(HeaderName, Secret)],
) -> Result<Vec<(HeaderName, Secret)>, GatewayError> {
    let mut length = 0;
    let resolved = wanted.into_iter().map(|Wanted { name, value }| {
        let kept =
            || present.iter().find(|(known, _)| *known == name).map(|(_, kept)| kept.clone());
        let Some(value) = value.or_else(kept) else {
            return Err(of_one(name.as_str(), "must be a text, as none is set yet"));
        };
        length += name.as_str().len() + value.expose().len();
        match length <= TOGETHER {
            true => Ok((name, value)),
            false => Err(of_all(format!("must be at most {TOGETHER} bytes long together"))),
        }
    });
    resolved.collect()
}

/// The name of a header that a config has.
pub(super) fn first_name(config: &Value) -> Option<&str> {
    config.get(SETTING)?.as_object()?.keys().next().map(String::as_str)
}

/// A header's value that stays is needed again.
pub(super) fn needed_again(name: &str) -> GatewayError {
    of_one(name, "is needed again, because the address leads to another host")
}

/// The value as it is sent; it is in no log.
pub(super) fn sent(value: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn judge_name(name: &str) -> Result<HeaderName, GatewayError> {
    if name.len() > 100 {
        return Err(of_all("must have names of at most 100 characters"));
    }
    let header: HeaderName = name.parse().map_err(|_| {
        of_one(name, "is not the name of a header: letters, digits and - without spaces")
    })?;
    match OURS.contains(&header.as_str()) {
        true => Err(of_one(name, "is set by Lyceum itself and cannot be given")),
        false => Ok(header),
    }
}

fn judge_value(name: &str, text: &str) -> Result<Secret, GatewayError> {
    if text.chars().any(char::is_control) {
        return Err(of_one(name, "must not have control characters"));
    }
    let text = text.trim();
    if text.is_empty() {
        return Err(of_one(name, "must not be empty"));
    }
    if text.len() > LONGEST {
        return Err(of_one(name, format!("must be at most {LONGEST} bytes long")));
    }
    match text.is_ascii() {
        true => Ok(Secret::new(text)),
        false => Err(of_one(name, "must be of visible ASCII characters and spaces")),
    }
}

fn of_all(reason: impl Into<String>) -> GatewayError {
    GatewayError::invalid("config.headers", reason)
}

fn of_one(name: &str, reason: impl Into<String>) -> GatewayError {
    GatewayError::invalid(format!("config.headers.{name}"), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(headers: Value) -> Result<(Map<String, Value>, Vec<Wanted>), String> {
        let mut settings = Map::from_iter([("headers".to_owned(), headers)]);
        let wanted = take(&mut settings).map_err(|error| error.to_string())?;
        Ok((settings, wanted))
    }

    #[test]
    fn a_config_keeps_the_names_alone() {
        let (settings, wanted) = taken(json!({"X-Team": " research ", "x-kept": true})).unwrap();
        assert_eq!(Value::Object(settings), json!({"headers": {"x-team": true, "x-kept": true}}));
        let present = [(HeaderName::from_static("x-kept"), Secret::new("before"))];
        let mut resolved: Vec<_> = resolve(wanted, &present)
            .unwrap()
            .into_iter()
            .map(|(name, value)| (name.to_string(), value.expose().to_owned()))
            .collect();
        resolved.sort();
        let expected = [("x-kept", "before"), ("x-team", "research")];
        assert_eq!(resolved, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(taken(json!({})).unwrap().0.is_empty());
    }

    #[test]
    fn a_value_stays_only_where_one_is_set() {
        let (_, wanted) = taken(json!({"x-team": true})).unwrap();
        let refusal = resolve(wanted, &[]).unwrap_err().to_string();
        assert!(refusal.starts_with("config.headers.x-team: must be a text"), "{refusal}");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_its_name() {
        let long = "a".repeat(LONGEST + 1);
        for (headers, refusal) in [
            (json!([]), "config.headers: must be an object"),
            (json!({"x team": "a"}), "config.headers.x team: is not the name"),
            (json!({"": "a"}), "config.headers.: is not the name"),
            (json!({"x\r\ny": "a"}), "config.headers.x\r\ny: is not the name"),
            (json!({"x-a": "a\r\nx-b: b"}), "config.headers.x-a: must not have control"),
            (json!({"x-a": "a\n"}), "config.headers.x-a: must not have control"),
            (json!({"x-a": " "}), "config.headers.x-a: must not be empty"),
            (json!({"x-a": "ä"}), "config.headers.x-a: must be of visible ASCII"),
            (json!({"x-a": long}), "config.headers.x-a: must be at most 1024"),
            (json!({"x-a": 1}), "config.headers.x-a: must be a text"),
            (json!({"x-a": false}), "config.headers.x-a: must be a text"),
            (json!({"X-A": "a", "x-a": "b"}), "config.headers.x-a: is given twice"),
            (json!({"Host": "a"}), "config.headers.Host: is set by Lyceum"),
            (json!({"x-goog-api-key": "a"}), "config.headers.x-goog-api-key: is set by Lyceum"),
        ] {
            let Err(said) = taken(headers.clone()) else { panic!("{headers} is taken") };
            assert!(said.starts_with(refusal), "{said}");
        }
        for name in OURS {
            assert!(taken(Map::from_iter([(name.to_uppercase(), "a".into())]).into()).is_err());
        }
        let many = |count: usize| {
            (0..count).map(|i| (format!("x-{i}"), "a".into())).collect::<Map<String, Value>>()
        };
        assert!(taken(many(MOST).into()).is_ok());
        assert!(taken(many(MOST + 1).into()).is_err());
    }

    #[test]
    fn all_together_are_no_longer_than_what_a_server_takes() {
        let value = "a".repeat(LONGEST);
        let headers = |count: usize| {
            let header = |i| (format!("x-{i}"), Value::from(value.as_str()));
            taken((0..count).map(header).collect::<Map<_, _>>().into()).unwrap().1
        };
        assert!(resolve(headers(6), &[]).is_ok());
        let refusal = resolve(headers(7), &[]).unwrap_err().to_string();
        assert!(refusal.starts_with("config.headers: must be at most 7168 bytes"), "{refusal}");
    }
}
