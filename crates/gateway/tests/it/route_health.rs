//! Cooling down, the limit of the first token, weights and many at once, through the whole gateway.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::routes::{CHAT, ROUTES, question};
use crate::world::World;

impl World {
    /// What the route's health says of its target of this number.
    pub async fn health(&self, route: &str, target: usize) -> Value {
        let path = format!("{ROUTES}/{route}/health");
        let (status, health) = self.send("ada", "GET", &path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{health}");
        health["items"][target].clone()
    }

    /// Asks a route and tells which model served.
    async fn served(&self, name: &str) -> String {
        let response = self.open("ada", "POST", CHAT, question(name, false)).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.headers()["x-lyceum-served-model"].to_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_failing_target_rests_is_tried_and_comes_back() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let flaky = world.model("ada", &provider, "flaky-4", "chat").await;
    let good = world.model("ada", &provider, "ok", "chat").await;
    let settings = json!({"retries": 0, "min_calls": 3, "failure_percent": 60, "cooldown_ms": 300});
    let id = world.route("ada", "route", &[&flaky, &good], settings).await;
    assert_eq!(world.health(&id, 0).await["state"], "healthy");
    for _ in 0..3 {
        assert_eq!(world.served("route").await, "ok");
    }
    assert_eq!(world.upstream.calls_of("flaky-4"), 3);
    let opened = Instant::now();
    let health = world.health(&id, 0).await;
    assert_eq!((&health["calls"], &health["failures"]), (&json!(3), &json!(3)), "{health}");
    assert_eq!(health["failure_rate"], 1.0);
    // While it rests it is not asked.
    while opened.elapsed() < Duration::from_millis(150) {
        assert_eq!(world.served("route").await, "ok");
    }
    if opened.elapsed() < Duration::from_millis(250) {
        assert_eq!(world.health(&id, 0).await["state"], "cooling");
        assert_eq!(world.upstream.calls_of("flaky-4"), 3);
    }
    // The first probe fails, and it rests again; the second one brings it back.
    while world.upstream.calls_of("flaky-4") < 5 {
        world.served("route").await;
    }
    assert_eq!(world.served("route").await, "flaky-4");
    let health = world.health(&id, 0).await;
    assert_eq!(health["state"], "healthy", "{health}");
    assert_eq!(health["failures"], 0, "{health}");
    assert!(health["p50_latency_ms"].is_u64(), "{health}");
}

#[tokio::test]
async fn where_all_rest_the_caller_is_told_when_to_come_back() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let model = world.model("ada", &provider, "status-500", "chat").await;
    let settings = json!({"retries": 0, "min_calls": 1, "cooldown_ms": 60_000});
    world.route("ada", "route", &[&model], settings).await;
    let (status, _) = world.send("ada", "POST", CHAT, question("route", false)).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    let response = world.open("ada", "POST", CHAT, question("route", false)).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let after: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((50..=60).contains(&after), "{after}");
    // What was not asked is no call.
    assert_eq!((world.upstream.calls(), world.attempts().await.len()), (1, 1));
}

#[tokio::test]
async fn one_person_finds_what_another_has_learnt() {
    let world = World::new().await;
    world.admin("root").await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let (provider, _) = world.shared("root", "house", "shared").await;
    let body = json!({"provider_config_id": provider, "name": "broken", "model": "status-500",
                      "kind": "chat"});
    let (_, broken) = world.send("root", "POST", "/api/v1/models", body).await;
    for user in [ada, bob] {
        world.give("root", &provider, user).await;
    }
    let (_, models) = world.send("root", "GET", "/api/v1/models", Value::Null).await;
    let models = models["items"].as_array().unwrap();
    let shared = models.iter().find(|model| model["name"] == "shared").unwrap();
    let body = json!({"name": "route", "scope": "organization",
        "settings": {"retries": 0, "min_calls": 1, "cooldown_ms": 60_000},
        "targets": [{"model_config_id": broken["id"]},
                    {"model_config_id": shared["id"], "priority": 2}]});
    let (status, route) = world.send("root", "POST", ROUTES, body).await;
    assert_eq!(status, StatusCode::CREATED, "{route}");
    for (who, attempts) in [("ada", "2"), ("bob", "1")] {
        let response = world.open(who, "POST", CHAT, question("route", false)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["x-lyceum-attempts"], attempts, "{who}");
    }
}

#[tokio::test]
async fn a_first_token_that_is_late_is_not_waited_for() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let gated = world.model("ada", &provider, "gated", "chat").await;
    let good = world.model("ada", &provider, "ok", "chat").await;
    let claude =
        world.provider_of("ada", "anthropic", "claude", &world.upstream.origin, json!({})).await;
    let body = json!({"provider_config_id": claude, "name": "gated claude", "model": "gated",
                      "kind": "chat"});
    let (_, other) = world.send("ada", "POST", "/api/v1/models", body).await;
    let settings = json!({"retries": 0, "first_token_timeout_ms": 200});
    for (name, first) in
        [("passed on", gated.as_str()), ("translated", other["id"].as_str().unwrap())]
    {
        world.route("ada", name, &[first, &good], settings.clone()).await;
        let began = Instant::now();
        let response = world.open("ada", "POST", CHAT, question(name, true)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["x-lyceum-served-model"], "ok", "{name}");
        // The provider alone would be waited for for a second.
        let waited = began.elapsed();
        assert!(waited >= Duration::from_millis(200), "{name}: {waited:?}");
        assert!(waited < Duration::from_millis(900), "{name}: {waited:?}");
        drop(response);
        let rows = world.attempts().await;
        let late = &rows[rows.len() - 2];
        assert_eq!(late.error_code.as_deref(), Some("provider_timeout"), "{rows:?}");
        assert!(late.estimated && late.prompt_tokens > 0, "{late:?}");
    }
    world.upstream.wait_for(|upstream| upstream.abandoned() >= 2).await;
}

