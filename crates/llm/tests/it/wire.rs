//! A server that answers by a script and keeps what it was asked.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use lyceum_core::Secret;
use lyceum_llm::{ChatEvent, ChatModel, ChatRequest, Endpoint, HttpSend, LlmError, TransportError};
use serde_json::{Value, json};
use url::Url;

/// From the crate's folder, in which tests run: the checkout that this was compiled in may be gone,
/// since build products are shared.
const GOLDEN: &str = "tests/golden";

pub const KEY: &str = "sk-secret-0123456789";

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub call: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// An answer of the script.
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub pieces: Vec<Bytes>,
    /// Whether the connection breaks after the pieces.
    pub breaks: bool,
}

impl Reply {
    pub fn of(body: impl Into<Bytes>) -> Self {
        Self { status: 200, headers: Vec::new(), pieces: vec![body.into()], breaks: false }
    }

    pub fn failing(status: u16, body: &Value) -> Self {
        Self { status, ..Self::of(body.to_string()) }
    }

    pub fn byte_by_byte(body: &str) -> Self {
        let pieces = body.bytes().map(|byte| Bytes::from(vec![byte])).collect();
        Self { pieces, ..Self::of("") }
    }

    pub fn breaking_after(body: &[u8]) -> Self {
        Self { breaks: true, ..Self::of(body.to_vec()) }
    }

    pub fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

#[derive(Default)]
struct Script {
    replies: Mutex<VecDeque<Reply>>,
    seen: Mutex<Vec<Seen>>,
}

pub struct Wire {
    pub origin: String,
    script: Arc<Script>,
}

struct Plain(reqwest::Client);

impl HttpSend for Plain {
    fn send(
        &self,
        request: reqwest::Request,
    ) -> BoxFuture<'_, Result<reqwest::Response, TransportError>> {
        Box::pin(async move { Ok(self.0.execute(request).await?) })
    }
}

async fn serve(State(script): State<Arc<Script>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let seen = Seen { call: format!("{} {path}", parts.method), headers: parts.headers, body };
    let stops = seen.call.ends_with("/stop");
    script.seen.lock().unwrap().push(seen);
    if stops {
        // It comes at any time, and is no part of the script.
        return "{}".into_response();
    }
    let Some(reply) = script.replies.lock().unwrap().pop_front() else {
        return (StatusCode::IM_A_TEAPOT, "the script is at its end").into_response();
    };
    let Reply { status, headers, pieces, breaks } = reply;
    let pieces = async_stream::stream! {
        for piece in pieces {
            yield Ok(piece);
            // A piece of its own on the wire.
            tokio::task::yield_now().await;
        }
        if breaks {
            yield Err(std::io::Error::other("broken"));
        }
    };
    let mut response = Body::from_stream(pieces).into_response();
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    response
}

impl Wire {
    pub async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let script = Arc::new(Script::default());
        let router = Router::new().fallback(serve).with_state(script.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, script }
    }

    pub fn at(&self, path: &str) -> Endpoint {
        Self::elsewhere(&format!("{}{path}", self.origin))
    }

    pub fn elsewhere(url: &str) -> Endpoint {
        #[expect(clippy::disallowed_methods, reason = "goes to this machine only")]
        let client = reqwest::Client::builder().no_proxy();
        let client = client.redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let url = Url::parse(url).unwrap();
        Endpoint::new(Arc::new(Plain(client)), url, Some(Secret::new(KEY)))
    }

    pub fn will(&self, reply: Reply) -> &Self {
        self.script.replies.lock().unwrap().push_back(reply);
        self
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.script.seen.lock().unwrap().clone()
    }

    pub fn last(&self) -> Seen {
        self.seen().pop().unwrap()
    }
}

/// A conversation with everything that a request can have, in OpenAI's form.
pub fn everything(model: &str) -> ChatRequest {
    let call = json!({"id": "call_1", "type": "function",
        "function": {"name": "look_up", "arguments": "{\"word\":\"汉\"}"}});
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}},
        "required": ["a"], "additionalProperties": false});
    let look_up = json!({"name": "look_up", "description": "Looks a word up.", "parameters":
        {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}});
    serde_json::from_value(json!({
        "model": model,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}}]},
            {"role": "assistant", "content": "Let me see.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "{\"found\":true}"},
            {"role": "user", "content": "And now?"},
        ],
        "max_tokens": 500, "temperature": 1.5, "top_p": 0.5, "seed": 7, "stop": ["END", ""],
        "tools": [{"type": "function", "function": look_up}],
        "tool_choice": {"type": "function", "function": {"name": "look_up"}},
        "parallel_tool_calls": false,
        "response_format": {"type": "json_schema",
            "json_schema": {"name": "reply", "strict": true, "schema": schema}},
        "user": "ada", "presence_penalty": 0.25, "logit_bias": {"5": 1},
    }))
    .unwrap()
}

