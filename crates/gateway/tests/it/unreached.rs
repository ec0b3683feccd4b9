//! What is told of a provider that is not reached: to whoever asks, and to the log.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use axum::body::to_bytes;
use axum::http::StatusCode;
use serde_json::Value;
use sqlx::ConnectOptions as _;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::said::question;
use crate::world::World;

const CHAT: &str = "/v1/chat/completions";

/// The warnings and errors of the program, a line each.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("lyceum")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

#[tokio::test]
async fn a_provider_that_is_not_reached_is_named_and_stands_in_the_log_once() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    for model in ["ok", "status-401"] {
        world.model("ada", &provider, model, "chat").await;
    }
    let log = Log::default();
    let _kept = tracing::subscriber::set_default(log.clone());
    // What it refuses is between it and the caller.
    world.send("ada", "POST", CHAT, question(CHAT, "status-401", false)).await;
    assert_eq!(log.lines(), Vec::<String>::new());

    let mut owner = world.test.owner.connect().await.unwrap();
    sqlx::query("SET ROLE lyceum_maintenance").execute(&mut owner).await.unwrap();
    sqlx::query("UPDATE gateway.provider_configs SET base_url = 'http://127.0.0.1:9/v1'")
        .execute(&mut owner)
        .await
        .unwrap();
    world.gateway.forget_access();
    for streamed in [false, true] {
        let asked = question(CHAT, "ok", streamed);
        let response = world.open("ada", "POST", CHAT, asked).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let answer = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("(the provider is 'mock'; 'Test connection'"), "{message}");
        let lines = std::mem::take(&mut *log.0.lock().unwrap());
        assert_eq!(lines.len(), 1, "{lines:?}");
        for part in ["code=\"provider_unreachable\"", "provider=\"mock\"", "model=\"ok\"", &id] {
            assert!(lines[0].contains(part), "{lines:?}");
        }
    }

    let path = format!("/api/v1/providers/{provider}/models");
    let (status, problem) = world.send("ada", "GET", &path, Value::Null).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("(the provider is 'mock'; 'Test connection'"), "{detail}");
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("the provider is 'mock'"), "{lines:?}");

    // Whoever tests it knows all that.
    let path = format!("/api/v1/providers/{provider}/test");
    let (_, test) = world.send("ada", "POST", &path, Value::Null).await;
    assert!(!test["detail"].as_str().unwrap().contains("(the provider is"), "{test}");
}