#[tokio::test]
async fn requests_are_shared_out_by_weight() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let first = world.model("ada", &provider, "ok", "chat").await;
    let second = world.model("ada", &provider, "no-done", "chat").await;
    let body = json!({"name": "route", "scope": "personal", "targets": [
        {"model_config_id": first, "weight": 3}, {"model_config_id": second, "weight": 1}]});
    let (status, route) = world.send("ada", "POST", ROUTES, body).await;
    assert_eq!(status, StatusCode::CREATED, "{route}");
    let mut shares: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..200 {
        *shares.entry(world.served("route").await).or_default() += 1;
    }
    // 150 on average; six standard deviations are 37.
    let share = shares["ok"];
    assert!((113..=187).contains(&share), "{shares:?}");
}

#[tokio::test]
async fn many_at_once_all_get_their_answer_and_their_rows() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let broken = world.model("ada", &provider, "flaky-20", "chat").await;
    let good = world.model("ada", &provider, "ok", "chat").await;
    let settings = json!({"retries": 1, "backoff_ms": 5, "min_calls": 5, "cooldown_ms": 100});
    world.route("ada", "route", &[&broken, &good], settings).await;
    let requests =
        (0..64).map(|number| world.open("ada", "POST", CHAT, question("route", number % 2 == 0)));
    let mut attempts = 0;
    for response in join_all(requests).await {
        assert_eq!(response.status(), StatusCode::OK);
        attempts +=
            response.headers()["x-lyceum-attempts"].to_str().unwrap().parse::<usize>().unwrap();
        axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    }
    let rows = world.attempts().await;
    assert_eq!(rows.len(), attempts);
    assert_eq!(rows.iter().filter(|row| row.status == "completed").count(), 64);
    assert_eq!(rows.len() as u64, world.upstream.calls());
    let numbered = rows.iter().filter(|row| row.attempt == 1).count();
    assert_eq!(numbered, 64);
}
