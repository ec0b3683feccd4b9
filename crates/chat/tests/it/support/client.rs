use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use futures::StreamExt as _;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

/// No answer of a test takes this long; a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(30);

/// Calls the routes as one user.
#[derive(Clone)]
pub struct Client {
    pub router: Router,
    pub user: Uuid,
    /// The API key that it comes with.
    pub key: Option<Uuid>,
}

pub struct Reply {
    pub status: StatusCode,
    pub body: Value,
}

impl Reply {
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) {
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{body}");
        assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    }
}

impl Client {
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> http::Response<Body> {
        let mut request =
            Request::builder().method(method).uri(path).header("x-user", self.user.to_string());
        if let Some(key) = self.key {
            request = request.header("x-key", key.to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        let answer = self.router.clone().oneshot(request.unwrap());
        tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time").unwrap()
    }

    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        self.call_with(method, path, body, &[]).await
    }

    pub async fn call_with(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let response = self.send(method, path, body, headers).await;
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body = match bytes.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes))),
        };
        Reply { status, body }
    }

    pub async fn get(&self, path: &str) -> Value {
        self.call("GET", path, None).await.expect(200)
    }

    /// A new conversation's id.
    pub async fn conversation(&self, body: Value) -> String {
        id(&self.call("POST", "/conversations", Some(body)).await.expect(201))
    }

    /// Sends a message: the user message's id and the answer's.
    pub async fn ask(&self, conversation: &str, body: Value) -> (String, String) {
        let path = format!("/conversations/{conversation}/messages");
        let sent = self.call("POST", &path, Some(body)).await.expect(201);
        (id(&sent["user_message"]), id(&sent["assistant_message"]))
    }

    /// Sends a message and waits for the answer.
    pub async fn answer(&self, conversation: &str, content: &str) -> Value {
        let (_, answer) = self.ask(conversation, json!({ "content": content })).await;
        self.done(&answer).await
    }

    /// The final message, once it is there.
    pub async fn done(&self, message: &str) -> Value {
        let events = self.events(message, None).await.all().await;
        let last = events.last().expect("at least one event");
        assert_eq!(last.name, "done", "{events:?}");
        last.data["message"].clone()
    }

    pub async fn events(&self, message: &str, last_event_id: Option<u64>) -> Stream {
        let path = format!("/messages/{message}/events");
        let id = last_event_id.map(|id| id.to_string());
        let headers: Vec<(&str, &str)> =
            id.iter().map(|id| ("last-event-id", id.as_str())).collect();
        let response = self.send("GET", &path, None, &headers).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert!(response.headers()["cache-control"].to_str().unwrap().contains("no-cache"));
        Stream { body: response.into_body().into_data_stream(), buffered: String::new() }
    }

    pub async fn page(&self, conversation: &str, query: &str) -> Vec<Value> {
        let path = format!("/conversations/{conversation}/messages?{query}");
        self.get(&path).await["items"].as_array().unwrap().clone()
    }
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id in {value}")).to_owned()
}

/// A stream of events; dropping it is a client that goes away.
pub struct Stream {
    body: BodyDataStream,
    buffered: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StreamEvent {
    pub id: u64,
    pub name: String,
    pub data: Value,
}

impl Stream {
    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<StreamEvent> {
        loop {
            if let Some(end) = self.buffered.find("\n\n") {
                let frame: String = self.buffered.drain(..end + 2).collect();
                if let Some(event) = parse(&frame) {
                    return Some(event);
                }
                continue;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.body.next());
            let chunk = chunk.await.expect("an event in time")?.unwrap();
            self.buffered.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Everything up to the end.
    pub async fn all(mut self) -> Vec<StreamEvent> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// Reads until the text so far is `text`; answers what was read.
    pub async fn until(&mut self, text: &str) -> Vec<StreamEvent> {
        let mut events = Vec::new();
        while text_of(&events) != text {
            events.push(self.next().await.expect("more text"));
            let so_far = text_of(&events);
            assert!(text.starts_with(&so_far), "{so_far} is not the beginning of {text}");
        }
        events
    }
}

fn parse(frame: &str) -> Option<StreamEvent> {
    let field = |name: &str| {
        let lines = frame.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        lines.map(str::trim_start).next()
    };
    Some(StreamEvent {
        id: field("id")?.parse().unwrap(),
        name: field("event")?.to_owned(),
        data: serde_json::from_str(field("data")?).unwrap(),
    })
}

/// The answer that deltas spell.
pub fn text_of(events: &[StreamEvent]) -> String {
    let deltas = events.iter().filter(|event| event.name == "delta");
    deltas.map(|event| event.data["text"].as_str().unwrap()).collect()
}
