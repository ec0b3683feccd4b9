//! The id of a request: in the ledger, and on every answer, also where that is a refusal.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use uuid::Uuid;

tokio::task_local! {
    static REQUEST: Uuid;
}

/// Gives a request its id, and its answer the header that tells it.
pub(super) async fn identify(request: Request, next: Next) -> Response {
    let id = lyceum_core::new_id();
    let mut response = REQUEST.scope(id, next.run(request)).await;
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), value);
    }
    response
}

/// The id of the request that this task answers.
pub(super) fn id() -> Uuid {
    REQUEST.try_with(|id| *id).unwrap_or_else(|_| lyceum_core::new_id())
}
