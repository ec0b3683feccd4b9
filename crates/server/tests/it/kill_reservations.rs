//! `kill -9` while calls hold parts of a quota: afterwards what was used is what the ledger says, and
//! nothing else is taken.

use std::time::Duration;

use lyceum_testkit::Session;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, id};

/// Calls that an upstream never answers.
const HELD: u64 = 8;

fn call(model: &str) -> Value {
    json!({ "model": model, "max_tokens": 50, "messages": [{ "role": "user", "content": "hi" }] })
}

/// How one thing of the caller's own quota stands: the limit, what is used and what is reserved.
async fn standing(person: &Session, resource: &str) -> (Option<u64>, u64, u64) {
    let quotas = person.get("/api/v1/quotas/me").await.unwrap();
    let own = quotas["items"].as_array().unwrap().iter().find(|quota| quota["scope"] == "user");
    let resources = own.unwrap()["resources"].as_array().unwrap();
    let found = resources.iter().find(|one| one["resource"] == resource).unwrap();
    let number = |name: &str| -> Option<u64> {
        let text = found.get(name)?.as_str()?;
        text.split('.').next().unwrap().parse().ok()
    };
    (number("limit"), number("used").unwrap(), number("reserved").unwrap())
}

/// Calls and tokens as the ledger has them.
async fn ledger(person: &Session) -> (u64, u64) {
    let summary = person.get("/api/v1/usage/summary?group_by=purpose").await.unwrap();
    let total = |name: &str| summary["total"][name].as_u64().unwrap();
    (total("calls"), total("prompt_tokens") + total("completion_tokens"))
}

async fn limit(world: &World, quota: &str, calls: u64) {
    let limits = json!({ "max_api_calls": calls, "max_tokens": 1_000_000_000 });
    world.admin.send(Method::PUT, quota, limits).await.unwrap();
}

#[tokio::test]
async fn what_a_killed_program_had_reserved_is_free_and_what_it_used_is_the_ledgers() {
    let world = World::new().await.unwrap();
    for model in ["ok", "hang"] {
        world.model(&world.alice, model).await.unwrap();
    }
    let alice = id(&world.alice.get("/api/v1/me").await.unwrap()).unwrap();
    let quota = format!("/api/v1/quotas/users/{alice}");
    limit(&world, &quota, 1_000_000).await;
    let key = world.alice.post("/api/v1/api-keys", json!({ "name": "load" })).await.unwrap();
    let secret = key["key"].as_str().unwrap().to_owned();
    let key = world.alice.with_key(&secret);

    for _ in 0..HELD {
        let key = key.clone();
        tokio::spawn(async move { key.post("/v1/chat/completions", call("hang")).await });
    }
    let mut held = (None, 0, 0);
    for _ in 0..600 {
        held = standing(&world.alice, "api_calls").await;
        if held.2 == HELD {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(held, (Some(1_000_000), 0, HELD), "the calls that hang hold their part");
    assert!(standing(&world.alice, "tokens").await.2 >= HELD * 50);

    let mut workers = Vec::new();
    for _ in 0..8 {
        let key = key.clone();
        workers.push(tokio::spawn(async move {
            let mut answered = 0u64;
            while key.post("/v1/chat/completions", call("ok")).await.is_ok() {
                answered += 1;
            }
            answered
        }));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let world = world.crash_and_restart().await.unwrap();
    let mut answered = 0;
    for worker in workers {
        answered += worker.await.unwrap();
    }
    assert!(answered > 50, "only {answered} calls were answered");

    // No answered call is missing, and what is used is the ledger's sum to the last token.
    let (calls, tokens) = ledger(&world.alice).await;
    assert!(calls >= answered, "{answered} answered, {calls} recorded");
    assert_eq!(standing(&world.alice, "api_calls").await.1, calls);
    assert_eq!(standing(&world.alice, "tokens").await.1, tokens);

    // Were anything still reserved, fewer calls than the limit leaves would pass.
    const LEFT: u64 = 3;
    limit(&world, &quota, calls + LEFT).await;
    let key = world.alice.with_key(&secret);
    for number in 1..=LEFT {
        let answer = key.post("/v1/chat/completions", call("ok")).await;
        assert!(answer.is_ok(), "call {number} of {LEFT}: {answer:?}");
    }
    let refused = key.post("/v1/chat/completions", call("ok")).await.unwrap_err().to_string();
    assert!(refused.contains("429"), "{refused}");
    let (calls_now, tokens_now) = ledger(&world.alice).await;
    assert_eq!(calls_now, calls + LEFT);
    assert_eq!(standing(&world.alice, "api_calls").await, (Some(calls + LEFT), calls + LEFT, 0));
    let (_, used, reserved) = standing(&world.alice, "tokens").await;
    assert_eq!((used, reserved), (tokens_now, 0));
}
