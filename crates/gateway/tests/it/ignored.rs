//! What of a request has no effect is told in a header.

use axum::body::to_bytes;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::kinds::Kind;
use crate::routes::{self, CHAT};
use crate::said::{self, COMPLETIONS, MESSAGES, RESPONSES};
use crate::world::World;

const EMBEDDINGS: &str = "/v1/embeddings";

/// A world with a model at each of some kinds of providers, named like them.
async fn world() -> World {
    let world = World::new().await;
    world.user("ada").await;
    let responses = Kind { config: json!({"api": "responses"}), ..Kind::new("openai", "") };
    for (name, kind) in [
        ("anthropic", Kind::new("anthropic", "")),
        ("gemini", Kind::new("gemini", "")),
        ("openai", Kind::new("openai", "/v1")),
        ("responses", responses),
        ("custom", Kind::new("custom", "/v1")),
    ] {
        let provider = world.at_kind(&kind, name).await;
        world.model_at(&provider, name, "ok").await;
        if name == "gemini" {
            world.model("ada", &provider, "embed", "embedding").await;
            let id = world.model("ada", &provider, "kept", "chat").await;
            let path = format!("/api/v1/models/{id}");
            let (status, view) = world.send("ada", "PATCH", &path, json!({"cache": true})).await;
            assert_eq!(status, StatusCode::OK, "{view}");
        }
    }
    world
}

/// Asks with these members beside the question.
async fn ask(world: &World, surface: &str, model: &str, stream: bool, more: &Value) -> Response {
    let mut body = match surface {
        CHAT => routes::question(model, stream),
        EMBEDDINGS => json!({"model": model, "input": "one"}),
        surface => said::question(surface, model, stream),
    };
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let response = world.open("ada", "POST", surface, body).await;
    assert_eq!(response.status(), StatusCode::OK, "{surface} {model}");
    response
}

/// What an answer tells of it, once it is read.
async fn told(response: Response) -> Option<String> {
    let told = response.headers().get("x-lyceum-ignored");
    let told = told.map(|names| names.to_str().unwrap().to_owned());
    to_bytes(response.into_body(), usize::MAX).await.unwrap();
    told
}

#[tokio::test]
async fn what_means_nothing_to_the_model_is_named() {
    let world = world().await;
    let messages = json!({"new": 1, "nothing": null, "service_tier": "auto", "top_k": 3,
        "metadata": {"user_id": "u"}, "stop_sequences": ["END"]});
    let responses = json!({"new": 1, "store": true, "include": [], "max_tool_calls": 2,
        "temperature": 0.5});
    let completions = json!({"new": 1, "best_of": 1, "logit_bias": {"5": 1}, "seed": 7});
    let chat = json!({"new": 1, "logit_bias": {"5": 1}, "seed": 7, "n": 1, "max_tokens": 50,
        "functions": [{"name": "f"}], "function_call": "none"});
    for (surface, more, cases) in [
        (
            MESSAGES,
            messages,
            vec![
                ("anthropic", None),
                ("gemini", Some("metadata, new, service_tier")),
                ("openai", Some("new, service_tier, top_k")),
                ("custom", Some("new, service_tier")),
            ],
        ),
        (
            RESPONSES,
            responses,
            vec![
                ("responses", None),
                ("gemini", Some("include, max_tool_calls, new")),
                ("openai", Some("include, max_tool_calls, new")),
            ],
        ),
        (COMPLETIONS, completions, vec![("custom", None), ("gemini", Some("logit_bias, new"))]),
        // Here the provider gets what nobody knows, whatever its form.
        (
            CHAT,
            chat,
            vec![
                ("custom", None),
                ("anthropic", Some("logit_bias, seed")),
                ("gemini", Some("logit_bias")),
                ("responses", Some("logit_bias, seed")),
            ],
        ),
        (EMBEDDINGS, json!({"user": "u", "dimensions": 8}), vec![("embed", Some("user"))]),
    ] {
        for (model, names) in cases {
            for stream in [false, true] {
                let response = ask(&world, surface, model, stream, &more).await;
                assert_eq!(told(response).await.as_deref(), names, "{surface} {model} {stream}");
            }
        }
    }
    let response = ask(&world, CHAT, "anthropic", false, &json!({"new": 1})).await;
    assert_eq!(told(response).await, None);
    assert_eq!(world.upstream.requests().pop().unwrap().body["new"], 1);
}

#[tokio::test]
async fn a_kept_answer_names_it_as_well() {
    let world = world().await;
    for found in ["miss", "hit"] {
        let response = ask(&world, MESSAGES, "kept", false, &json!({"new": 1})).await;
        assert_eq!(response.headers()["x-lyceum-cache"], found);
        assert_eq!(told(response).await.as_deref(), Some("new"));
    }
}
