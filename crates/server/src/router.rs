//! All routes under one roof, with what every request and answer goes through.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{HeaderName, HeaderValue, header};
use lyceum_core::ErrorKind;
use lyceum_http::{ApiError, Authenticator};
use lyceum_identity::client_info;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use tracing::Instrument as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::telemetry::{request_span, traced};
use crate::{assets, openapi, query};

/// Bytes of a JSON body; routes that take files or prompts raise it for themselves.
const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// How long a body may stand still before the request is given up.
const BODY_IDLE: Duration = Duration::from_secs(60);

/// What the layers need.
#[derive(Clone)]
pub struct Surroundings {
    /// Finds the caller of a request.
    pub authenticator: Arc<dyn Authenticator>,
    /// Take the client's address from a proxy's `X-Forwarded-For`.
    pub trust_proxy: bool,
}

/// The API's routes and its document. `api` are the routers below `/api/v1`, `compatible` is what
/// other products' clients call (at `/v1`), `scim` what directories call (below `/scim/v2`): these
/// clients may send more than the document says.
pub fn routes(
    api: impl IntoIterator<Item = OpenApiRouter>,
    compatible: OpenApiRouter,
    scim: OpenApiRouter,
) -> (Router, OpenApi) {
    let nested = api.into_iter().fold(OpenApiRouter::new(), OpenApiRouter::merge);
    query::only_documented(OpenApiRouter::with_openapi(openapi::base()).nest("/api/v1", nested))
        .merge(compatible)
        .nest("/scim/v2", scim)
        .split_for_parts()
}

/// The whole application, ready to serve.
pub fn application(routes: Router, document: OpenApi, surroundings: Surroundings) -> Router {
    let document: Arc<str> = serde_json::to_string(&document).unwrap_or_default().into();
    let web = Router::new().fallback(assets::serve).layer(CompressionLayer::new());
    routes
        .route(
            "/api/v1/openapi.json",
            get(move || async move {
                ([(header::CONTENT_TYPE, "application/json")], document.to_string())
            }),
        )
        .method_not_allowed_fallback(|| async {
            ApiError::new(
                ErrorKind::MethodNotAllowed,
                "method_not_allowed",
                "This address does not take that method.",
            )
        })
        .fallback_service(web)
        // One layer of four, the outermost first: a call clones each layer with all below it.
        .layer((
            middleware::from_fn_with_state(surroundings, surround),
            CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
                ApiError::internal("a handler panicked").into_response()
            }),
            RequestBodyTimeoutLayer::new(BODY_IDLE),
            DefaultBodyLimit::max(BODY_LIMIT),
        ))
}

/// Tells handlers who the client is, and every answer how it may be used.
async fn surround(
    State(surroundings): State<Surroundings>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let (mut parts, body) = request.into_parts();
    let span = request_span(&method, route.as_ref().map(MatchedPath::as_str), &parts.headers);
    let client = client_info(&parts, surroundings.trust_proxy);
    parts.extensions.insert(surroundings.authenticator);
    parts.extensions.insert(client.clone());
    let request = Request::from_parts(parts, body);
    let answer = lyceum_store::with_client(client.ip, client.user_agent, next.run(request));
    let mut response = answer.instrument(span.clone()).await;
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if path.starts_with("/api/") || path.starts_with("/scim/") {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    let status = response.status().as_u16();
    let route = route.as_ref().map(MatchedPath::as_str);
    lyceum_ops::note_request(&method, route, status, started.elapsed());
    span.in_scope(|| {
        tracing::debug!(%method, path, status, took = ?started.elapsed(), "request");
    });
    traced(span, response)
}

const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
