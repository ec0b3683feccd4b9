//! Answers that are kept: who gets one, of what, and until when.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::kinds::kinds;
use crate::said::{COMPLETIONS, MESSAGES, RESPONSES, question};
use crate::world::World;

pub const CHAT: &str = "/v1/chat/completions";
const EMBEDDINGS: &str = "/v1/embeddings";

/// An answer as it went out.
pub struct Out {
    pub status: StatusCode,
    headers: HeaderMap,
    pub text: String,
}

impl Out {
    /// `hit` or `miss`; nothing where no answers are kept.
    pub fn cache(&self) -> Option<&str> {
        self.headers.get("x-lyceum-cache").map(|value| value.to_str().unwrap())
    }

    fn request_id(&self) -> &str {
        self.headers["x-request-id"].to_str().unwrap()
    }
}

impl World {
    /// Asks, with `Cache-Control` if it is not empty.
    pub async fn ask(&self, who: &str, path: &str, body: &Value, control: &str) -> Out {
        ask_at(&self.app, who, path, body, control).await
    }

    /// A model of the upstream that keeps its answers; its id.
    pub async fn keeping(&self, who: &str, model: &str) -> String {
        let provider = self.provider(who, model).await;
        let id = self.model(who, &provider, model, "chat").await;
        self.change_model(who, &id, json!({"cache": true})).await;
        id
    }

    pub async fn change_model(&self, who: &str, id: &str, change: Value) {
        let path = format!("/api/v1/models/{id}");
        let (status, view) = self.send(who, "PATCH", &path, change).await;
        assert_eq!(status, StatusCode::OK, "{view}");
    }
}

/// The same at another node.
pub async fn ask_at(app: &axum::Router, who: &str, path: &str, body: &Value, control: &str) -> Out {
    let mut request = Request::post(path).header(header::AUTHORIZATION, format!("Bearer {who}"));
    if !control.is_empty() {
        request = request.header(header::CACHE_CONTROL, control);
    }
    let request = request.body(Body::from(body.to_string())).unwrap();
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Out { status: parts.status, headers: parts.headers, text }
}

#[tokio::test]
async fn every_surface_gives_the_same_answer_again_of_every_provider_and_charges_nothing() {
    let world = World::new().await;
    world.user("ada").await;
    for (number, kind) in kinds().iter().enumerate() {
        let name = format!("{}-{number}", kind.provider);
        let provider = world.at_kind(kind, &name).await;
        let body = json!({"provider_config_id": provider, "name": name, "model": "think",
            "kind": "chat", "cache": true, "input_price": 2, "output_price": 3,
            "options": {"inputs": {"model": "think"}}});
        let (status, view) = world.send("ada", "POST", "/api/v1/models", body).await;
        assert_eq!(status, StatusCode::CREATED, "{view}");
        for surface in [CHAT, RESPONSES, COMPLETIONS, MESSAGES] {
            for stream in [false, true] {
                let at = format!("{surface} {name} {stream}");
                let body = question(surface, &name, stream);
                let first = world.ask("ada", surface, &body, "").await;
                assert_eq!((first.status, first.cache()), (StatusCode::OK, Some("miss")), "{at}");
                let calls = world.upstream.calls();
                let again = world.ask("ada", surface, &body, "").await;
                assert_eq!((again.status, again.cache()), (StatusCode::OK, Some("hit")), "{at}");
                assert_eq!(world.upstream.calls(), calls, "{at}");
                assert_eq!(again.text, first.text, "{at}");
                assert_ne!(again.request_id(), first.request_id(), "{at}");
                for described in ["content-type", "x-lyceum-served-model", "x-lyceum-attempts"] {
                    assert_eq!(again.headers[described], first.headers[described], "{at}");
                }
                let mut rows = world.ledger().await;
                let (hit, miss) = (rows.pop().unwrap(), rows.pop().unwrap());
                assert!(hit.cache_hit && !miss.cache_hit, "{at}");
                assert_eq!(hit.cost.as_deref(), Some("0.000000000"), "{at}");
                assert_ne!(miss.cost, hit.cost, "{at}");
                assert_eq!((hit.status.as_str(), hit.estimated), ("completed", miss.estimated));
                assert_eq!(
                    (hit.prompt_tokens, hit.completion_tokens, hit.served_model, hit.provider),
                    (miss.prompt_tokens, miss.completion_tokens, miss.served_model, miss.provider),
                    "{at}"
                );
            }
        }
    }
}

