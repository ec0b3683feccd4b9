//! Whom a program calls for: noted with each call, and asked for.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::caching::CHAT;
use crate::kinds::Kind;
use crate::said::{COMPLETIONS, MESSAGES, RESPONSES, question};
use crate::world::World;

const COUNT: &str = "/v1/messages/count_tokens";
const EMBEDDINGS: &str = "/v1/embeddings";

/// Asks for somebody whom a header names.
async fn ask(world: &World, path: &str, body: &Value, named: &[u8]) -> (StatusCode, Value) {
    let request = Request::post(path)
        .header(header::AUTHORIZATION, "Bearer ada")
        .header("x-lyceum-end-user", named)
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = world.app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

/// Asks for somebody whom the body names, or for nobody.
async fn ask_for(world: &World, name: Option<&str>) {
    let mut body = question(CHAT, "local-chat", false);
    if let Some(name) = name {
        body["user"] = json!(name);
    }
    let (status, answer) = world.send("ada", "POST", CHAT, body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

async fn last_named(world: &World) -> Option<String> {
    world.ledger().await.pop().unwrap().end_user
}

#[tokio::test]
async fn every_surface_notes_whom_the_body_names_or_before_that_a_header() {
    let world = World::new().await;
    world.user("ada").await;
    let openai = |mut body: Value| {
        body["safety_identifier"] = json!("from-body");
        body["user"] = json!("older");
        body
    };
    let anthropic = |mut body: Value| {
        body["metadata"] = json!({"user_id": "from-body"});
        body
    };
    let texts = json!({"model": "local-embedding", "input": "one"});
    let provider = world.at_kind(&Kind::new("anthropic", ""), "claude").await;
    world.model_at(&provider, "claude", "ok").await;
    let mut rows = 0;
    for (surface, body) in [
        (CHAT, openai(question(CHAT, "local-chat", false))),
        (RESPONSES, openai(question(RESPONSES, "local-chat", false))),
        (COMPLETIONS, openai(question(COMPLETIONS, "local-chat", false))),
        (EMBEDDINGS, openai(texts)),
        (MESSAGES, anthropic(question(MESSAGES, "local-chat", false))),
        (MESSAGES, anthropic(question(MESSAGES, "claude", false))),
        (COUNT, anthropic(question(MESSAGES, "claude", false))),
    ] {
        let (status, answer) = world.send("ada", "POST", surface, body.clone()).await;
        assert_eq!(status, StatusCode::OK, "{surface}: {answer}");
        assert_eq!(last_named(&world).await.as_deref(), Some("from-body"), "{surface}");
        let (status, answer) = ask(&world, surface, &body, "甲方".as_bytes()).await;
        assert_eq!(status, StatusCode::OK, "{surface}: {answer}");
        assert_eq!(last_named(&world).await.as_deref(), Some("甲方"), "{surface}");
        rows += 2;
    }
    assert_eq!(world.ledger().await.len(), rows);
    ask_for(&world, None).await;
    assert_eq!(last_named(&world).await, None);
}

#[tokio::test]
async fn the_provider_is_told_of_the_body_and_not_of_the_header() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    world.model("ada", &provider, "ok", "chat").await;
    let mut body = question(CHAT, "ok", false);
    body["user"] = json!("older");
    let (status, answer) = ask(&world, CHAT, &body, b"from-header").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let sent = world.upstream.requests().pop().unwrap();
    assert_eq!(sent.body["user"], "older");
    assert!(!sent.headers.contains_key("x-lyceum-end-user"));
    assert_eq!(last_named(&world).await.as_deref(), Some("from-header"));

    // A long one reaches the provider whole and the ledger cut.
    body["user"] = json!("汉".repeat(300));
    let (status, answer) = world.send("ada", "POST", CHAT, body.clone()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(world.upstream.requests().pop().unwrap().body["user"], body["user"]);
    assert_eq!(last_named(&world).await, Some("汉".repeat(256)));
}

#[tokio::test]
async fn every_attempt_of_a_route_is_for_the_same_one() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let broken = world.model("ada", &provider, "status-500", "chat").await;
    let well = world.model("ada", &provider, "ok", "chat").await;
    world.route("ada", "either", &[&broken, &well], json!({"retries": 0})).await;
    let (status, answer) = ask(&world, CHAT, &question(CHAT, "either", false), b"customer-1").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let named: Vec<_> = world.ledger().await.into_iter().map(|row| row.end_user).collect();
    assert_eq!(named, [Some("customer-1".to_owned()), Some("customer-1".to_owned())]);
}

#[tokio::test]
async fn a_header_that_is_too_long_or_no_text_is_refused_before_anything_is_asked() {
    let world = World::new().await;
    world.user("ada").await;
    for (named, word) in [("a".repeat(257).into_bytes(), "256"), (b"\xff".to_vec(), "UTF-8")] {
        for surface in [CHAT, MESSAGES] {
            let body = question(surface, "local-chat", false);
            let (status, answer) = ask(&world, surface, &body, &named).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{surface}: {answer}");
            assert_eq!(answer["error"]["code"], "invalid_end_user", "{surface}: {answer}");
            assert!(answer["error"]["message"].as_str().unwrap().contains(word), "{answer}");
        }
    }
    assert!(world.ledger().await.is_empty());
}

#[tokio::test]
async fn a_kept_answer_is_noted_for_whoever_it_is_given_to() {
    let world = World::new().await;
    world.user("ada").await;
    world.keeping("ada", "ok").await;
    let body = question(CHAT, "ok", false);
    for named in ["customer-1", "customer-2"] {
        let (status, answer) = ask(&world, CHAT, &body, named.as_bytes()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    let rows = world.ledger().await;
    let told: Vec<_> = rows.iter().map(|row| (row.cache_hit, row.end_user.as_deref())).collect();
    assert_eq!(told, [(false, Some("customer-1")), (true, Some("customer-2"))]);
}

#[tokio::test]
async fn calls_are_listed_exported_and_summed_up_by_whom_they_were_for() {
    let world = World::new().await;
    world.user("ada").await;
    world.user("eve").await;
    for name in [Some("none"), Some("none"), Some("=1+1"), None, None, None] {
        ask_for(&world, name).await;
    }
    let get = async |who: &str, path: &str| {
        let path = format!("/api/v1/usage/{path}");
        let (status, answer) = world.send(who, "GET", &path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    };
    world.gateway.flush().await;
    let page = get("ada", "calls?end_user=none").await;
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert!(items.iter().all(|call| call["end_user"] == "none"), "{page}");
    let path = format!("calls/{}", items[0]["id"].as_str().unwrap());
    assert_eq!(get("ada", &path).await["end_user"], "none");
    for nobody in ["calls?end_user=None", "calls?end_user=non"] {
        assert_eq!(get("ada", nobody).await["items"], json!([]), "{nobody}");
    }
    assert_eq!(get("eve", "calls?end_user=none").await["items"], json!([]));
    let (status, problem) =
        world.send("ada", "GET", "/api/v1/usage/calls?end_user=a%00", Value::Null).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_query")));

    let file = get("ada", "export").await;
    let mut reader = csv::Reader::from_reader(file.as_str().unwrap().as_bytes());
    assert_eq!(reader.headers().unwrap().iter().next_back(), Some("end_user"));
    let told = reader.records().map(|row| row.unwrap().iter().next_back().unwrap().to_owned());
    let mut told: Vec<_> = told.collect();
    told.sort();
    assert_eq!(told, ["", "", "", "'=1+1", "none", "none"]);
    let lines = get("ada", "export?format=jsonl&end_user=none").await;
    assert_eq!(lines.as_str().unwrap().lines().count(), 2);

    // Whether they are rolled up or not, and also where only those of one are asked for.
    for _ in 0..2 {
        let sums = get("ada", "summary?group_by=end_user").await;
        let sums = sums["items"].as_array().unwrap().iter();
        let sums: Vec<_> = sums.map(|sum| (sum["key"].clone(), sum["calls"].clone())).collect();
        let expected = [("", 3), ("none", 2), ("=1+1", 1)];
        assert_eq!(sums, expected.map(|(key, calls)| (json!(key), json!(calls))));
        let one = get("ada", "summary?group_by=model&end_user=none").await;
        assert_eq!((&one["total"]["calls"], &one["items"][0]["calls"]), (&json!(2), &json!(2)));
        assert_eq!(one["items"].as_array().unwrap().len(), 1);
        let daily = get("ada", "daily?group_by=end_user").await;
        let daily = daily["items"].as_array().unwrap().iter();
        let named: i64 = daily
            .filter(|day| day["key"] == "none")
            .map(|day| day["calls"].as_i64().unwrap())
            .sum();
        assert_eq!(named, 2);
        let nothing = get("eve", "summary?group_by=end_user").await;
        assert_eq!((&nothing["total"]["calls"], &nothing["items"]), (&json!(0), &json!([])));
        while world.gateway.fold_usage(100).await.unwrap() > 0 {}
    }
}