/// A question and nothing else.
pub fn question(model: &str) -> ChatRequest {
    let messages = json!([{"role": "user", "content": "hi"}]);
    serde_json::from_value(json!({"model": model, "messages": messages})).unwrap()
}

/// The events of an answer, one a line; neighbouring texts are one.
pub async fn ask(client: &dyn ChatModel, request: ChatRequest) -> (String, Option<LlmError>) {
    let mut lines: Vec<String> = Vec::new();
    let mut stream = match client.chat(request).await {
        Ok(stream) => stream,
        Err(error) => return (String::new(), Some(error)),
    };
    while let Some(event) = stream.next().await {
        let mut line = String::new();
        match event {
            Err(error) => return (lines.join("\n"), Some(error)),
            Ok(ChatEvent::Started { id, model }) => write!(line, "started {id:?} {model:?}"),
            Ok(ChatEvent::Text(text)) => write!(line, "text {text:?}"),
            Ok(ChatEvent::Refusal(text)) => write!(line, "refusal {text:?}"),
            Ok(ChatEvent::Reasoning(text)) => write!(line, "reasoning {text:?}"),
            Ok(ChatEvent::ToolCall(call)) => {
                // Made here where the provider has none.
                let id = call.id.map(|id| if id.len() > 20 { "(made)".to_owned() } else { id });
                let extra = call.extra_content.unwrap_or_default();
                let (index, name, arguments) = (call.index, call.name, call.arguments);
                write!(line, "call {index} {id:?} {name:?} {arguments:?} {extra}")
            }
            // What it says comes again with the end.
            Ok(ChatEvent::Counted(_)) => continue,
            Ok(ChatEvent::Finished { reason, usage }) => {
                let usage = usage.map(|u| {
                    (u.prompt_tokens, u.cached_tokens, u.completion_tokens, u.reasoning_tokens)
                });
                write!(line, "finished {reason:?} {usage:?}")
            }
        }
        .unwrap();
        lines.push(line);
    }
    (lines.join("\n"), None)
}

/// Compares with a golden file.
pub fn golden(name: &str, actual: &str) {
    let path = Path::new(GOLDEN).join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{}\n", actual.trim_end())).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(actual.trim_end(), expected.trim_end(), "{name}");
}

/// The same for a JSON document.
pub fn golden_json(name: &str, actual: &Value) {
    golden(name, &serde_json::to_string_pretty(actual).unwrap());
}

/// Reads a golden stream whole, byte by byte, and cut off at every place; the events are golden, too.
pub async fn golden_stream(wire: &Wire, client: &dyn ChatModel, name: &str) {
    let path = Path::new(GOLDEN).join(name);
    let stream = std::fs::read_to_string(format!("{}.stream", path.display())).unwrap();
    wire.will(Reply::of(stream.clone()));
    let (whole, failure) = ask(client, question("m")).await;
    assert!(failure.is_none(), "{name}: {failure:?}");
    golden(&format!("{name}.events"), &whole);
    wire.will(Reply::byte_by_byte(&stream));
    let (pieces, failure) = ask(client, question("m")).await;
    assert!(failure.is_none(), "{name}: {failure:?}");
    assert_eq!(pieces, whole, "{name} byte by byte");
    // Whatever is missing, an answer is never taken for whole that is not.
    let said = |events: &str| {
        let lines = events.lines().filter(|line| !line.starts_with("finished"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let everything = said(&whole);
    for cut in (0..stream.len()).step_by(5) {
        wire.will(Reply::breaking_after(&stream.as_bytes()[..cut]));
        let (part, failure) = ask(client, question("m")).await;
        match failure {
            None => assert_eq!(said(&part), everything, "{name} cut at {cut}"),
            Some(LlmError::BrokenStream(_)) => {
                let lines = said(&part);
                assert_eq!(lines, everything[..lines.len()], "{name} cut at {cut}");
            }
            Some(other) => panic!("{name} cut at {cut}: {other}"),
        }
    }
}
