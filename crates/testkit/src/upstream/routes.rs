use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State as AxumState};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::dialect::Dialect;
use super::reply::{self, Reply};
use super::{RecordedRequest, State, locked, strict};

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
        .route("/v1/responses", post(responses))
        .route("/v1/completions", post(completions))
        .route("/v1/messages", post(messages))
        .route("/v1/messages/count_tokens", post(count_tokens))
        .route("/v1beta/models", get(gemini_models))
        .route("/v1beta/models/{call}", post(gemini))
        .route("/api/tags", get(ollama_models))
        .route("/api/chat", post(ollama))
        .route("/api/embed", post(ollama_embed))
        .route("/v1/info", get(dify_info))
        .route("/v1/chat-messages", post(dify))
        .route("/v1/chat-messages/{task}/stop", post(dify_stop))
        .with_state(state)
}

async fn models(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    let anthropic = request.headers().contains_key("anthropic-version");
    if let Err(refusal) = state.admit(request).await {
        return refusal;
    }
    let items: Vec<_> = MODELS
        .iter()
        .map(
            |id| json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "mock"}),
        )
        .collect();
    if anthropic {
        let items = MODELS.map(|id| json!({"type": "model", "id": id, "display_name": id}));
        return axum::Json(json!({"data": items, "has_more": false})).into_response();
    }
    axum::Json(json!({"object": "list", "data": items})).into_response()
}

