use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use lyceum_core::{BoxError, ErrorKind, Misread, Problem, causes, chain};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The body of every error answer (RFC 9457, `application/problem+json`).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProblemDocument {
    /// The HTTP status, repeated.
    pub status: u16,
    /// The status in words.
    pub title: String,
    /// A stable name that programs can match on.
    pub code: String,
    /// One sentence for a person.
    pub detail: String,
    /// Members that belong to this code.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub extensions: Map<String, Value>,
}

/// Any domain's error on its way to the client. Causes are logged here, once, and never sent.
#[derive(Debug)]
pub struct ApiError {
    kind: ErrorKind,
    code: &'static str,
    detail: String,
    retry_after: Option<Duration>,
    extensions: Map<String, Value>,
    source: Option<BoxError>,
}

impl ApiError {
    /// An error of the given kind.
    pub fn new(kind: ErrorKind, code: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { kind, code, detail, retry_after: None, extensions: Map::new(), source: None }
    }

    /// A malformed request (400).
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadRequest, code, detail)
    }

    /// A member of the request that cannot be what it is (422), or the `whole` of it. Named in the
    /// member `field`, too.
    pub(crate) fn misread(misread: &Misread, whole: &str) -> Self {
        let error = Self::new(ErrorKind::Invalid, "invalid_field", misread.sentence(whole));
        match misread.member.is_empty() {
            true => error,
            false => error.with("field", misread.member.as_str()),
        }
    }

    /// No valid credential (401).
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unauthenticated, "unauthenticated", detail)
    }

    /// The right is missing (403); says which, also in the member `right`.
    pub fn forbidden(resource: &str, action: &str) -> Self {
        let right = format!("{resource}:{action}");
        let detail = format!("{NEED}{right} for this.");
        Self::new(ErrorKind::Forbidden, "forbidden", detail).with("right", right)
    }

    /// The right that a refusal names, in whatever form the answer has: other products' forms carry
    /// the sentence, too.
    pub fn missing_right(answer: &str) -> Option<&str> {
        let (_, after) = answer.split_once(NEED)?;
        after.split_once(" for this.").map(|(right, _)| right)
    }

    /// There is no such object for this caller (404).
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorKind::NotFound, "not_found", format!("There is no such {what}."))
    }

    /// A fault of ours (500); `cause` goes to the log.
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        let detail = "Something went wrong on our side; the log has the cause.";
        let mut error = Self::new(ErrorKind::Internal, "internal", detail);
        error.source = Some(cause.into());
        error
    }

    /// Adds a member to the document.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(name.to_owned(), value.into());
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        status_of(self.kind)
    }

    /// The stable name.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence for a person.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl<P: Problem> From<P> for ApiError {
    fn from(problem: P) -> Self {
        Self {
            kind: problem.kind(),
            code: problem.code(),
            detail: problem.detail(),
            retry_after: problem.retry_after(),
            extensions: problem.extensions(),
            source: Some(Box::new(problem)),
        }
    }
}

/// How the refusal of a missing right begins.
const NEED: &str = "You need the right ";

/// The one table from kinds to statuses.
fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::BadRequest => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Gone => StatusCode::GONE,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::Upstream => StatusCode::BAD_GATEWAY,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            let cause = self.source.as_deref().map(|error| chain(error));
            tracing::error!(code = self.code, cause, "request failed");
        }
        let document = ProblemDocument {
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            code: self.code.to_owned(),
            detail: self.detail,
            extensions: self.extensions,
        };
        let mut response = (status, axum::Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, retry_after(after));
        }
        response
    }
}

/// The value of `Retry-After`: whole seconds, never fewer than have to pass.
pub fn retry_after(after: Duration) -> HeaderValue {
    let begun = u64::from(after.subsec_nanos() > 0);
    HeaderValue::from(after.as_secs().saturating_add(begun).max(1))
}

/// A JSON body that is refused with `problem+json`.
pub struct ApiJson<T>(pub T);

impl<T, S> FromRequest<S> for ApiJson<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(JsonRejection::JsonDataError(error)) => {
                Err(ApiError::misread(&Misread::of(&innermost(&error)), "The body"))
            }
            Err(JsonRejection::JsonSyntaxError(error)) => {
                // Where one of several names is wanted, a number counts as a fault of the form.
                let words = innermost(&error).replace("expected value", "expected another value");
                let detail = format!("The body cannot be read as JSON: {words}.");
                Err(ApiError::bad_request("malformed_json", detail))
            }
            Err(JsonRejection::MissingJsonContentType(_)) => Err(ApiError::new(
                ErrorKind::UnsupportedMedia,
                "content_type_not_json",
                "Send the body as application/json.",
            )),
            Err(other) if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(ApiError::new(
                ErrorKind::TooLarge,
                "body_too_large",
                "The body is larger than this address accepts.",
            )),
            Err(_) => Err(ApiError::bad_request(
                "unreadable_body",
                "The body did not arrive whole; send it again.",
            )),
        }
    }
}

