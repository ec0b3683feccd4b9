use http::StatusCode;
use serde_json::{Value, json};

/// OpenAI's name for a quota that is used up, as a code and as a type.
const NO_QUOTA: &str = "insufficient_quota";

/// A failure that a surface tells of.
#[derive(Clone, Copy, Debug)]
pub struct Fault<'a> {
    /// Which the answer has, or would have if the stream had not begun.
    pub status: StatusCode,
    /// Stable, for programs.
    pub code: &'a str,
    /// For people.
    pub message: &'a str,
    /// The member of the request that is at fault, where one is: `model`, `tools.0`.
    pub param: Option<&'a str>,
}

impl Fault<'_> {
    /// The document in OpenAI's form.
    pub fn openai(&self) -> Value {
        let kind = match self.status {
            _ if self.code == NO_QUOTA => NO_QUOTA,
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        json!({ "error": {
            "message": self.message, "type": kind, "param": self.param, "code": self.code,
        }})
    }

    /// The document in Anthropic's form. The code is no member of theirs; their clients ignore it.
    /// Theirs has no place for the member at fault.
    pub fn anthropic(&self) -> Value {
        let kind = match self.status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            503 | 529 => "overloaded_error",
            504 => "timeout_error",
            500..=599 => "api_error",
            _ => "invalid_request_error",
        };
        json!({ "type": "error", "error": {
            "type": kind, "message": self.message, "code": self.code,
        }})
    }
}
