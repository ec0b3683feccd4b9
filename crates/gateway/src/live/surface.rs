use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;

tokio::task_local! {
    static SURFACE: Arc<str>;
}

/// Notes by which route a request came, for the calls that it makes.
pub(crate) async fn name_surface(request: Request, next: Next) -> Response {
    match request.extensions().get::<MatchedPath>() {
        Some(path) => {
            let path = Arc::from(path.as_str());
            SURFACE.scope(path, next.run(request)).await
        }
        None => next.run(request).await,
    }
}

/// The route of the request that is being answered.
pub(super) fn current() -> Option<Arc<str>> {
    SURFACE.try_with(Arc::clone).ok()
}
