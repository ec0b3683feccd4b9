//! Turning what goes wrong at a provider into [`LlmError`]: short words, never the key.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use lyceum_core::{Secret, causes};
use serde_json::Value;

use crate::LlmError;

/// The most characters of a provider's message that are kept.
const MAX_MESSAGE: usize = 300;

/// The error that an answer other than 2xx means.
pub(crate) fn from_answer(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    key: Option<&Secret>,
) -> LlmError {
    let said = Said::read(body);
    let message = match said.message.is_empty() {
        true => status.canonical_reason().unwrap_or("no reason given").to_owned(),
        false => tidy(&said.message, key),
    };
    match status.as_u16() {
        400 | 413 | 422 if said.is_too_long() => LlmError::ContextLength(message),
        400 | 403 | 422 if said.withholds() => LlmError::ContentPolicy(message),
        // Google's and others' refusals of a key and of an empty account come as bad requests.
        400 if said.refuses_key() => LlmError::Unauthorized(message),
        400 | 403 | 429 if said.is_used_up() => LlmError::NoCredit(message),
        401 | 403 => LlmError::Unauthorized(message),
        402 if !said.is_for_a_minute() => LlmError::NoCredit(message),
        404 => LlmError::UnknownModel(message),
        402 | 429 => LlmError::RateLimited {
            message,
            retry_after: retry_after(headers).or(said.retry_after),
        },
        300..=399 => LlmError::Provider {
            status: status.as_u16(),
            message: "it redirects elsewhere, which is not followed; check the base URL".to_owned(),
        },
        400..=499 if status != StatusCode::REQUEST_TIMEOUT => LlmError::Rejected(message),
        status => LlmError::Provider { status, message },
    }
}

/// The error that an error document inside a stream or a 200 answer means.
pub(crate) fn from_member(error: &Value, key: Option<&Secret>) -> LlmError {
    let body = serde_json::json!({ "error": error });
    let status = status_of(error).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    from_answer(status, &HeaderMap::new(), body.to_string().as_bytes(), key)
}

/// What in an answer of status 200 says that it failed: its `error`, or the document itself where
/// it is of the form `{"code": 11200, "message": …}`.
pub(crate) fn member(document: &Value) -> Option<&Value> {
    if let Some(error) = document.get("error").filter(|error| !error.is_null()) {
        return Some(error);
    }
    let failed = document.get("code").and_then(Value::as_i64).is_some_and(|code| code != 0);
    (failed && document.get("message").is_some()).then_some(document)
}

/// The HTTP status that stands for an error document's names and numbers.
fn status_of(error: &Value) -> Option<StatusCode> {
    let members = ["code", "status", "type"];
    let names = || members.iter().filter_map(|name| error.get(name)?.as_str());
    let numbers = members.iter().filter_map(|name| error.get(name)?.as_u64());
    let status = names()
        .find_map(own_name)
        .or_else(|| numbers.filter_map(number).next())
        .or_else(|| names().find_map(common_name))?;
    StatusCode::from_u16(status).ok()
}

/// Names that say more than the number beside them.
fn own_name(name: &str) -> Option<u16> {
    match name {
        // OpenAI, Dify, Anthropic, Moonshot, Zhipu, Qwen, Doubao.
        "insufficient_quota"
        | "billing_not_active"
        | "provider_quota_exceeded"
        | "billing_error"
        | "exceeded_current_quota_error"
        | "1113"
        | "Arrearage"
        | "PrepaidBillOverdue"
        | "PostpaidBillOverdue"
        | "CommodityNotPurchased"
        | "AccountOverdueError" => Some(402),
        // Dify: the model behind the application failed.
        "completion_request_error" | "provider_not_initialize" => Some(502),
        _ => None,
    }
}

fn common_name(name: &str) -> Option<u16> {
    Some(match name.to_ascii_lowercase().as_str() {
        "invalid_request_error"
        | "invalid_argument"
        | "invalid_param"
        | "bad_request"
        | "badrequest"
        | "failed_precondition"
        | "invalid_prompt"
        | "context_length_exceeded"
        | "content_filter"
        | "content_policy_violation"
        | "data_inspection_failed" => 400,
        "authentication_error" | "invalid_api_key" | "unauthorized" | "unauthenticated" => 401,
        "permission_error" | "permission_denied" | "forbidden" => 403,
        "not_found_error" | "not_found" | "model_not_found" => 404,
        "request_too_large" => 413,
        "rate_limit_error" | "rate_limit_exceeded" | "resource_exhausted" | "too_many_requests" => {
            429
        }
        "unavailable" => 503,
        "timeout_error" | "deadline_exceeded" => 504,
        "overloaded_error" => 529,
        _ => return None,
    })
}

/// An HTTP status, or one of the Spark API's own numbers.
fn number(code: u64) -> Option<u16> {
    Some(match code {
        400..=599 => u16::try_from(code).ok()?,
        // The words or the answer were withheld; the request is not well formed.
        10013 | 10014 | 10019 | 10003..=10005 | 10163 | 10907 => 400,
        11200 | 10313 | 10317 => 403,
        10007 | 11201..=11203 => 429,
        10008 | 10010 | 10110 => 503,
        10000..=11999 => 500,
        _ => return None,
    })
}

