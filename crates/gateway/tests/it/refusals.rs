//! What clients are told of a refusal beside its words: whether to ask again; and the form of those
//! that no route gives.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::quotas::limit;
use crate::said::{COMPLETIONS, MESSAGES, RESPONSES, SURFACES, question};
use crate::world::World;

const CHAT: &str = "/v1/chat/completions";

/// `Retry-After` in seconds, and `x-should-retry`, of the answer to a question.
async fn told(world: &World, surface: &str, model: &str) -> (Option<u64>, Option<String>) {
    let response = world.open("ada", "POST", surface, question(surface, model, false)).await;
    assert!(!response.status().is_success());
    let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
    let seconds = header("retry-after").map(|seconds| seconds.parse().unwrap());
    (seconds, header("x-should-retry").map(str::to_owned))
}

#[tokio::test]
async fn clients_are_told_not_to_ask_again_where_it_is_in_vain() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    for model in ["status-401", "status-402", "status-429", "status-500", "garbage"] {
        world.model("ada", &provider, model, "chat").await;
    }
    let never = || Some("false".to_owned());
    for surface in SURFACES.into_iter().chain([CHAT]) {
        for model in ["status-401", "status-402", "garbage"] {
            assert_eq!(told(&world, surface, model).await, (None, never()), "{model}");
        }
        assert_eq!(told(&world, surface, "status-429").await, (Some(1), None));
        assert_eq!(told(&world, surface, "status-500").await, (None, None));
    }
    world.gateway.flush().await;
    limit(&world, "users", ada, json!({"max_api_calls": 1})).await;
    for surface in SURFACES.into_iter().chain([CHAT]) {
        let (seconds, again) = told(&world, surface, "local-chat").await;
        // Until the month's end, which people want to know.
        assert_eq!((seconds.is_some_and(|seconds| seconds > 60), again), (true, never()));
    }
}

#[tokio::test]
async fn what_is_not_there_is_refused_in_the_form_of_its_surface() {
    let world = World::new().await;
    let openai = "invalid_request_error";
    for (method, path, status, code, kind) in [
        ("POST", "/v1/chat/completion", 404, "not_found", openai),
        ("GET", "/v1/v1/models", 404, "not_found", openai),
        ("GET", "/v1", 404, "not_found", openai),
        ("GET", "/v1/", 404, "not_found", openai),
        ("OPTIONS", CHAT, 405, "method_not_allowed", openai),
        ("POST", "/v1/messages/batches", 404, "not_found", "not_found_error"),
        ("GET", CHAT, 405, "method_not_allowed", openai),
        ("DELETE", "/v1/models/m", 405, "method_not_allowed", openai),
        ("GET", MESSAGES, 405, "method_not_allowed", "invalid_request_error"),
    ] {
        let response = world.open("nobody", method, path, Value::Null).await;
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert!(response.headers().contains_key("x-request-id"), "{method} {path}");
        assert_eq!(response.headers()["content-type"], "application/json", "{method} {path}");
        let (_, answer) = world.send("nobody", method, path, Value::Null).await;
        let error = &answer["error"];
        assert_eq!((&error["code"], &error["type"]), (&json!(code), &json!(kind)), "{answer}");
        assert_eq!(answer["type"] == "error", path.starts_with(MESSAGES), "{answer}");
        assert!(error["message"].as_str().unwrap().contains(path), "{answer}");
    }
    let response = world.open_as_anthropic("nobody", "/v1/v1/messages").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(response.headers().contains_key("request-id"));
}

#[tokio::test]
async fn the_member_that_is_at_fault_is_named_in_openais_form() {
    let world = World::new().await;
    world.user("ada").await;
    let hi = json!([{"role": "user", "content": "hi"}]);
    let embeddings = "/v1/embeddings";
    for (path, body, param) in [
        (CHAT, json!({"messages": hi}), "model"),
        (CHAT, json!({"model": 7, "messages": hi}), "model"),
        (CHAT, json!({"model": "nobody", "messages": hi}), "model"),
        (CHAT, json!({"model": "local-embedding", "messages": hi}), "model"),
        (CHAT, json!({"model": "local-missing", "messages": hi}), "model"),
        (CHAT, json!({"model": "local-chat", "messages": []}), "messages"),
        (CHAT, json!({"model": "local-chat", "messages": hi, "stream": "yes"}), "stream"),
        (CHAT, json!({"model": "local-chat", "messages": hi, "n": 3}), "n"),
        (COMPLETIONS, json!({"model": "local-chat"}), "prompt"),
        (RESPONSES, json!({"model": "local-chat"}), "input"),
        (
            RESPONSES,
            json!({"model": "local-chat", "input": "hi", "tools": [{"type": "web_search"}]}),
            "tools.0",
        ),
        (embeddings, json!({"model": "local-embedding"}), "input"),
        (embeddings, json!({"model": "local-embedding", "input": [""]}), "input"),
    ] {
        let (status, answer) = world.send("ada", "POST", path, body.clone()).await;
        assert!(!status.is_success(), "{body}");
        assert_eq!(answer["error"]["param"], param, "{body}: {answer}");
    }
    let (_, answer) = world.send("nobody", "POST", CHAT, json!({"model": "m"})).await;
    assert_eq!(answer["error"]["param"], Value::Null, "{answer}");
}
