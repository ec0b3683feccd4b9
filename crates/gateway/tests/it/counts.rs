//! What the ledger says where a provider's counts are empty, or those of half an answer.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::passing::{Scripted, stream_of};
use crate::routes::{CHAT, question};
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
