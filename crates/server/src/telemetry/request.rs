//! The span of a request, from its head to the end of its answer.

use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http::{HeaderMap, Method};
use hyper::body::{Frame, SizeHint};
use lyceum_core::TRACE;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::field::Empty;
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

static W3C: LazyLock<TraceContextPropagator> = LazyLock::new(TraceContextPropagator::new);

/// A span for a request; it continues the trace that the caller names. `route` is the template that
/// matched: addresses hold ids and one-time tokens.
pub fn request_span(method: &Method, route: Option<&str>, headers: &HeaderMap) -> Span {
    let span = info_span!(
        target: TRACE, "request",
        otel.kind = "server",
        otel.name = name(method, route),
        otel.status_code = Empty,
        http.request.method = known(method),
        http.route = route,
        http.response.status_code = Empty,
        error.type = Empty,
    );
    if !span.is_disabled() {
        let caller = W3C.extract(&HeaderExtractor(headers));
        if caller.span().span_context().is_valid() {
            // It is refused only by a span that has begun.
            let _ = span.set_parent(caller);
        }
    }
    span
}

/// The answer, with which its span ends.
pub fn traced(span: Span, response: Response) -> Response {
    if span.is_disabled() {
        return response;
    }
    let status = response.status();
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", status.as_str());
    }
    response.map(|body| Body::new(Traced { body, span }))
}

/// The method, unless somebody made it up.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

fn name(method: &Method, route: Option<&str>) -> String {
    match (known(method), route) {
        ("_OTHER", None) => "HTTP".to_owned(),
        ("_OTHER", Some(route)) => format!("HTTP {route}"),
        (method, None) => method.to_owned(),
        (method, Some(route)) => format!("{method} {route}"),
    }
}

/// A body on its way out, within its request's span.
struct Traced {
    body: Body,
    span: Span,
}

impl HttpBody for Traced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, span } = &mut *self;
        let _entered = span.enter();
        Pin::new(body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
