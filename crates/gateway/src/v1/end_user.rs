//! Whom a request is made for: one of those whom a program serves, by the program's own name.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::IntoParams;

use super::Failure;
use super::body::Body;
use crate::ledger::storable;
use crate::limits::Dialect;

/// Names them where the provider is not to know; goes before what the body says.
const HEADER: &str = "x-lyceum-end-user";
/// Characters of a name that the ledger takes.
const LONGEST: usize = 256;

/// The header in the API's document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct EndUserHeader {
    /// Which of its own users the program asks for: noted in the ledger, not sent to the provider
    #[param(rename = "x-lyceum-end-user")]
    _name: Option<String>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Whom the headers name; nobody where the name is empty.
pub(super) fn of_headers(headers: &HeaderMap) -> Result<Option<Arc<str>>, Failure> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let refuse = |what: &str| {
        let message = format!("The header {HEADER} {what}.");
        Err(Failure::bad_request("invalid_end_user", message))
    };
    // Names are of any script, and come as they are.
    let Ok(name) = std::str::from_utf8(value.as_bytes()) else {
        return refuse("is not text in UTF-8");
    };
    match name.trim() {
        "" => Ok(None),
        name if name.chars().nth(LONGEST).is_some() => {
            refuse("is longer than 256 characters; send an id that is shorter")
        }
        name => Ok(Some(name.into())),
    }
}

/// Whom the body names in the form of its surface. What the provider may take and the ledger does not
/// is cut, or counts as absent.
pub(super) fn of_body(body: &Body, dialect: Dialect) -> Option<Arc<str>> {
    match dialect {
        Dialect::OpenAi => {
            ["safety_identifier", "user"].iter().find_map(|name| noted(body.raw(name)?))
        }
        Dialect::Anthropic(_) => {
            let metadata = serde_json::from_str::<Metadata>(body.raw("metadata")?).ok()?;
            noted(metadata.user_id?.get())
        }
    }
}

/// A name as the ledger takes it, of a value that is not read unless it is a string.
fn noted(raw: &str) -> Option<Arc<str>> {
    if !raw.starts_with('"') {
        return None;
    }
    let Text(name) = serde_json::from_str(raw).ok()?;
    let name = storable(name.trim(), LONGEST);
    // What was cut may have ended in front of a space.
    let name = name.trim();
    (!name.is_empty()).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::{Value, json};

    use super::*;

    const ANTHROPIC: Dialect = Dialect::Anthropic(chrono::DateTime::UNIX_EPOCH);

    fn named(body: &Value, dialect: Dialect) -> Option<String> {
        let body = Body::from_bytes(body.to_string().as_bytes()).unwrap();
        of_body(&body, dialect).map(|name| name.to_string())
    }

    #[test]
    fn the_newer_member_goes_before_the_older_one_and_each_surface_has_its_own() {
        for (body, openai, messages) in [
            (json!({"safety_identifier": "new", "user": "old"}), Some("new"), None),
            (json!({"user": "old"}), Some("old"), None),
            (json!({"metadata": {"user_id": "id"}}), None, Some("id")),
            (json!({"user": "old", "metadata": {"user_id": "id"}}), Some("old"), Some("id")),
            (json!({"model": "m"}), None, None),
        ] {
            assert_eq!(named(&body, Dialect::OpenAi).as_deref(), openai, "{body}");
            assert_eq!(named(&body, ANTHROPIC).as_deref(), messages, "{body}");
        }
    }

    #[test]
    fn what_is_no_name_is_not_noted_and_a_long_one_is_cut() {
        for nobody in
            [json!(null), json!(7), json!(["a"]), json!({"id": "a"}), json!(" "), json!("\0")]
        {
            let body = json!({"safety_identifier": nobody, "user": "old"});
            assert_eq!(named(&body, Dialect::OpenAi).as_deref(), Some("old"), "{nobody}");
            let body = json!({"metadata": {"user_id": nobody}});
            assert_eq!(named(&body, ANTHROPIC), None, "{nobody}");
        }
        assert_eq!(named(&json!({"metadata": "id"}), ANTHROPIC), None);
        for (sent, kept) in [
            ("汉".repeat(300), "汉".repeat(256)),
            (" a\"\\\0b\n".to_owned(), "a\"\\b".to_owned()),
            (format!("{}x", "\u{1f600}".repeat(256)), "\u{1f600}".repeat(256)),
        ] {
            assert_eq!(named(&json!({"user": sent}), Dialect::OpenAi), Some(kept));
        }
        // Half a character is no text.
        let body = Body::from_bytes(br#"{"user": "\ud83d"}"#).unwrap();
        assert_eq!(of_body(&body, Dialect::OpenAi), None);
    }

    #[test]
    fn a_header_is_taken_whole_or_refused() {
        let of = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_bytes(value).unwrap());
            of_headers(&headers).map(|name| name.map(|name| name.to_string()))
        };
        assert_eq!(of_headers(&HeaderMap::new()).unwrap(), None);
        assert_eq!(of(b" ").unwrap(), None);
        assert_eq!(of("汉".repeat(256).as_bytes()).unwrap(), Some("汉".repeat(256)));
        for refused in ["汉".repeat(257).into_bytes(), b"\xff".to_vec()] {
            assert!(of(&refused).is_err());
        }
    }
}