#[tokio::test]
async fn built_in_models_and_vectors_are_kept_too() {
    let world = World::new().await;
    world.user("ada").await;
    world.admin("root").await;
    let (_, list) = world.send("root", "GET", "/api/v1/models", Value::Null).await;
    for model in list["items"].as_array().unwrap() {
        world.change_model("root", model["id"].as_str().unwrap(), json!({"cache": true})).await;
    }
    let provider = world.provider("ada", "mock").await;
    let id = world.model("ada", &provider, "ok", "embedding").await;
    world.change_model("ada", &id, json!({"cache": true})).await;
    let texts = |model: &str| json!({"model": model, "input": ["one two", "three"]});
    for (path, body) in [
        (CHAT, question(CHAT, "local-chat", false)),
        (CHAT, question(CHAT, "local-chat", true)),
        (EMBEDDINGS, texts("local-embedding")),
        (EMBEDDINGS, texts("ok")),
    ] {
        let first = world.ask("ada", path, &body, "").await;
        assert_eq!((first.status, first.cache()), (StatusCode::OK, Some("miss")), "{body}");
        let again = world.ask("ada", path, &body, "").await;
        assert_eq!((again.cache(), &again.text), (Some("hit"), &first.text), "{body}");
    }
    let mut other = texts("ok");
    other["encoding_format"] = json!("base64");
    assert_eq!(world.ask("ada", EMBEDDINGS, &other, "").await.cache(), Some("miss"));
}

