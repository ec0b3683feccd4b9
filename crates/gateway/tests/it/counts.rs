//! What the ledger says where a provider's counts are empty, or those of half an answer.

use axum::http::StatusCode;
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::kinds::Kind;
use crate::passing::{Scripted, stream_of};
use crate::routes::{CHAT, question};
use crate::said::{self, MESSAGES};
use crate::world::{LedgerRow, World};

/// Prompt, completion, and whether they are an estimate.
fn counts(row: &LedgerRow) -> (i64, i64, bool) {
    (row.prompt_tokens, row.completion_tokens, row.estimated)
}

#[tokio::test]
async fn counts_that_say_nothing_of_what_was_said_are_estimated() {
    let world = World::new().await;
    world.user("ada").await;
    let words = "It is so.";
    for (number, (usage, said, expected)) in [
        (json!({}), words, (8, 3, true)),
        (
            json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}),
            words,
            (8, 3, true),
        ),
        (json!({"prompt_tokens": 30, "completion_tokens": 0}), words, (30, 3, true)),
        (json!({"prompt_tokens": 30, "completion_tokens": 0}), "", (30, 0, false)),
        (json!({"prompt_tokens": 0, "completion_tokens": 7}), words, (8, 7, true)),
        (json!({"completion_tokens": 7, "total_tokens": 37}), words, (30, 7, false)),
    ]
    .into_iter()
    .enumerate()
    {
        let choice = |member: &str| {
            let message = json!({"role": "assistant", "content": said});
            json!({"id": "c", "model": "m", "usage": usage,
                "choices": [{"index": 0, member: message, "finish_reason": "stop"}]})
        };
        for stream in [false, true] {
            let name = format!("{number}-{stream}");
            let body = match stream {
                true => stream_of(&[choice("delta")]),
                false => choice("message").to_string(),
            };
            Scripted::saying(body).await.model(&world, &name).await;
            let (status, answer) = world.send("ada", "POST", CHAT, question(&name, stream)).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            let row = world.ledger().await.pop().unwrap();
            assert_eq!(row.status, "completed", "{row:?}");
            assert_eq!(counts(&row), expected, "{usage} of '{said}', streamed: {stream}");
        }
    }
}

#[tokio::test]
async fn vectors_are_counted_by_the_sum_alone_or_by_an_estimate() {
    let world = World::new().await;
    world.user("ada").await;
    for (name, usage, expected) in [
        ("sum", json!({"total_tokens": 12}), (12, 0, false)),
        ("empty", json!({}), (2, 0, true)),
        ("zero", json!({"prompt_tokens": 0, "total_tokens": 0}), (2, 0, true)),
        ("none", Value::Null, (2, 0, true)),
    ] {
        let list = json!({"object": "list", "model": "m", "usage": usage,
            "data": [{"object": "embedding", "index": 0, "embedding": [1.0]}]});
        let base_url = Scripted::saying(list).await.base_url;
        let provider = world.provider_of("ada", "custom", name, &base_url, json!({})).await;
        world.model("ada", &provider, name, "embedding").await;
        let body = json!({"model": name, "input": ["eight ch"]});
        let (status, answer) = world.send("ada", "POST", "/v1/embeddings", body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let row = world.ledger().await.pop().unwrap();
        assert_eq!((row.status.as_str(), counts(&row)), ("completed", expected), "{name}");
    }
}

#[tokio::test]
async fn counts_that_come_with_the_beginning_of_an_answer_are_not_those_of_what_followed() {
    let world = World::new().await;
    world.user("ada").await;
    for (name, completion, expected) in [("few", 0, (12, 3, true)), ("many", 20, (12, 20, true))] {
        let piece = json!({"id": "c", "model": "m",
            "usage": {"prompt_tokens": 12, "completion_tokens": completion},
            "choices": [{"index": 0, "delta": {"content": "It is so."}}]});
        Scripted::saying(format!("data: {piece}\n\n")).await.model(&world, name).await;
        // Passed on, and through the port.
        for surface in [CHAT, MESSAGES] {
            let body = said::question(surface, name, true);
            let (status, answer) = world.send("ada", "POST", surface, body).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            let row = world.ledger().await.pop().unwrap();
            assert_eq!(row.error_code.as_deref(), Some("provider_stream_broken"), "{row:?}");
            assert_eq!(counts(&row), expected, "{name} at {surface}");
        }
    }
}

#[tokio::test]
async fn the_prompt_of_half_a_message_is_counted_by_anthropic() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.at_kind(&Kind::new("anthropic", ""), "a").await;
    world.model_at(&provider, "broken", "half-frame").await;
    world.model_at(&provider, "left", "gated").await;
    for (number, surface) in [MESSAGES, CHAT].into_iter().enumerate() {
        let body = said::question(surface, "broken", true);
        world.send("ada", "POST", surface, body).await;
        let row = world.ledger().await.pop().unwrap();
        // Three words, and an estimate of the two that came.
        assert_eq!((row.status.as_str(), counts(&row)), ("failed", (3, 3, true)), "{surface}");

        let body = said::question(surface, "left", true);
        let response = world.open("ada", "POST", surface, body).await;
        let mut pieces = response.into_body().into_data_stream();
        world.upstream.release(2);
        let mut read = String::new();
        while !read.contains("said") {
            read.push_str(std::str::from_utf8(&pieces.next().await.unwrap().unwrap()).unwrap());
        }
        drop(pieces);
        world.upstream.wait_for(|upstream| upstream.abandoned() == number as u64 + 1).await;
        let row = world.ledger().await.pop().unwrap();
        assert_eq!((row.status.as_str(), counts(&row)), ("cancelled", (3, 3, true)), "{surface}");
    }
}
