use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as AxumState};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::reply::{self, Reply};
use super::{RecordedRequest, State, locked};

const MODELS: [&str; 12] = [
    "ok",
    "slow",
    "gated",
    "status-500",
    "status-429",
    "status-401",
    "cut",
    "garbage",
    "half-frame",
    "no-usage",
    "hang",
    "stall",
];
/// Of an embedding where the request does not say.
const DIMENSIONS: u64 = 8;

pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/models", get(models))
        .with_state(state)
}

async fn models(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    if let Err(refusal) = state.admit(request).await {
        return refusal;
    }
    let items: Vec<_> = MODELS
        .iter()
        .map(
            |id| json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "mock"}),
        )
        .collect();
    axum::Json(json!({"object": "list", "data": items})).into_response()
}

async fn chat(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    let body = match state.admit(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let model = body["model"].as_str().unwrap_or_default().to_owned();
    if let Some(failure) = fault(&model).await {
        return failure;
    }
    let reply = Reply::to(&model, &body);
    state.count(reply.prompt_tokens, 0);
    if body["stream"].as_bool().unwrap_or(false) {
        let stream = reply::frames(Arc::clone(&state), reply);
        return ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream))
            .into_response();
    }
    if model == "cut" {
        return cut_body();
    }
    state.count(0, reply.completion_tokens());
    axum::Json(reply.document()).into_response()
}

async fn embeddings(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    let body = match state.admit(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let model = body["model"].as_str().unwrap_or_default().to_owned();
    if let Some(failure) = fault(&model).await {
        return failure;
    }
    if model == "cut" {
        return cut_body();
    }
    let inputs: Vec<&str> = match &body["input"] {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => return error(StatusCode::BAD_REQUEST, "input is missing"),
    };
    let tokens = inputs.iter().map(|text| reply::words(text)).sum();
    state.count(tokens, 0);
    let dimensions = body["dimensions"].as_u64().unwrap_or(DIMENSIONS);
    let items: Vec<_> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let embedding = reply::embedding(text, dimensions);
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let mut document = json!({"object": "list", "model": model, "data": items});
    if model != "no-usage" {
        document["usage"] = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    }
    axum::Json(document).into_response()
}

/// The faults that come before any answer.
async fn fault(model: &str) -> Option<Response> {
    if let Some(code) = model.strip_prefix("status-").and_then(|code| code.parse().ok()) {
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Some(error(status, "as the model's name asks"));
    }
    match model {
        "hang" => std::future::pending().await,
        "garbage" => Some("<html>Bad gateway, but with status 200</html>".into_response()),
        _ => None,
    }
}

fn error(status: StatusCode, message: &str) -> Response {
    let kind = if status == StatusCode::TOO_MANY_REQUESTS { "rate_limit" } else { "mock_error" };
    let document = json!({"error": {"message": message, "type": kind, "code": kind}});
    let mut response = (status, axum::Json(document)).into_response();
    if matches!(status.as_u16(), 429 | 503) {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}

/// Promises more than it sends.
fn cut_body() -> Response {
    let parts = async_stream::stream! {
        yield Ok("{\"id\": \"cut\", \"choices\": [{\"mess");
        yield Err(std::io::Error::other("cut"));
    };
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(parts)).into_response()
}

impl State {
    /// Reads a request and keeps it; refuses it without a good key.
    async fn admit(&self, request: Request) -> Result<Value, Response> {
        let path = request.uri().path().to_owned();
        let key = bearer(request.headers());
        let bytes = axum::body::to_bytes(request.into_body(), 64 << 20)
            .await
            .map_err(|_| error(StatusCode::BAD_REQUEST, "the body broke off"))?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes)
                .map_err(|_| error(StatusCode::BAD_REQUEST, "the body is not JSON"))?
        };
        let kept = RecordedRequest { path, key: key.clone(), body: body.clone() };
        locked(&self.requests).push(kept);
        let accepted = match (&self.accepted_key, &key) {
            (_, None) => false,
            (Some(wanted), Some(key)) => wanted == key,
            (None, Some(_)) => true,
        };
        if !accepted {
            return Err(error(StatusCode::UNAUTHORIZED, "no valid key"));
        }
        let model = body["model"].as_str().unwrap_or_default().to_owned();
        *locked(&self.counts).calls.entry(model).or_default() += 1;
        Ok(body)
    }

    pub(super) fn count(&self, prompt: u64, completion: u64) {
        let mut counts = locked(&self.counts);
        counts.prompt_tokens += prompt;
        counts.completion_tokens += completion;
    }

    pub(super) fn stream_opens(self: &Arc<Self>) -> OpenStream {
        self.open_streams.fetch_add(1, Ordering::SeqCst);
        OpenStream { state: Arc::clone(self), finished: false }
    }
}

/// Notices when the reader of a stream goes away.
pub(super) struct OpenStream {
    state: Arc<State>,
    pub(super) finished: bool,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.state.open_streams.fetch_sub(1, Ordering::SeqCst);
        if !self.finished {
            self.state.abandoned.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").filter(|key| !key.is_empty()).map(str::to_owned)
}
