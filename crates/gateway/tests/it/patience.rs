//! How long a provider is waited for: for a whole answer, for the first words of a stream, and
//! between two of its pieces.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::kinds::Kind;
use crate::said::{MESSAGES, RESPONSES, of_stream, question};
use crate::world::{World, events, text_of};

const CHAT: &str = "/v1/chat/completions";
/// Longer than a second, the shortest limit.
const LONGER: Duration = Duration::from_millis(1500);

/// Limits for the first words, between pieces, and for a whole answer.
fn limits(first: u64, idle: u64, answer: u64) -> Value {
    json!({"first_byte_timeout_seconds": first, "idle_timeout_seconds": idle,
           "answer_timeout_seconds": answer})
}

async fn ask(world: &World, config: Value, model: &str, stream: bool) -> (StatusCode, Value) {
    let name = lyceum_core::new_id().to_string();
    let kind = Kind { config, ..Kind::new("custom", "/v1") };
    let provider = world.at_kind(&kind, &name).await;
    world.model_at(&provider, &name, model).await;
    let asked = world.send("ada", "POST", CHAT, question(CHAT, &name, stream));
    tokio::time::timeout(Duration::from_secs(30), asked).await.unwrap()
}

#[tokio::test]
async fn each_silence_has_a_limit_of_its_own() {
    let world = World::new().await;
    world.user("ada").await;
    // One limit alone is short; `hang` never begins, and `gated` opens its answer and says nothing.
    let first_byte = json!({"first_byte_timeout_seconds": 1, "idle_timeout_seconds": 1});
    for (config, model, stream) in [
        (limits(60, 60, 1), "hang", false),
        (first_byte, "hang", false),
        (limits(1, 60, 60), "hang", true),
    ] {
        let (status, answer) = ask(&world, config, model, stream).await;
        assert_eq!(status, StatusCode::GATEWAY_TIMEOUT, "{answer}");
        assert_eq!(answer["error"]["code"], "provider_timeout", "{answer}");
    }
    for (config, model) in [(limits(1, 1, 60), "gated"), (limits(60, 1, 60), "stall")] {
        let (status, stream) = ask(&world, config, model, true).await;
        assert_eq!(status, StatusCode::OK, "{stream}");
        assert!(stream.as_str().unwrap().contains("provider_timeout"), "{model}: {stream}");
    }
}

#[tokio::test]
async fn a_model_may_think_longer_than_it_may_pause() {
    let world = World::new().await;
    world.user("ada").await;
    let limits = limits(60, 1, 1);
    let mut responses = limits.clone();
    responses["api"] = json!("responses");
    for (surface, provider, path, config) in [
        (CHAT, "custom", "/v1", limits.clone()),
        (CHAT, "gemini", "", limits.clone()),
        (RESPONSES, "openai", "", responses),
        (MESSAGES, "anthropic", "", limits),
    ] {
        let kind = Kind { config, ..Kind::new(provider, path) };
        let id = world.at_kind(&kind, provider).await;
        world.model_at(&id, provider, "gated").await;
        let asked = world.send("ada", "POST", surface, question(surface, provider, true));
        let thinking = async {
            tokio::time::sleep(LONGER).await;
            world.upstream.release(5);
        };
        let ((status, stream), ()) = tokio::join!(asked, thinking);
        assert_eq!(status, StatusCode::OK, "{stream}");
        let text = match surface {
            CHAT => text_of(&events(&stream)),
            _ => of_stream(surface, &stream).text,
        };
        assert_eq!(text, "You said: one two three", "{provider}: {stream}");
    }
}

/// An answer that begins with reasoning and is silent before its words.
async fn thinking() -> Body {
    let piece = |delta: Value, reason: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
        format!("data: {}\n\n", json!({"id": "c", "model": "m", "choices": [choice]}))
    };
    Body::from_stream(async_stream::stream! {
        yield Ok::<_, Infallible>(piece(json!({"reasoning_content": "hm"}), Value::Null));
        tokio::time::sleep(LONGER).await;
        yield Ok(piece(json!({"content": "It is so."}), Value::Null));
        yield Ok(piece(json!({}), json!("stop")));
        yield Ok("data: [DONE]\n\n".to_owned());
    })
}

#[tokio::test]
async fn reasoning_is_no_first_word() {
    let world = World::new().await;
    world.user("ada").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    let app = Router::new().fallback(thinking);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let provider = world.provider_of("ada", "custom", "m", &base_url, limits(60, 1, 60)).await;
    let id = world.model("ada", &provider, "m", "chat").await;
    world.route("ada", "by-route", &[&id], json!({})).await;
    for (surface, model) in [(CHAT, "m"), (CHAT, "by-route"), (MESSAGES, "m")] {
        let body = question(surface, model, true);
        let (status, stream) = world.send("ada", "POST", surface, body).await;
        assert_eq!(status, StatusCode::OK, "{stream}");
        let text = match surface {
            CHAT => text_of(&events(&stream)),
            _ => of_stream(surface, &stream).text,
        };
        assert_eq!(text, "It is so.", "{surface} {model}: {stream}");
    }
}

#[tokio::test]
async fn what_comes_in_one_piece_may_take_longer_than_a_stream_to_begin() {
    let world = World::new().await;
    world.user("ada").await;
    let kind = Kind { config: limits(1, 1, 60), ..Kind::new("custom", "/v1") };
    let provider = world.at_kind(&kind, "mock").await;
    world.model("ada", &provider, "gated-8", "embedding").await;
    let body = json!({"model": "gated-8", "input": "one"});
    let asked = world.send("ada", "POST", "/v1/embeddings", body);
    let computing = async {
        tokio::time::sleep(LONGER).await;
        world.upstream.release(1);
    };
    let ((status, answer), ()) = tokio::join!(asked, computing);
    assert_eq!(status, StatusCode::OK, "{answer}");
}
