//! Errors in OpenAI's form.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// Why a request is not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    TooLong(String),
    #[error("the model '{0}' does not exist here")]
    UnknownModel(String),
    #[error("{0}")]
    NotInstalled(String),
    #[error("the model's queue is full; try again shortly")]
    Busy,
    #[error("{0}")]
    Native(String),
}

impl Failure {
    fn parts(&self) -> (StatusCode, &'static str, &'static str) {
        let wrong = "invalid_request_error";
        match self {
            Failure::Invalid(_) => (StatusCode::BAD_REQUEST, wrong, "invalid_request"),
            Failure::TooLong(_) => (StatusCode::BAD_REQUEST, wrong, "context_length_exceeded"),
            Failure::UnknownModel(_) => (StatusCode::NOT_FOUND, wrong, "model_not_found"),
            Failure::NotInstalled(_) => (StatusCode::NOT_FOUND, wrong, "model_not_installed"),
            Failure::Busy => (StatusCode::SERVICE_UNAVAILABLE, "server_error", "engine_busy"),
            Failure::Native(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "server_error", "engine_failed")
            }
        }
    }

    /// The value of an `error` member.
    pub(crate) fn to_json(&self) -> Value {
        let (status, kind, code) = self.parts();
        let message = self.to_string();
        json!({ "message": message, "type": kind, "code": code, "status": status.as_u16() })
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, ..) = self.parts();
        let mut response = (status, Json(json!({ "error": self.to_json() }))).into_response();
        if matches!(self, Failure::Busy) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}
