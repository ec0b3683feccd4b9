//! Requests and answers that models keep.

use std::time::Duration;

use axum::http::StatusCode;
use lyceum_core::Clock;
use lyceum_gateway::{ForgetPayloads, GatewaySettings};
use lyceum_jobs::{CancellationToken, Job as _, JobContext};
use serde_json::{Value, json};
use sqlx::Row as _;
use uuid::Uuid;

use crate::world::{KEY, World};

/// A model of `who` that keeps payloads.
async fn keeping(world: &World, who: &str, provider: &str, model: &str, which: &str) {
    let body = json!({"provider_config_id": provider, "model": model, "kind": "chat",
        "log_payloads": which});
    let (status, view) = world.send(who, "POST", "/api/v1/models", body).await;
    assert_eq!(status, StatusCode::CREATED, "{view}");
    assert_eq!(view["log_payloads"], which);
}

async fn ask(world: &World, who: &str, model: &str, text: &str, stream: bool) -> Uuid {
    let body = json!({"model": model, "stream": stream,
        "messages": [{"role": "user", "content": text}]});
    world.send(who, "POST", "/v1/chat/completions", body).await;
    world.gateway.flush().await;
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    sqlx::query_scalar("SELECT id FROM gateway.usage_statistics ORDER BY created_at DESC LIMIT 1")
        .fetch_one(&mut *tx)
        .await
        .unwrap()
}

async fn payload(world: &World, who: &str, call: Uuid) -> (StatusCode, Value) {
    let path = format!("/api/v1/usage/calls/{call}/payload");
    world.send(who, "GET", &path, Value::Null).await
}

async fn kept(world: &World) -> i64 {
    world.number("SELECT count(*) FROM gateway.call_payloads").await
}

#[tokio::test]
async fn only_what_a_model_keeps_is_kept_and_reading_it_is_noted() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    world.user("bob").await;
    world.admin("root").await;
    let provider = world.provider("ada", "mock").await;
    world.model("ada", &provider, "ok", "chat").await;
    keeping(&world, "ada", &provider, "kept", "all").await;
    keeping(&world, "ada", &provider, "status-500", "errors").await;
    keeping(&world, "ada", &provider, "fine", "errors").await;

    let off = ask(&world, "ada", "ok", "not to be kept", false).await;
    ask(&world, "ada", "fine", "no error", true).await;
    assert_eq!(kept(&world).await, 0);
    assert_eq!(payload(&world, "root", off).await.0, StatusCode::NOT_FOUND);

    let failed = ask(&world, "ada", "status-500", "it fails", false).await;
    let (status, found) = payload(&world, "root", failed).await;
    assert_eq!(status, StatusCode::OK, "{found}");
    assert!(found["request"].as_str().unwrap().contains("it fails"), "{found}");
    assert!(!found["error"].as_str().unwrap().is_empty(), "{found}");

    for stream in [false, true] {
        let call = ask(&world, "ada", "kept", "tell me", stream).await;
        let (status, found) = payload(&world, "root", call).await;
        assert_eq!(status, StatusCode::OK, "{found}");
        assert_eq!(found["answer"], "You said: tell me");
        assert_eq!(found.get("error"), None);
        let request: Value = serde_json::from_str(found["request"].as_str().unwrap()).unwrap();
        assert_eq!(request["messages"][0]["content"], "tell me");
        // A right of its own, which ordinary people lack.
        assert_eq!(payload(&world, "ada", call).await.0, StatusCode::FORBIDDEN);
    }
    // With it, one's own and no other's.
    let call = ask(&world, "ada", "kept", "mine", false).await;
    world.grant(ada, "ada", &["payload:read", "usage:read"]).await;
    let bob = world.user("bobby").await;
    world.grant(bob, "bobby", &["payload:read", "usage:read"]).await;
    assert_eq!(payload(&world, "ada", call).await.0, StatusCode::OK);
    assert_eq!(payload(&world, "bobby", call).await.0, StatusCode::NOT_FOUND);
    let views = "SELECT count(*) FROM ops.audit_logs
                 WHERE action = 'view' AND resource_type = 'call_payload'";
    assert_eq!(world.number(views).await, 4, "each reading and no refusal");
    // What is stored is not the text.
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    let rows = sqlx::query("SELECT encrypted_payload FROM gateway.call_payloads")
        .fetch_all(&mut *tx)
        .await
        .unwrap();
    for row in rows {
        let bytes: Vec<u8> = row.get(0);
        assert!(!bytes.windows(4).any(|window| window == b"mess"));
    }
}

