//! What is asked below `/v1`, or should have been, and is not there: refused as all else is refused
//! there.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, StatusCode, Uri};

use super::Failure;
use crate::Gateway;
use crate::limits::Dialect;

/// Characters of a path that are repeated.
const LONGEST: usize = 100;
/// Tells an Anthropic client by what it asks with.
const ANTHROPIC_VERSION: &str = "anthropic-version";
/// How the address of each surface ends. A longer one comes before what it ends in itself.
const ENDS: [&str; 6] = [
    "/chat/completions",
    "/completions",
    "/responses",
    "/embeddings",
    "/messages/count_tokens",
    "/messages",
];

/// There is no such path.
pub(super) async fn path(
    State(gateway): State<Gateway>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let message = format!(
        "There is nothing at {method} {}. Programs ask at /v1/chat/completions, /v1/responses, \
         /v1/completions, /v1/embeddings, /v1/messages and /v1/models.",
        shown(&uri),
    );
    let failure = Failure::new(StatusCode::NOT_FOUND, "not_found", message);
    failure.respond(dialect(&gateway, &uri, &headers))
}

/// There is the path, but not for this method.
pub(super) async fn method(
    State(gateway): State<Gateway>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let message = format!("{} does not take {method}.", shown(&uri));
    let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
    failure.respond(dialect(&gateway, &uri, &headers))
}

/// A program asks outside the API, mostly because its base URL lacks `/v1`.
pub fn astray(method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let end = ENDS.into_iter().find(|end| uri.path().ends_with(*end));
    let is_message = end.is_some_and(|end| end.starts_with("/messages"));
    let way = match end {
        Some(end) if is_message => format!(
            "Programs ask at /v1{end}. Anthropic's own add /v1 themselves: their base URL is the bare \
             address; that of others ends in /v1."
        ),
        Some(end) => format!("Programs ask at /v1{end}: their base URL ends in /v1."),
        None => "The API is below /api/v1, and what clients of OpenAI and Anthropic ask for below \
                 /v1."
            .to_owned(),
    };
    let message = format!("There is nothing at {method} {}. {way}", shown(uri));
    let failure = Failure::new(StatusCode::NOT_FOUND, "not_found", message);
    let document = match is_message || headers.contains_key(ANTHROPIC_VERSION) {
        true => failure.fault().anthropic(),
        false => failure.fault().openai(),
    };
    (StatusCode::NOT_FOUND, axum::Json(document)).into_response()
}

fn shown(uri: &Uri) -> String {
    uri.path().chars().take(LONGEST).collect()
}

/// Anthropic's clients ask below its paths, and name its version wherever they ask.
fn dialect(gateway: &Gateway, uri: &Uri, headers: &HeaderMap) -> Dialect {
    match uri.path().starts_with("/v1/messages") || headers.contains_key(ANTHROPIC_VERSION) {
        true => Dialect::Anthropic(gateway.inner.clock.now()),
        false => Dialect::OpenAi,
    }
}
