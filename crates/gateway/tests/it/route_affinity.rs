//! Which of several targets of one priority a conversation comes to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures::StreamExt as _;
use lyceum_gateway::{CallContext, Purpose};
use lyceum_llm::{ChatMessage, ChatRequest, Role};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::routes::{CHAT, ROUTES};
use crate::world::World;

/// A turn of a conversation that differs from others in its first question.
fn turn(first: &str, number: usize) -> Value {
    let mut messages = vec![
        json!({"role": "system", "content": "Be brief."}),
        json!({"role": "user", "content": first}),
    ];
    for number in 1..number {
        messages.push(json!({"role": "assistant", "content": format!("Answer {number}.")}));
        messages.push(json!({"role": "user", "content": format!("And {number}?")}));
    }
    json!({"model": "route", "messages": messages})
}

impl World {
    /// Ada's route `route` over two models of the upstream in one priority, with these weights; the
    /// ids of Ada and of the route.
    async fn spread(&self, targets: [(&str, u32); 2], settings: Value) -> (Uuid, Uuid) {
        let ada = self.user("ada").await;
        let provider = self.provider("ada", "mock").await;
        let mut listed = Vec::new();
        for (model, weight) in targets {
            let id = self.model("ada", &provider, model, "chat").await;
            listed.push(json!({"model_config_id": id, "weight": weight}));
        }
        let body = json!({"name": "route", "scope": "personal", "targets": listed,
                          "settings": settings});
        let (status, route) = self.send("ada", "POST", ROUTES, body).await;
        assert_eq!(status, StatusCode::CREATED, "{route}");
        (ada, route["id"].as_str().unwrap().parse().unwrap())
    }

    /// Which model served, and after how many attempts.
    async fn served_at(&self, path: &str, body: Value) -> (String, String) {
        let response = self.open("ada", "POST", path, body).await;
        assert_eq!(response.status(), StatusCode::OK);
        let [model, attempts] = ["x-lyceum-served-model", "x-lyceum-attempts"]
            .map(|name| response.headers()[name].to_str().unwrap().to_owned());
        (model, attempts)
    }

    async fn served_of(&self, path: &str, body: Value) -> String {
        self.served_at(path, body).await.0
    }
}

#[tokio::test]
async fn conversations_are_shared_out_by_weight_and_stay_where_they_began() {
    let world = World::new().await;
    world.spread([("ok", 3), ("other", 1)], json!({})).await;
    let mut shares: BTreeMap<String, u32> = BTreeMap::new();
    for number in 0..200 {
        let first = format!("Question {number}?");
        let served = world.served_of(CHAT, turn(&first, 1)).await;
        if number < 20 {
            for later in 2..5 {
                assert_eq!(world.served_of(CHAT, turn(&first, later)).await, served, "{first}");
            }
        }
        *shares.entry(served).or_default() += 1;
    }
    // 150 on average; six standard deviations are 37.
    let share = shares["ok"];
    assert!((113..=187).contains(&share), "{shares:?}");
}

#[tokio::test]
async fn conversations_of_every_surface_stay_where_they_began() {
    let world = World::new().await;
    world.spread([("ok", 1), ("other", 1)], json!({})).await;
    let mut seen: BTreeMap<(&str, String), u32> = BTreeMap::new();
    for number in 0..20 {
        let first = json!({"role": "user", "content": format!("Question {number}?")});
        let more = json!([first, {"role": "assistant", "content": "Yes."},
                          {"role": "user", "content": "Why?"}]);
        let body = |path: &str, said: &Value| match path {
            "/v1/messages" => {
                json!({"model": "route", "max_tokens": 9, "system": "Be brief.", "messages": said})
            }
            _ => json!({"model": "route", "instructions": "Be brief.", "input": said}),
        };
        for path in ["/v1/messages", "/v1/responses"] {
            let served = world.served_of(path, body(path, &json!([first]))).await;
            assert_eq!(world.served_of(path, body(path, &more)).await, served, "{path}");
            *seen.entry((path, served)).or_default() += 1;
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[tokio::test]
async fn a_conversation_leaves_a_target_that_rests_and_comes_back() {
    let world = World::new().await;
    let settings = json!({"retries": 0, "min_calls": 1, "cooldown_ms": 1500});
    world.spread([("flaky-1", 1), ("ok", 1)], settings).await;
    // The one that fails first is the one of the conversation that needs another attempt.
    let mut stayed = None;
    let mut numbers = 0..100;
    let first = loop {
        let first = format!("Question {}?", numbers.next().unwrap());
        let (served, attempts) = world.served_at(CHAT, turn(&first, 1)).await;
        assert_eq!(served, "ok");
        if attempts == "2" {
            break first;
        }
        stayed = Some(first);
    };
    let began = Instant::now();
    // While it rests the other one is asked, at once.
    let (served, attempts) = world.served_at(CHAT, turn(&first, 2)).await;
    if began.elapsed() < Duration::from_millis(1000) {
        assert_eq!((served.as_str(), attempts.as_str()), ("ok", "1"));
    }
    while world.served_of(CHAT, turn(&first, 3)).await != "flaky-1" {
        assert!(began.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for number in 4..8 {
        assert_eq!(world.served_of(CHAT, turn(&first, number)).await, "flaky-1");
        if let Some(stayed) = &stayed {
            assert_eq!(world.served_of(CHAT, turn(stayed, number)).await, "ok");
        }
    }
}

#[tokio::test]
async fn requests_with_one_key_and_those_of_one_conversation_stay_together() {
    let world = World::new().await;
    let (ada, route) = world.spread([("ok", 1), ("other", 1)], json!({})).await;
    for key in ["one", "two", "three"] {
        let mut served = Vec::new();
        for number in 0..8 {
            let mut body = turn(&format!("Question {number}?"), 1);
            body["prompt_cache_key"] = json!(key);
            served.push(world.served_of(CHAT, body).await);
        }
        served.dedup();
        assert_eq!(served.len(), 1, "{key}: {served:?}");
    }

    let before = world.attempts().await.len();
    let model = world.gateway.resolve_chat_model(ada, Some(route)).await.unwrap();
    let conversations: Vec<_> = (0..6).map(|_| lyceum_core::new_id()).collect();
    for question in ["One?", "Two?", "Three?"] {
        for conversation in &conversations {
            let context = CallContext {
                conversation_id: Some(*conversation),
                ..CallContext::new(ada, Purpose::Chat)
            };
            let request = ChatRequest::new("", vec![ChatMessage::text(Role::User, question)]);
            let mut stream = world.gateway.chat(context, &model, request).await.unwrap();
            while let Some(event) = stream.next().await {
                event.unwrap();
            }
        }
    }
    let rows = world.attempts().await;
    let turns: Vec<&str> = rows[before..].iter().map(|row| row.served_model.as_str()).collect();
    assert_eq!(turns.len(), 18);
    assert_eq!(turns[..6], turns[6..12]);
    assert_eq!(turns[..6], turns[12..]);
}