#[tokio::test]
async fn no_secret_is_stored() {
    let world = World::new().await;
    world.user("ada").await;
    world.admin("root").await;
    let provider = world.provider("ada", "mock").await;
    keeping(&world, "ada", &provider, "kept", "all").await;
    // A key of another's provider that looks like nothing.
    let body = json!({"provider": "custom", "name": "quiet", "scope": "personal",
        "base_url": world.upstream.base_url, "api_key": "four-quiet-words-here"});
    let (status, view) = world.send("root", "POST", "/api/v1/providers", body).await;
    assert_eq!(status, StatusCode::CREATED, "{view}");
    let text =
        format!("{KEY} and four-quiet-words-here and Bearer abcdefghijklmnop123 to a@b.example");
    let call = ask(&world, "ada", "kept", &text, false).await;
    let (status, found) = payload(&world, "root", call).await;
    assert_eq!(status, StatusCode::OK, "{found}");
    let whole = found.to_string();
    for secret in [KEY, "quiet-words", "abcdefghijklmnop123"] {
        assert!(!whole.contains(secret), "{whole}");
    }
    // The answer repeats the question; addresses stay, unless it is set otherwise.
    assert!(found["answer"].as_str().unwrap().contains("[redacted]"), "{whole}");
    assert!(whole.contains("a@b.example"));
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    sqlx::query(
        "UPDATE ops.system_configs SET value = 'true' WHERE key = 'payloads.redact_emails'",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let call = ask(&world, "ada", "kept", "write to a@b.example", true).await;
    let (_, found) = payload(&world, "root", call).await;
    assert!(!found.to_string().contains("a@b.example"), "{found}");
}

#[tokio::test]
async fn long_bodies_are_cut_and_too_many_are_dropped() {
    let world = World::new().await;
    world.user("ada").await;
    world.admin("root").await;
    let provider = world.provider("ada", "mock").await;
    keeping(&world, "ada", &provider, "kept", "all").await;
    let long = "word ".repeat(100_000);
    let call = ask(&world, "ada", "kept", &long, false).await;
    let (status, found) = payload(&world, "root", call).await;
    assert_eq!(status, StatusCode::OK, "{found}");
    assert_eq!((&found["request_cut"], &found["answer_cut"]), (&json!(true), &json!(true)));
    assert!(found["request_bytes"].as_u64().unwrap() > 500_000);
    assert!(found["request"].as_str().unwrap().len() <= 64 * 1024);
    assert!(found["answer"].as_str().unwrap().len() <= 64 * 1024);
    let (status, view) = world.send("ada", "GET", "/api/v1/models", Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{view}");

    // While the table cannot be written calls are answered all the same.
    let mut owner = sqlx::ConnectOptions::connect(&world.test.owner).await.unwrap();
    sqlx::query("ALTER TABLE gateway.call_payloads RENAME TO away")
        .execute(&mut owner)
        .await
        .unwrap();
    let body = json!({"model": "kept", "messages": [{"role": "user", "content": "one"}]});
    let (status, _) = world.send("ada", "POST", "/v1/chat/completions", body).await;
    assert_eq!(status, StatusCode::OK);
    world.gateway.flush().await;
    sqlx::query("ALTER TABLE gateway.away RENAME TO call_payloads")
        .execute(&mut owner)
        .await
        .unwrap();
    let call = ask(&world, "ada", "kept", "later", false).await;
    assert_eq!(payload(&world, "root", call).await.0, StatusCode::OK);
}

#[tokio::test]
async fn what_is_old_is_forgotten() {
    let clock = Clock::fixed("2026-11-10T00:00:00Z".parse().unwrap());
    let world = World::at(GatewaySettings::default(), clock.clone()).await;
    world.user("ada").await;
    world.admin("root").await;
    let provider = world.provider("ada", "mock").await;
    keeping(&world, "ada", &provider, "kept", "all").await;
    ask(&world, "ada", "kept", "old", false).await;
    let context = || JobContext {
        job_id: 1,
        attempt: 1,
        max_attempts: 1,
        shutdown: CancellationToken::new(),
    };
    clock.advance(Duration::from_secs(7 * 24 * 3600));
    ask(&world, "ada", "kept", "new", false).await;
    ForgetPayloads {}.run(world.gateway.clone(), context()).await.unwrap();
    assert_eq!(kept(&world).await, 2, "seven days are not over");
    clock.advance(Duration::from_secs(1));
    ForgetPayloads {}.run(world.gateway.clone(), context()).await.unwrap();
    assert_eq!(kept(&world).await, 1);
}
