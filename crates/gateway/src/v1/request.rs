//! The id of a request: in the ledger, and on every answer, also where that is a refusal.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::live;

/// The header that tells it to Anthropic's clients.
pub(super) const ANTHROPIC_ID: HeaderName = HeaderName::from_static("request-id");
/// The header that tells it to everybody.
const ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static REQUEST: Uuid;
}

/// Gives a request its id, and its answer the header that tells it; its calls are noted with the route
/// by which it came.
pub(crate) async fn receive(request: Request, next: Next) -> Response {
    let id = lyceum_core::new_id();
    let route = request.extensions().get::<MatchedPath>().map(|path| Arc::from(path.as_str()));
    let answer = live::at_surface(route, next.run(request));
    let mut response = REQUEST.scope(id, answer).await;
    name(response.headers_mut(), ID, id);
    response
}

/// Tells the id in a header.
pub(super) fn name(headers: &mut HeaderMap, header: HeaderName, id: Uuid) {
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(header, value);
    }
}

/// The id of the request that this task answers.
pub(super) fn id() -> Uuid {
    REQUEST.try_with(|id| *id).unwrap_or_else(|_| lyceum_core::new_id())
}
