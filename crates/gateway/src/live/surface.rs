use std::sync::Arc;

tokio::task_local! {
    static SURFACE: Option<Arc<str>>;
}

/// Answers a request that came by this route, so that its calls are noted with it.
pub(crate) async fn at_surface<F: Future>(route: Option<Arc<str>>, answer: F) -> F::Output {
    SURFACE.scope(route, answer).await
}

/// The route of the request that is being answered.
pub(super) fn current() -> Option<Arc<str>> {
    SURFACE.try_with(Clone::clone).ok().flatten()
}