/// The error of a request that got no answer.
pub(crate) fn from_transport(error: reqwest::Error, waited: Duration) -> LlmError {
    if error.is_timeout() && !error.is_connect() {
        return LlmError::Timeout(waited);
    }
    if error.is_builder() {
        return LlmError::Internal(Box::new(error.without_url()));
    }
    let connecting = error.is_connect();
    let error = error.without_url();
    let reason = innermost(&error);
    match connecting {
        true if is_tls(&error) => LlmError::Tls(reason),
        true => LlmError::Connect(reason),
        false => LlmError::BrokenStream(reason),
    }
}

/// The innermost cause, which is the one that says something ("Connection refused").
fn innermost(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(String::new, |cause| cut(&cause.to_string()))
}

/// Whether the other side was reached and the two could not agree on a secure connection.
fn is_tls(error: &reqwest::Error) -> bool {
    // An IO error does not name what it carries as its cause.
    fn carries(error: &(dyn std::error::Error + 'static)) -> bool {
        let inner = error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
        error.is::<rustls::Error>() || inner.is_some_and(|inner| carries(inner))
    }
    causes(error).any(carries)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    seconds(headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim())
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.parse::<f64>().ok()?;
    (0.0..86_400.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// What an error document says.
#[derive(Default)]
struct Said {
    message: String,
    code: String,
    /// Some give their word for it here and no code.
    kind: String,
    retry_after: Option<Duration>,
}

impl Said {
    /// Reads a body in any of the forms that are about.
    fn read(body: &[u8]) -> Self {
        let text = |value: Option<&Value>| match value {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let Ok(document) = serde_json::from_slice::<Value>(body) else {
            let body = String::from_utf8_lossy(body);
            let start = body.trim_start();
            let message = match start.starts_with('<') {
                true => "it answered with a web page; check the base URL",
                false => start,
            };
            return Self { message: message.to_owned(), ..Self::default() };
        };
        // Some gateways wrap the object into a list.
        let document = document.get(0).unwrap_or(&document);
        let error = document.get("error").unwrap_or(document);
        let message = text(error.get("message"))
            .or_else(|| text(Some(error)))
            .or_else(|| text(error.get("detail")))
            .or_else(|| text(document.get("message")))
            .or_else(|| error.get("detail").map(Value::to_string))
            .unwrap_or_default();
        // Google's own form of Retry-After: {"details": [{"retryDelay": "34s"}]}.
        let details = error.get("details").and_then(Value::as_array).into_iter().flatten();
        let delays = details.filter_map(|detail| detail.get("retryDelay")?.as_str());
        let retry_after = delays.filter_map(|delay| seconds(delay.strip_suffix('s')?)).next();
        let word = |name: &str| text(error.get(name)).unwrap_or_default();
        Self { message, code: word("code"), kind: word("type"), retry_after }
    }

    fn is_too_long(&self) -> bool {
        const WORDS: [&str; 8] = [
            "maximum context length",
            "exceeds the available context size",
            // Anthropic.
            "prompt is too long",
            "exceed context limit",
            // Gemini.
            "exceeds the maximum number of tokens allowed",
            // Qwen.
            "Range of input length should be",
            // Doubao.
            "exceed max message tokens",
            "exceeds the maximum input length",
        ];
        self.code == "context_length_exceeded"
            || self.code == "10907"
            || WORDS.iter().any(|words| self.message.contains(words))
    }

    fn withholds(&self) -> bool {
        const CODES: [&str; 8] = [
            // OpenAI and Azure.
            "content_filter",
            "content_policy_violation",
            "invalid_prompt",
            // Qwen.
            "data_inspection_failed",
            "DataInspectionFailed",
            // Spark.
            "10013",
            "10014",
            "10019",
        ];
        const WORDS: [&str; 2] = [
            // DeepSeek.
            "Content Exists Risk",
            // Anthropic.
            "blocked by content filtering policy",
        ];
        CODES.contains(&self.code.as_str())
            // Doubao: of a text, a picture or a video, asked or answered.
            || self.code.contains("SensitiveContentDetected")
            || WORDS.iter().any(|words| self.message.contains(words))
    }

    fn refuses_key(&self) -> bool {
        self.message.starts_with("API key not valid") || self.message.contains("API key expired")
    }

    fn is_used_up(&self) -> bool {
        let says_so = [&self.code, &self.kind].into_iter().any(|word| own_name(word) == Some(402))
            // What Qwen gives for nothing, and what a plan of Spark holds for a day.
            || self.code.starts_with("AllocationQuota")
            || self.code == "11201"
            || self.message.contains("credit balance is too low");
        says_so && !self.is_for_a_minute()
    }

    /// Whether it is Qwen's limit of tokens a minute, which has OpenAI's name for a used-up account;
    /// the words differ, or where they do not, the page that they point to.
    fn is_for_a_minute(&self) -> bool {
        ["Allocated quota exceeded", "#token-limit"]
            .iter()
            .any(|words| self.message.contains(words))
    }
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
mod tests;
