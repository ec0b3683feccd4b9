//! A collector of traces, as OTLP over HTTP has it, with moods.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How a collector treats what it is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Takes,
    /// Answers 500.
    Fails,
    /// Never answers.
    Hangs,
}

#[derive(Default)]
struct Seen {
    spans: Vec<Span>,
    resource: Vec<KeyValue>,
    headers: HeaderMap,
    /// Whole requests as text, to look for what must not be there.
    text: String,
}

struct Shared {
    seen: Mutex<Seen>,
    mood: watch::Sender<Mood>,
    /// How often it was asked.
    asked: watch::Sender<u64>,
}

/// A running collector.
#[derive(Clone)]
pub struct Collector {
    pub url: String,
    shared: Arc<Shared>,
}

impl Collector {
    pub async fn start(mood: Mood) -> Self {
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            mood: watch::Sender::new(mood),
            asked: watch::Sender::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().route("/v1/traces", post(take)).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, shared }
    }

    pub fn be(&self, mood: Mood) {
        self.shared.mood.send_replace(mood);
    }

    /// How often it was asked.
    pub fn asked(&self) -> u64 {
        *self.shared.asked.borrow()
    }

    /// Waits until it was asked this often.
    pub async fn asked_times(&self, times: u64) {
        let mut asked = self.shared.asked.subscribe();
        let waiting = asked.wait_for(|asked| *asked >= times);
        tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap().unwrap();
    }

    /// Waits for a span.
    pub async fn span(&self, wanted: impl Fn(&Span) -> bool) -> Span {
        let mut asked = self.shared.asked.subscribe();
        let finding = async {
            loop {
                asked.borrow_and_update();
                if let Some(span) = self.spans().into_iter().find(|span| wanted(span)) {
                    return span;
                }
                asked.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(Duration::from_secs(60), finding).await {
            Ok(span) => span,
            Err(_) => panic!("no such span among {:#?}", self.names()),
        }
    }

    pub fn spans(&self) -> Vec<Span> {
        self.shared.seen.lock().unwrap().spans.clone()
    }

    fn names(&self) -> Vec<String> {
        self.spans().into_iter().map(|span| span.name).collect()
    }

    /// What the program says of itself.
    pub fn resource(&self) -> Vec<KeyValue> {
        self.shared.seen.lock().unwrap().resource.clone()
    }

    pub fn headers(&self) -> HeaderMap {
        self.shared.seen.lock().unwrap().headers.clone()
    }

    /// All that was sent, as text.
    pub fn text(&self) -> String {
        self.shared.seen.lock().unwrap().text.clone()
    }
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let mood = *shared.mood.borrow();
    if mood == Mood::Takes {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        let mut seen = shared.seen.lock().unwrap();
        seen.text.push_str(&format!("{request:?}"));
        seen.headers = headers;
        for resource in request.resource_spans {
            seen.resource = resource.resource.unwrap_or_default().attributes;
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            seen.spans.extend(spans);
        }
    }
    shared.asked.send_modify(|asked| *asked += 1);
    match mood {
        Mood::Takes => StatusCode::OK.into_response(),
        Mood::Fails => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Hangs => {
            let mut mood = shared.mood.subscribe();
            let _ = mood.wait_for(|mood| *mood != Mood::Hangs).await;
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// An attribute as text; a list with commas.
pub fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    found.value.as_ref().and_then(text)
}

fn text(value: &AnyValue) -> Option<String> {
    Some(match value.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::BoolValue(value) => value.to_string(),
        Value::IntValue(value) => value.to_string(),
        Value::DoubleValue(value) => value.to_string(),
        Value::ArrayValue(list) => {
            list.values.iter().filter_map(text).collect::<Vec<_>>().join(",")
        }
        other => format!("{other:?}"),
    })
}
