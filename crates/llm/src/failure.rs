//! Turning what goes wrong at a provider into [`LlmError`]: short words, never the key.

mod transport;

use std::cmp::Reverse;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use lyceum_core::Secret;
use serde_json::Value;

use crate::LlmError;
pub use transport::TransportError;
pub(crate) use transport::from_transport;

/// What a proxy means by the status 407.
const PROXY_REFUSED: &str = "the proxy (outgoing.proxy) refused: it wants a user and a password in \
                             the setting, or other ones (407)";
/// The most characters of a provider's message that are kept.
const MAX_MESSAGE: usize = 300;

/// The error that an answer other than 2xx means.
pub(crate) fn from_answer(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[Secret],
) -> LlmError {
    let said = Said::read(body);
    let message = match said.message.is_empty() {
        true => status.canonical_reason().unwrap_or("no reason given").to_owned(),
        false => tidy(&said.message, secrets),
    };
    match status.as_u16() {
        400 | 413 | 422 if said.is_too_long() => LlmError::ContextLength(message),
        400 | 403 | 422 if said.withholds() => LlmError::ContentPolicy(message),
        // Google's and others' refusals of a key and of an empty account come as bad requests.
        400 if said.refuses_key() => LlmError::Unauthorized(message),
        400 | 403 | 429 if said.is_used_up() => LlmError::NoCredit(message),
        401 | 403 => LlmError::Unauthorized(message),
        402 if !said.is_for_a_minute() => LlmError::NoCredit(message),
        404 if said.misses_a_thing() => LlmError::Rejected(message),
        404 => LlmError::UnknownModel(message),
        // What a proxy on the way says of a call that is not encrypted.
        407 => LlmError::Connect(PROXY_REFUSED.to_owned()),
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
pub(crate) fn from_member(error: &Value, secrets: &[Secret]) -> LlmError {
    let body = serde_json::json!({ "error": error });
    let status = status_of(error).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    from_answer(status, &HeaderMap::new(), body.to_string().as_bytes(), secrets)
}

/// What in an answer of status 200 says that it failed: its `error`, or the document itself where
/// it is of the form `{"code": 11200, "message": …}`. A word for a code has to be a known one.
pub(crate) fn member(document: &Value) -> Option<&Value> {
    if let Some(error) = document.get("error").filter(|error| !error.is_null()) {
        return Some(error);
    }
    let failed = match document.get("code")? {
        Value::String(_) => status_of(document).is_some(),
        code => code.as_i64().is_some_and(|code| code != 0),
    };
    (failed && document.get("message").is_some()).then_some(document)
}

/// The HTTP status that stands for an error document's names and numbers.
fn status_of(error: &Value) -> Option<StatusCode> {
    let members = ["code", "status", "type"];
    let words: Vec<String> = members.iter().filter_map(|name| text(error.get(name))).collect();
    let find = |known: fn(&str) -> Option<u16>| words.iter().find_map(|word| known(word));
    let status = find(own_name).or_else(|| find(number)).or_else(|| find(common_name))?;
    StatusCode::from_u16(status).ok()
}

/// A text, or a number's digits: the same code comes as either.
fn text(value: Option<&Value>) -> Option<String> {
    match value {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    }
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
    let name = name.to_ascii_lowercase();
    Some(match name.as_str() {
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
        // Moonshot's name for its own load, which comes as a 429 where there is a status.
        "resource_exhausted" | "engine_overloaded_error" => 429,
        "unavailable" => 503,
        "timeout_error" | "deadline_exceeded" => 504,
        "overloaded_error" => 529,
        name if limits_rate(name) => 429,
        _ => return None,
    })
}

/// Whether a name in lower case is one for too many requests or tokens at a time. Each provider has
/// several, for what it counts.
fn limits_rate(name: &str) -> bool {
    const WORDS: [&str; 9] = [
        // OpenAI, Anthropic, Moonshot (`rate_limit_reached_error`), Mistral (`rate_limited`), Baidu.
        "rate_limit",
        // Doubao (`ModelAccountTpmRateLimitExceeded`), Azure (`RateLimitReached`).
        "ratelimit",
        "too_many_requests",
        // Doubao's kind of all that it limits.
        "toomanyrequests",
        // Qwen (`Throttling.RateQuota`), Bedrock, LiteLLM.
        "throttl",
        // Qwen's compatible mode.
        "limit_requests",
        "limitrequests",
        "limit_burst",
        // Tencent Cloud.
        "requestlimitexceeded",
    ];
    WORDS.iter().any(|word| name.contains(word))
}

/// An HTTP status, or one of the Spark API's or Zhipu's own numbers.
fn number(word: &str) -> Option<u16> {
    let code = word.parse().ok()?;
    Some(match code {
        400..=599 => code,
        // Zhipu: requests at once, a minute or a day, the model's load, what a plan holds for a while,
        // its rules of fair use.
        1302..=1305 | 1308 | 1310 | 1312 | 1313 => 429,
        // Zhipu: the words were withheld, or are too many.
        1301 | 1261 => 400,
        // The words or the answer were withheld; the request is not well formed.
        10013 | 10014 | 10019 | 10003..=10005 | 10163 | 10907 => 400,
        11200 | 10313 | 10317 => 403,
        10007 | 11201..=11203 => 429,
        10008 | 10010 | 10110 => 503,
        10000..=11999 => 500,
        _ => return None,
    })
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    seconds(headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim())
}

fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.parse::<f64>().ok()?;
    (0.0..86_400.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// A list of what is wrong with a request, as Python's servers give it; without what stood there,
/// which may be long.
fn faults(list: &Value) -> Option<String> {
    let mut list = list.clone();
    for fault in list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        fault.remove("input");
    }
    (!list.is_null()).then(|| list.to_string())
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
            .or_else(|| faults(error.get("detail")?))
            .or_else(|| faults(error.get("message")?.get("detail")?))
            .unwrap_or_default();
        // Google's own form of Retry-After: {"details": [{"retryDelay": "34s"}]}.
        let details = error.get("details").and_then(Value::as_array).into_iter().flatten();
        let delays = details.filter_map(|detail| detail.get("retryDelay")?.as_str());
        let retry_after = delays.filter_map(|delay| seconds(delay.strip_suffix('s')?)).next();
        let word = |name: &str| text(error.get(name)).unwrap_or_default();
        Self { message, code: word("code"), kind: word("type"), retry_after }
    }

    /// Whether it is one of these names or numbers, wherever it gives them.
    fn is_any_of(&self, codes: &[&str]) -> bool {
        codes.iter().any(|code| [&self.code, &self.kind].into_iter().any(|word| word == code))
    }

    fn is_too_long(&self) -> bool {
        const CODES: [&str; 3] = [
            "context_length_exceeded",
            // Spark.
            "10907",
            // Zhipu.
            "1261",
        ];
        const WORDS: [&str; 11] = [
            "maximum context length",
            "exceeds the available context size",
            // SGLang.
            "longer than the model's context length",
            // Moonshot.
            "exceeded model token limit",
            // xAI.
            "maximum prompt length",
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
        self.is_any_of(&CODES) || WORDS.iter().any(|words| self.message.contains(words))
    }

    fn withholds(&self) -> bool {
        const CODES: [&str; 9] = [
            // OpenAI, Azure and Moonshot.
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
            // Zhipu.
            "1301",
        ];
        const WORDS: [&str; 2] = [
            // DeepSeek.
            "Content Exists Risk",
            // Anthropic.
            "blocked by content filtering policy",
        ];
        self.is_any_of(&CODES)
            // Doubao: of a text, a picture or a video, asked or answered.
            || self.code.contains("SensitiveContentDetected")
            || WORDS.iter().any(|words| self.message.contains(words))
    }

    fn refuses_key(&self) -> bool {
        self.message.starts_with("API key not valid") || self.message.contains("API key expired")
    }

    /// Whether what was not found is something that the request refers to, and not its model: all of
    /// OpenAI's.
    fn misses_a_thing(&self) -> bool {
        const WORDS: [&str; 3] =
            ["Item with id", "Previous response with id", "No such File object"];
        WORDS.iter().any(|words| self.message.starts_with(words))
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

/// One line without control characters and without secrets.
fn tidy(message: &str, secrets: &[Secret]) -> String {
    let mut line: String =
        message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    let mut secrets: Vec<&str> =
        secrets.iter().map(Secret::expose).filter(|secret| secret.len() >= 4).collect();
    // One may begin with another, of which nothing must be left either.
    secrets.sort_unstable_by_key(|secret| Reverse(secret.len()));
    for secret in secrets {
        line = line.replace(secret, "***");
    }
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
