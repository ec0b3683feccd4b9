//! Refusals in SCIM's own shape (RFC 7644, section 3.12).

use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use lyceum_core::{Problem as _, chain};
use lyceum_http::ApiError;
use lyceum_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use super::schemas;
use crate::IdentityError;

/// The media type of everything that SCIM answers.
pub(super) const MEDIA_TYPE: &str = "application/scim+json";

/// A refusal.
#[derive(Debug)]
pub(crate) struct ScimError {
    status: StatusCode,
    scim_type: Option<&'static str>,
    detail: String,
}

/// The body of a refusal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScimErrorDocument {
    schemas: [&'static str; 1],
    /// The HTTP status, as text.
    status: String,
    /// What is wrong, in SCIM's words.
    #[serde(rename = "scimType", skip_serializing_if = "Option::is_none")]
    scim_type: Option<&'static str>,
    /// One sentence for a person.
    detail: String,
}

impl ScimError {
    pub(super) fn unauthenticated() -> Self {
        let detail = "Send a SCIM token that works; its maker has to be active with all rights.";
        Self { status: StatusCode::UNAUTHORIZED, scim_type: None, detail: detail.to_owned() }
    }

    pub(super) fn not_found(what: &str) -> Self {
        let detail = format!("There is no such {what}.");
        Self { status: StatusCode::NOT_FOUND, scim_type: None, detail }
    }

    pub(super) fn invalid_value(detail: impl Into<String>) -> Self {
        Self::bad_request("invalidValue", detail)
    }

    pub(super) fn invalid_filter(detail: impl Into<String>) -> Self {
        Self::bad_request("invalidFilter", detail)
    }

    pub(super) fn invalid_path(detail: impl Into<String>) -> Self {
        Self::bad_request("invalidPath", detail)
    }

    pub(super) fn invalid_syntax(detail: impl Into<String>) -> Self {
        Self::bad_request("invalidSyntax", detail)
    }

    pub(super) fn no_target() -> Self {
        Self::bad_request("noTarget", "Say by a path what is to be changed.")
    }

    fn bad_request(scim_type: &'static str, detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, scim_type: Some(scim_type), detail: detail.into() }
    }

    /// The kind of error, for filters that are paths.
    pub(super) fn in_path(self) -> Self {
        Self { scim_type: self.scim_type.map(|_| "invalidPath"), ..self }
    }
}

impl From<IdentityError> for ScimError {
    fn from(error: IdentityError) -> Self {
        let scim_type = match &error {
            IdentityError::Field { .. } => Some("invalidValue"),
            IdentityError::Taken { .. } | IdentityError::NameTaken(_) => Some("uniqueness"),
            _ => None,
        };
        let (detail, cause) = (error.detail(), chain(&error));
        let problem = ApiError::from(error);
        let status = match problem.status() {
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            status => status,
        };
        if status.is_server_error() {
            tracing::error!(code = problem.code(), cause, "request failed");
        }
        Self { status, scim_type, detail }
    }
}

impl From<StoreError> for ScimError {
    fn from(error: StoreError) -> Self {
        IdentityError::from(error).into()
    }
}

impl From<sqlx::Error> for ScimError {
    fn from(error: sqlx::Error) -> Self {
        IdentityError::from(error).into()
    }
}

impl From<BytesRejection> for ScimError {
    fn from(rejection: BytesRejection) -> Self {
        Self { status: rejection.status(), scim_type: None, detail: rejection.body_text() }
    }
}

impl IntoResponse for ScimError {
    fn into_response(self) -> Response {
        let document = ScimErrorDocument {
            schemas: [schemas::ERROR],
            status: self.status.as_u16().to_string(),
            scim_type: self.scim_type,
            detail: self.detail,
        };
        let mut response = (self.status, axum::Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
