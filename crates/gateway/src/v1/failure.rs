use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use lyceum_core::Problem;
use lyceum_http::ApiError;
use lyceum_llm::LlmError;
use serde_json::json;

use crate::GatewayError;
use crate::limits::{RateRefusal, describe_rates};
use crate::routes::{Refusal, Verdict};

/// OpenAI's name for a quota that is used up, as a code and as a type.
const NO_QUOTA: &str = "insufficient_quota";

/// An error in OpenAI's form.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: String,
    message: String,
    retry_after: Option<Duration>,
    rate: Option<Box<RateRefusal>>,
    verdict: Verdict,
}

impl Refusal for Failure {
    fn verdict(&self) -> Verdict {
        self.verdict
    }
}

impl Failure {
    /// A request that cannot be understood.
    pub(super) fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            retry_after: None,
            rate: None,
            verdict: Verdict::default(),
        }
    }

    /// The JSON document, also sent as an event where the stream has already begun.
    pub(super) fn document(&self) -> serde_json::Value {
        let kind = match self.status {
            _ if self.code == NO_QUOTA => NO_QUOTA,
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        json!({ "error": {
            "message": self.message, "type": kind, "param": null, "code": self.code,
        }})
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        // OpenAI's own name, which its clients look for.
        let code = match error.status() {
            StatusCode::UNAUTHORIZED => "invalid_api_key",
            _ => error.code(),
        };
        Self::new(error.status(), code, error.detail())
    }
}

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        let (retry_after, verdict) = (error.retry_after(), error.verdict());
        let status = match &error {
            // The provider's own refusals keep their status where it means the same here.
            GatewayError::Llm(LlmError::ContextLength(_)) => StatusCode::BAD_REQUEST,
            _ => ApiError::new(error.kind(), error.code(), "").status(),
        };
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = &error as &dyn std::error::Error, "a call failed");
        }
        let code = match &error {
            GatewayError::QuotaExceeded(_) => NO_QUOTA,
            error => error.code(),
        };
        let detail = error.detail();
        let rate = match error {
            GatewayError::Limited { rate, .. } => Some(rate),
            _ => None,
        };
        Self { retry_after, rate, verdict, ..Self::new(status, code, detail) }
    }
}

impl From<LlmError> for Failure {
    fn from(error: LlmError) -> Self {
        GatewayError::Llm(error).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.document())).into_response();
        if let Some(rate) = self.rate {
            describe_rates(response.headers_mut(), &rate.standing);
        }
        if let Some(after) = self.retry_after {
            let seconds = HeaderValue::from(after.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}
