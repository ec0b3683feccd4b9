//! What is asked below `/v1` and is not there, refused as all else is refused there.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode, Uri};

use super::Failure;
use crate::Gateway;
use crate::limits::Dialect;

/// Characters of a path that are repeated.
const LONGEST: usize = 100;

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

fn shown(uri: &Uri) -> String {
    uri.path().chars().take(LONGEST).collect()
}

/// Anthropic's clients ask below its paths, and name its version wherever they ask.
fn dialect(gateway: &Gateway, uri: &Uri, headers: &HeaderMap) -> Dialect {
    match uri.path().starts_with("/v1/messages") || headers.contains_key("anthropic-version") {
        true => Dialect::Anthropic(gateway.inner.clock.now()),
        false => Dialect::OpenAi,
    }
}
