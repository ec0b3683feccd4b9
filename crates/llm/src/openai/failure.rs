//! Turning what goes wrong at a provider into [`LlmError`]: short words, never the key.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use lyceum_core::{Secret, causes};
use serde_json::Value;

use crate::LlmError;

/// The most characters of a provider's message that are kept.
const MAX_MESSAGE: usize = 300;

/// The error that an answer other than 2xx means.
pub(super) fn from_answer(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    key: Option<&Secret>,
) -> LlmError {
    let (message, code) = message(body);
    let message = match message.is_empty() {
        true => status.canonical_reason().unwrap_or("no reason given").to_owned(),
        false => tidy(&message, key),
    };
    let too_long = code == "context_length_exceeded"
        || message.contains("maximum context length")
        || message.contains("exceeds the available context size");
    match status.as_u16() {
        400 | 413 | 422 if too_long => LlmError::ContextLength(message),
        401 | 403 => LlmError::Unauthorized(message),
        404 => LlmError::UnknownModel(message),
        402 | 429 => LlmError::RateLimited { message, retry_after: retry_after(headers) },
        300..=399 => LlmError::Provider {
            status: status.as_u16(),
            message: "it redirects elsewhere, which is not followed; check the base URL".to_owned(),
        },
        400..=499 if status != StatusCode::REQUEST_TIMEOUT => LlmError::Rejected(message),
        status => LlmError::Provider { status, message },
    }
}

/// The error that an `error` member inside a stream or a 200 answer means.
pub(super) fn from_member(error: &Value, key: Option<&Secret>) -> LlmError {
    let body = serde_json::json!({ "error": error });
    let status = [error.get("code"), error.get("status")]
        .into_iter()
        .flatten()
        .filter_map(|value| value.as_u64().and_then(|code| u16::try_from(code).ok()))
        .find_map(|code| StatusCode::from_u16(code).ok().filter(|s| s.as_u16() >= 400));
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    from_answer(status, &HeaderMap::new(), body.to_string().as_bytes(), key)
}

/// The error of a request that got no answer.
pub(super) fn from_transport(error: reqwest::Error, waited: Duration) -> LlmError {
    if error.is_timeout() && !error.is_connect() {
        return LlmError::Timeout(waited);
    }
    if error.is_builder() {
        return LlmError::Internal(Box::new(error.without_url()));
    }
    let connecting = error.is_connect();
    let reason = innermost(&error.without_url());
    match connecting {
        true => LlmError::Connect(reason),
        false => LlmError::BrokenStream(reason),
    }
}

/// The innermost cause, which is the one that says something ("Connection refused").
fn innermost(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(String::new, |cause| cut(&cause.to_string()))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse::<f64>().ok()?;
    (0.0..86_400.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// The message and the code in a body, in any of the forms that are about.
fn message(body: &[u8]) -> (String, String) {
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let Ok(document) = serde_json::from_slice::<Value>(body) else {
        let body = String::from_utf8_lossy(body);
        let start = body.trim_start();
        return match start.starts_with('<') {
            true => ("it answered with a web page; check the base URL".to_owned(), String::new()),
            false => (start.to_owned(), String::new()),
        };
    };
    // Some gateways wrap the object into a list.
    let document = document.get(0).unwrap_or(&document);
    let error = document.get("error").unwrap_or(document);
    let found = text(error.get("message"))
        .or_else(|| text(Some(error)))
        .or_else(|| text(error.get("detail")))
        .or_else(|| text(document.get("message")))
        .or_else(|| error.get("detail").map(Value::to_string))
        .unwrap_or_default();
    (found, text(error.get("code")).unwrap_or_default())
}

/// One line without control characters and without the key.
fn tidy(message: &str, key: Option<&Secret>) -> String {
    let line: String =
        message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let line = match key.filter(|key| key.expose().len() >= 4) {
        Some(key) => line.replace(key.expose(), "***"),
        None => line,
    };
    cut(line.trim())
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(status: u16, body: &str) -> LlmError {
        let key = Secret::new("sk-very-secret");
        let status = StatusCode::from_u16(status).unwrap();
        from_answer(status, &HeaderMap::new(), body.as_bytes(), Some(&key))
    }

    #[test]
    fn bodies_of_every_form_become_words() {
        for (status, body, words) in [
            (
                401,
                r#"{"error":{"message":"Incorrect API key provided: sk-very-secret.","code":"invalid_api_key"}}"#,
                "the provider refused the key: Incorrect API key provided: ***.",
            ),
            (
                404,
                r#"{"error":"model 'x' not found, try pulling it first"}"#,
                "the provider does not know the model: model 'x' not found, try pulling it first",
            ),
            (
                422,
                r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#,
                r#"the provider refused the request: [{"loc":["body"],"msg":"field required"}]"#,
            ),
            (400, r#"{"message":"bad\nthing"}"#, "the provider refused the request: bad thing"),
            (
                400,
                r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#,
                "the prompt is longer than the model's context: too long",
            ),
            (
                429,
                r#"[{"error":{"code":429,"message":"quota"}}]"#,
                "the provider's limit is reached: quota",
            ),
            (500, "", "the provider failed with status 500: Internal Server Error"),
            (
                502,
                "<html><h1>Bad gateway</h1>",
                "the provider failed with status 502: it answered with a web page; check the base URL",
            ),
            (
                503,
                "no healthy upstream",
                "the provider failed with status 503: no healthy upstream",
            ),
            (
                302,
                "",
                "the provider failed with status 302: it redirects elsewhere, which is not followed; check the base URL",
            ),
        ] {
            assert_eq!(map(status, body).to_string(), words);
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let error = map(500, &"汉".repeat(10_000)).to_string();
        assert!(error.chars().count() < 400, "{}", error.chars().count());
    }

    #[test]
    fn retry_after_is_read() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, "7".parse().unwrap());
        let error = from_answer(StatusCode::TOO_MANY_REQUESTS, &headers, b"", None);
        assert!(matches!(
            error,
            LlmError::RateLimited { retry_after: Some(after), .. } if after == Duration::from_secs(7)
        ));
    }
}