#[tokio::test]
async fn nothing_is_kept_unless_the_model_says_so_and_the_caller_may_refuse() {
    let world = World::new().await;
    world.user("ada").await;
    let id = world.keeping("ada", "ok").await;
    world.change_model("ada", &id, json!({"cache": false})).await;
    let body = question(CHAT, "ok", false);
    for _ in 0..2 {
        assert_eq!(world.ask("ada", CHAT, &body, "").await.cache(), None);
    }
    assert_eq!(world.upstream.calls(), 2);
    world.change_model("ada", &id, json!({"cache": true, "cache_seconds": 60})).await;
    // Neither looked for nor left.
    assert_eq!(world.ask("ada", CHAT, &body, "no-store").await.cache(), None);
    assert_eq!(world.ask("ada", CHAT, &body, "").await.cache(), Some("miss"));
    assert_eq!(world.ask("ada", CHAT, &body, "").await.cache(), Some("hit"));
    // Not looked for, but left in the place of the other.
    let fresh = world.ask("ada", CHAT, &body, "no-cache").await;
    assert_eq!(fresh.cache(), Some("miss"));
    assert_eq!(world.ask("ada", CHAT, &body, "").await.text, fresh.text);
    assert_eq!(world.upstream.calls(), 5);
    for seconds in [0, 86_401] {
        let path = format!("/api/v1/models/{id}");
        let change = json!({"cache_seconds": seconds});
        let (status, _) = world.send("ada", "PATCH", &path, change).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let (_, view) = world.send("ada", "GET", &format!("/api/v1/models/{id}"), Value::Null).await;
    assert_eq!((&view["cache"], &view["cache_seconds"]), (&json!(true), &json!(60)));
}

#[tokio::test]
async fn an_answer_ends_with_its_life() {
    let world = World::new().await;
    world.user("ada").await;
    let id = world.keeping("ada", "ok").await;
    world.change_model("ada", &id, json!({"cache_seconds": 1})).await;
    let body = question(CHAT, "ok", false);
    assert_eq!(world.ask("ada", CHAT, &body, "").await.cache(), Some("miss"));
    let over = async { while world.ask("ada", CHAT, &body, "").await.cache() == Some("hit") {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), over).await.unwrap();
}

#[tokio::test]
async fn another_request_or_another_person_gets_an_answer_of_its_own() {
    let world = World::new().await;
    world.admin("root").await;
    let (ada, _) = (world.user("ada").await, world.user("eve").await);
    let (_, model) = world.shared("root", "Company", "shared").await;
    world.change_model("root", &model, json!({"cache": true})).await;
    let audience = json!({"audience": "everyone"});
    let (_, list) = world.send("root", "GET", "/api/v1/providers", Value::Null).await;
    let provider = format!("/api/v1/providers/{}", list["items"][0]["id"].as_str().unwrap());
    let (status, view) = world.send("root", "PATCH", &provider, audience).await;
    assert_eq!(status, StatusCode::OK, "{view}");
    let body = question(CHAT, "shared", false);
    assert_eq!(world.ask("ada", CHAT, &body, "").await.cache(), Some("miss"));
    assert_eq!(world.ask("ada", CHAT, &body, "").await.cache(), Some("hit"));
    // Another's is not theirs; a person's keys are the person.
    assert_eq!(world.ask("eve", CHAT, &body, "").await.cache(), Some("miss"));
    world.key(ada, "key").await;
    assert_eq!(world.ask("key", CHAT, &body, "").await.cache(), Some("hit"));
    for (member, value) in [
        ("messages", json!([{"role": "user", "content": "one two three "}])),
        ("messages", json!([{"role": "system", "content": "one two three"}])),
        ("max_tokens", json!(99)),
        ("temperature", json!(0.5)),
        ("seed", json!(1)),
        ("stream", json!(true)),
        ("tools", json!([{"type": "function", "function": {"name": "f"}}])),
        ("user", json!("somebody")),
        ("nobody_knows_this", json!({"a": 1, "b": 2})),
        ("nobody_knows_this", json!({"b": 2, "a": 3})),
    ] {
        let mut other = body.clone();
        other[member] = value;
        let out = world.ask("ada", CHAT, &other, "").await;
        assert_eq!((out.status, out.cache()), (StatusCode::OK, Some("miss")), "{other}");
    }
    assert_eq!(world.ask("ada", CHAT, &body, "").await.cache(), Some("hit"));
}

#[tokio::test]
async fn only_a_whole_answer_is_kept() {
    let world = World::new().await;
    world.user("ada").await;
    for (model, stream) in [
        ("status-500", false),
        ("cut", false),
        ("cut", true),
        ("garbage", false),
        ("withheld", false),
        ("withheld", true),
        ("no-reason", false),
        ("no-reason", true),
        ("second-cut", true),
        ("half-frame", true),
        ("stream-error", true),
        ("stall", true),
    ] {
        if world.upstream.calls_of(model) == 0 {
            world.keeping("ada", model).await;
        }
        let before = world.upstream.calls_of(model);
        for round in 0..2 {
            let out = world.ask("ada", CHAT, &question(CHAT, model, stream), "").await;
            assert_ne!(out.cache(), Some("hit"), "{model} {stream} {round}");
        }
        assert_eq!(world.upstream.calls_of(model), before + 2, "{model} {stream}");
    }
    assert!(world.ledger().await.iter().all(|row| !row.cache_hit));
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_kept() {
    let world = World::new().await;
    world.user("ada").await;
    world.keeping("ada", "ok").await;
    for (bytes, then) in [(100_000, "hit"), (1_100_000, "miss")] {
        let mut body = question(CHAT, "ok", false);
        body["messages"][0]["content"] = json!("x".repeat(bytes));
        for stream in [false, true] {
            body["stream"] = json!(stream);
            let first = world.ask("ada", CHAT, &body, "").await;
            assert_eq!((first.status, first.cache()), (StatusCode::OK, Some("miss")));
            assert_eq!(world.ask("ada", CHAT, &body, "").await.cache(), Some(then), "{bytes}");
        }
    }
}

#[tokio::test]
async fn a_target_of_a_route_keeps_its_answers_and_a_hit_says_nothing_of_its_health() {
    let world = World::new().await;
    world.user("ada").await;
    let id = world.keeping("ada", "ok").await;
    let settings = json!({"min_calls": 1, "failure_percent": 1});
    let route = world.route("ada", "best", &[&id], settings).await;
    let body = question(CHAT, "best", false);
    for expected in ["miss", "hit"] {
        let out = world.ask("ada", CHAT, &body, "").await;
        assert_eq!(out.cache(), Some(expected));
        assert_eq!(out.headers["x-lyceum-requested-model"], "best");
    }
    let path = format!("/api/v1/model-routes/{route}/health");
    let (_, health) = world.send("ada", "GET", &path, Value::Null).await;
    assert_eq!(health["items"][0]["calls"], 1, "{health}");
    // Asked by its own name it is another request.
    assert_eq!(
        world.ask("ada", CHAT, &question(CHAT, "ok", false), "").await.cache(),
        Some("miss")
    );
}