/// What the reader itself says, without the framework's words around it.
pub(crate) fn innermost(rejection: &(dyn std::error::Error + 'static)) -> String {
    causes(rejection).last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Route {
        name: String,
        targets: Vec<Target>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Target {
        weight: u8,
        level: Level,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Level {
        View,
        Edit,
    }

    async fn read(body: &str) -> Result<Route, ApiError> {
        let request = http::Request::post("/")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        ApiJson::<Route>::from_request(request, &()).await.map(|ApiJson(route)| route)
    }

    #[tokio::test]
    async fn a_body_that_cannot_be_read_is_told_by_member_and_what_is_allowed() {
        let target = Target { weight: 1, level: Level::Edit };
        let whole = r#"{"name": "a", "targets": [{"weight": 1, "level": "edit"}]}"#;
        let route = Route { name: "a".to_owned(), targets: vec![target] };
        assert_eq!(read(whole).await.unwrap(), route);
        for (change, field, detail) in [
            (r#""name": 7"#, "name", "name: must be a string, not 7."),
            (r#""nom": "a""#, "nom", "nom: is not known here; known are: name, targets."),
            (r#""targets": "all""#, "targets", "targets: must be a list, not a string."),
            (r#""targets": [{"level": "edit"}]"#, "targets[0].weight", "is required."),
            (
                r#""targets": [{"weight": 300, "level": "edit"}]"#,
                "targets[0].weight",
                "must be a whole number from 0 to 255, not 300.",
            ),
            (
                r#""targets": [{"weight": 1, "level": "own"}]"#,
                "targets[0].level",
                "must be one of: view, edit; 'own' is not.",
            ),
            (
                r#""targets": [{"weight": 1, "level": "view", "x": 0}]"#,
                "targets[0].x",
                "is not known here; known are: weight, level.",
            ),
        ] {
            let refusal = read(&format!("{{{change}}}")).await.unwrap_err();
            let told = (refusal.status(), refusal.code(), &refusal.extensions["field"]);
            let expected = (StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", &Value::from(field));
            assert_eq!(told, expected, "{change}");
            assert!(refusal.detail().ends_with(detail), "{change}: {}", refusal.detail());
            assert!(refusal.detail().starts_with(field), "{change}: {}", refusal.detail());
        }
        let list = read("[]").await.unwrap_err();
        assert_eq!((list.code(), list.extensions.get("field")), ("invalid_field", None));
        assert_eq!(list.detail(), "The body must be an object, not a list.");
        let missing = read("{}").await.unwrap_err();
        assert_eq!(missing.detail(), "name: is required.");
    }

    #[tokio::test]
    async fn a_body_that_is_no_json_is_told_with_the_place() {
        for (body, words) in [
            (r#"{"name": "a""#, "EOF while parsing an object at line 1"),
            (r#"{"targets": [{"level": 5}]}"#, "targets[0].level: expected another value"),
        ] {
            let refusal = read(body).await.unwrap_err();
            let told = (refusal.status(), refusal.code());
            assert_eq!(told, (StatusCode::BAD_REQUEST, "malformed_json"), "{body}");
            assert!(refusal.detail().contains(words), "{body}: {}", refusal.detail());
        }
    }

    #[test]
    fn nobody_is_asked_back_too_early() {
        for (millis, seconds) in [(0, "1"), (900, "1"), (1000, "1"), (1001, "2"), (59_500, "60")] {
            assert_eq!(retry_after(Duration::from_millis(millis)), seconds, "{millis}");
        }
    }

    #[test]
    fn a_refusal_names_the_right_in_any_form() {
        let refusal = ApiError::forbidden("user", "read");
        assert_eq!(ApiError::missing_right(refusal.detail()), Some("user:read"));
        let elsewhere = serde_json::json!({ "error": { "message": refusal.detail() } }).to_string();
        assert_eq!(ApiError::missing_right(&elsewhere), Some("user:read"));
        assert_eq!(ApiError::missing_right("You need the right attitude."), None);
        assert_eq!(ApiError::missing_right(""), None);
    }
}