async fn chat(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    let body = match state.admit(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let model = body["model"].as_str().unwrap_or_default().to_owned();
    if model == "strict"
        && let Some(words) = strict::refusal(&body)
    {
        return error(Dialect::Chat, StatusCode::BAD_REQUEST, words);
    }
    let streamed = body["stream"].as_bool().unwrap_or(false);
    if streamed {
        return answer(state, Dialect::Chat, &model, &body).await;
    }
    if let Some(failure) = fault(&state, Dialect::Chat, &model).await {
        return failure;
    }
    if model == "stream-only" {
        let words = "This model only support stream mode, please enable the stream parameter.";
        return error(Dialect::Chat, StatusCode::BAD_REQUEST, words);
    }
    let reply = Reply::to(&model, Dialect::Chat, &body);
    state.count(reply.prompt_tokens, 0);
    match model.as_str() {
        "cut" => return cut_body(),
        "wrong-length" => return short_body(&reply.document()),
        "malformed" | "invalid-utf8" => return spoilt_body(&model, reply.document()),
        "slow" => tokio::time::sleep(reply::SLOW).await,
        _ => {}
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
    if let Some(failure) = fault(&state, Dialect::Chat, &model).await {
        return failure;
    }
    if model == "cut" {
        return cut_body();
    }
    let gated: Option<u64> = model.strip_prefix("gated-").and_then(|number| number.parse().ok());
    if gated.is_some()
        && let Ok(permit) = state.gate.acquire().await
    {
        permit.forget();
    }
    let inputs: Vec<&str> = match &body["input"] {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => return error(Dialect::Chat, StatusCode::BAD_REQUEST, "input is missing"),
    };
    let tokens = inputs.iter().map(|text| reply::words(text)).sum();
    state.count(tokens, 0);
    let dimensions = body["dimensions"].as_u64().or(gated).unwrap_or(DIMENSIONS);
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

/// The answer of a model as a stream of the protocol.
async fn answer(state: Arc<State>, dialect: Dialect, model: &str, body: &Value) -> Response {
    if let Some(failure) = fault(&state, dialect, model).await {
        return failure;
    }
    let reply = Reply::to(model, dialect, body);
    state.count(reply.prompt_tokens, 0);
    let kind = match dialect {
        Dialect::Ollama => "application/x-ndjson",
        _ => "text/event-stream",
    };
    let stream = reply::frames(Arc::clone(&state), dialect, reply);
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(stream)).into_response()
}

async fn streamed(state: Arc<State>, dialect: Dialect, request: Request) -> Response {
    match state.admit(request).await {
        Ok(body) => {
            let model = body["model"].as_str().unwrap_or_default().to_owned();
            answer(state, dialect, &model, &body).await
        }
        Err(refusal) => refusal,
    }
}

/// An answer in one piece, or as a stream where the request says so.
async fn either(state: Arc<State>, dialect: Dialect, request: Request) -> Response {
    let body = match state.admit(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let model = body["model"].as_str().unwrap_or_default().to_owned();
    if model == "chat-only" && dialect == Dialect::Completions {
        let words = "This is a chat model and not supported in the v1/completions endpoint.";
        return error(dialect, StatusCode::NOT_FOUND, words);
    }
    if dialect == Dialect::Responses
        && let Some((status, words)) = strict::refusal_of_response(&model, &body)
    {
        return error(dialect, status, &words);
    }
    if body["stream"] == true {
        return answer(state, dialect, &model, &body).await;
    }
    if let Some(failure) = fault(&state, dialect, &model).await {
        return failure;
    }
    let reply = Reply::to(&model, dialect, &body);
    state.count(reply.prompt_tokens, 0);
    if model == "cut" {
        return cut_body();
    }
    state.count(0, reply.completion_tokens());
    axum::Json(dialect.document(&reply)).into_response()
}

async fn responses(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    either(state, Dialect::Responses, request).await
}

async fn completions(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    either(state, Dialect::Completions, request).await
}

async fn messages(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    either(state, Dialect::Anthropic, request).await
}

async fn count_tokens(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    match state.admit(request).await {
        Ok(body) => {
            let model = body["model"].as_str().unwrap_or_default();
            let reply = Reply::to(model, Dialect::Anthropic, &body);
            axum::Json(json!({"input_tokens": reply.prompt_tokens})).into_response()
        }
        Err(refusal) => refusal,
    }
}

async fn ollama(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    streamed(state, Dialect::Ollama, request).await
}

/// The application's inputs name the model, as Dify knows none.
async fn dify(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    match state.admit(request).await {
        Ok(body) => {
            let model = body["inputs"]["model"].as_str().unwrap_or("ok").to_owned();
            answer(state, Dialect::Dify, &model, &body).await
        }
        Err(refusal) => refusal,
    }
}

async fn dify_info(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    match state.admit(request).await {
        Ok(_) => {
            axum::Json(json!({"name": "Mock app", "description": "", "tags": []})).into_response()
        }
        Err(refusal) => refusal,
    }
}

async fn dify_stop(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    match state.admit(request).await {
        Ok(_) => axum::Json(json!({"result": "success"})).into_response(),
        Err(refusal) => refusal,
    }
}

async fn ollama_models(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    match state.admit(request).await {
        Ok(_) => {
            let items = MODELS.map(|id| json!({"name": id, "model": id}));
            axum::Json(json!({"models": items})).into_response()
        }
        Err(refusal) => refusal,
    }
}

async fn ollama_embed(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    let body = match state.admit(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let inputs = body["input"].as_array().cloned().unwrap_or_default();
    let inputs: Vec<&str> = inputs.iter().filter_map(Value::as_str).collect();
    let tokens: u64 = inputs.iter().map(|text| reply::words(text)).sum();
    state.count(tokens, 0);
    let vectors: Vec<_> = inputs.iter().map(|text| reply::embedding(text, DIMENSIONS)).collect();
    axum::Json(json!({"model": body["model"], "embeddings": vectors, "prompt_eval_count": tokens}))
        .into_response()
}

async fn gemini_models(AxumState(state): AxumState<Arc<State>>, request: Request) -> Response {
    match state.admit(request).await {
        Ok(_) => {
            let items = MODELS.map(|id| json!({"name": format!("models/{id}")}));
            axum::Json(json!({"models": items})).into_response()
        }
        Err(refusal) => refusal,
    }
}

/// `models/{model}:{method}`.
async fn gemini(
    AxumState(state): AxumState<Arc<State>>,
    Path(call): Path<String>,
    request: Request,
) -> Response {
    let body = match state.admit(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    match call.split_once(':') {
        Some((model, "streamGenerateContent")) => {
            answer(state, Dialect::Gemini, model, &body).await
        }
        Some((_, "batchEmbedContents")) => {
            let requests = body["requests"].as_array().cloned().unwrap_or_default();
            let text = |request: &Value| {
                request["content"]["parts"][0]["text"].as_str().unwrap_or_default().to_owned()
            };
            let texts: Vec<String> = requests.iter().map(text).collect();
            state.count(texts.iter().map(|text| reply::words(text)).sum(), 0);
            let vector = |text: &String| json!({"values": reply::embedding(text, DIMENSIONS)});
            let vectors: Vec<Value> = texts.iter().map(vector).collect();
            axum::Json(json!({ "embeddings": vectors })).into_response()
        }
        _ => error(Dialect::Gemini, StatusCode::NOT_FOUND, "no such method"),
    }
}

/// The faults that come before any answer.
async fn fault(state: &State, dialect: Dialect, model: &str) -> Option<Response> {
    for (prefix, status) in
        [("flaky-", StatusCode::INTERNAL_SERVER_ERROR), ("limited-", StatusCode::TOO_MANY_REQUESTS)]
    {
        let failing = model.strip_prefix(prefix).and_then(|calls| calls.parse::<u64>().ok());
        let calls = locked(&state.counts).calls.get(model).copied().unwrap_or(0);
        if failing.is_some_and(|failing| calls <= failing) {
            return Some(error(dialect, status, "not yet"));
        }
    }
    if let Some(code) = model.strip_prefix("status-").and_then(|code| code.parse().ok()) {
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Some(error(dialect, status, "as the model's name asks"));
    }
    match model {
        "hang" => std::future::pending().await,
        "context-length" => Some(refusal("context_length_exceeded")),
        "content-policy" => Some(refusal("content_filter")),
        "garbage" => Some("<html>Bad gateway, but with status 200</html>".into_response()),
        _ => None,
    }
}

/// A request that is refused for a reason of this name.
fn refusal(code: &str) -> Response {
    let body = json!({"error": {"message": "as the model's name asks", "code": code}});
    (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
}

fn error(dialect: Dialect, status: StatusCode, message: &str) -> Response {
    let mut response = (status, axum::Json(dialect.error(status, message))).into_response();
    if matches!(status.as_u16(), 429 | 503) {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}

/// Announces more bytes than it sends.
fn short_body(document: &Value) -> Response {
    let text = document.to_string();
    let announced = text.len() + 100;
    let part = futures::stream::iter([Ok::<_, std::io::Error>(text)]);
    let mut response = Body::from_stream(part).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, announced.into());
    response
}

/// A whole answer that is no JSON: it ends too early, or has a byte that is no UTF-8.
fn spoilt_body(model: &str, mut document: Value) -> Response {
    let bytes = if model == "malformed" {
        let mut text = document.to_string();
        text.truncate(text.len() / 2);
        text.into()
    } else {
        document["choices"][0]["message"]["content"] = json!("\u{fffd}");
        reply::replaced(document.to_string().as_bytes())
    };
    ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
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
        let key = key(request.headers());
        let traceparent = request.headers().get("traceparent");
        let traceparent = traceparent.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let headers = request.headers().clone();
        let bytes = axum::body::to_bytes(request.into_body(), 64 << 20)
            .await
            .map_err(|_| error(Dialect::Chat, StatusCode::BAD_REQUEST, "the body broke off"))?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).map_err(|_| {
                error(Dialect::Chat, StatusCode::BAD_REQUEST, "the body is not JSON")
            })?
        };
        if self.keeps_requests {
            let (key, body) = (key.clone(), body.clone());
            let kept = RecordedRequest { path, key, traceparent, headers, body };
            locked(&self.requests).push(kept);
        }
        let accepted = match (&self.accepted_key, &key) {
            (_, None) => false,
            (Some(wanted), Some(key)) => wanted == key,
            (None, Some(_)) => true,
        };
        if !accepted {
            return Err(error(Dialect::Chat, StatusCode::UNAUTHORIZED, "no valid key"));
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

/// The key, from whichever header a protocol takes it in.
fn key(headers: &HeaderMap) -> Option<String> {
    let own = ["x-api-key", "x-goog-api-key"].iter().find_map(|name| headers.get(*name));
    let value = match own {
        Some(key) => key.to_str().ok()?,
        None => headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?,
    };
    (!value.is_empty()).then(|| value.to_owned())
}
