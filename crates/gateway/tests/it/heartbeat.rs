//! Signs of life while a model says nothing, in every form, passed on or translated.

use std::time::Duration;

use axum::http::StatusCode;
use futures::StreamExt as _;
use lyceum_gateway::GatewaySettings;
use serde_json::{Value, json};

use crate::kinds::Kind;
use crate::said::{COMPLETIONS, MESSAGES, RESPONSES, of_stream, question};
use crate::world::{World, events, text_of};

const CHAT: &str = "/v1/chat/completions";
const TEXT: &str = "You said: one two three";
/// Words of it, each of which the upstream says when it is told to.
const WORDS: usize = 5;

async fn world() -> World {
    let heartbeat = Duration::from_millis(100);
    let world = World::with(GatewaySettings { heartbeat, ..GatewaySettings::default() }).await;
    world.user("ada").await;
    world
}

/// A kind of provider that is waited for.
fn patient(provider: &'static str, path: &'static str, mut config: Value) -> Kind {
    for name in ["first_byte_timeout_seconds", "idle_timeout_seconds"] {
        config[name] = json!(60);
    }
    Kind { config, ..Kind::new(provider, path) }
}

/// Reads an answer that says nothing until a beat came; the beats and the rest of it.
async fn silent_at_first(world: &World, surface: &str, model: &str) -> (usize, String) {
    let beat = match surface {
        MESSAGES => "event: ping\ndata: {\"type\": \"ping\"}\n\n",
        _ => ": keep-alive\n\n",
    };
    let response = world.open("ada", "POST", surface, question(surface, model, true)).await;
    assert_eq!(response.status(), StatusCode::OK, "{surface} of {model}");
    let mut pieces = response.into_body().into_data_stream();
    let (mut beats, mut rest) = (0, String::new());
    while let Some(piece) = pieces.next().await {
        let piece = String::from_utf8(piece.unwrap().to_vec()).unwrap();
        if piece != beat {
            rest.push_str(&piece);
            continue;
        }
        assert!(rest.is_empty() || rest.ends_with("\n\n"), "a beat within an event: {rest}");
        if beats == 0 {
            world.upstream.release(WORDS);
        }
        beats += 1;
    }
    (beats, rest)
}

#[tokio::test]
async fn an_answer_that_says_nothing_for_long_shows_that_it_lives() {
    let world = world().await;
    for (surface, kind) in [
        (CHAT, patient("custom", "/v1", json!({}))),
        (CHAT, patient("gemini", "", json!({}))),
        (CHAT, patient("ollama", "", json!({}))),
        (RESPONSES, patient("openai", "", json!({"api": "responses"}))),
        (RESPONSES, patient("gemini", "", json!({}))),
        (COMPLETIONS, patient("custom", "/v1", json!({}))),
        (COMPLETIONS, patient("gemini", "", json!({}))),
        (MESSAGES, patient("anthropic", "", json!({}))),
        (MESSAGES, patient("gemini", "", json!({}))),
    ] {
        let name = format!("{}{}", kind.provider, surface.replace('/', "-"));
        let provider = world.at_kind(&kind, &name).await;
        world.model_at(&provider, &name, "gated").await;
        let (beats, rest) = silent_at_first(&world, surface, &name).await;
        assert!(beats > 0, "{name}");
        let stream = json!(rest);
        let text = match surface {
            CHAT => text_of(&events(&stream)),
            _ => of_stream(surface, &stream).text,
        };
        assert_eq!(text, TEXT, "{name}: {rest}");
    }
    let rows = world.ledger().await;
    assert!(rows.iter().all(|row| row.status == "completed"), "{rows:?}");
}

#[tokio::test]
async fn what_is_kept_of_an_answer_has_no_signs_of_life() {
    let world = world().await;
    let provider = world.at_kind(&patient("custom", "/v1", json!({})), "mock").await;
    let model = world.model("ada", &provider, "gated", "chat").await;
    world.change_model("ada", &model, json!({"cache": true})).await;
    let (beats, rest) = silent_at_first(&world, CHAT, "gated").await;
    assert!(beats > 0);
    let again = world.ask("ada", CHAT, &question(CHAT, "gated", true), "").await;
    assert_eq!(again.cache(), Some("hit"));
    assert_eq!(again.text, rest);
}
