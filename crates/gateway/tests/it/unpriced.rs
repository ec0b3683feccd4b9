//! Quotas of costs, and models whose price nobody entered.

use axum::http::StatusCode;
use lyceum_core::Problem as _;
use lyceum_gateway::{CallContext, Purpose};
use lyceum_llm::{ChatMessage, ChatRequest, Role};
use serde_json::{Value, json};

use crate::kinds::Kind;
use crate::quotas::limit;
use crate::routes::CHAT;
use crate::said::{COMPLETIONS, MESSAGES, RESPONSES, question};
use crate::world::World;

const EMBEDDINGS: &str = "/v1/embeddings";

async fn call(world: &World, who: &str, model: &str) -> StatusCode {
    world.send(who, "POST", CHAT, question(CHAT, model, false)).await.0
}

async fn embed(world: &World, who: &str, model: &str) -> StatusCode {
    world.send(who, "POST", EMBEDDINGS, json!({"model": model, "input": "one"})).await.0
}

/// Asks by every surface; none lets it through, and the provider hears nothing of it.
async fn assert_refused(world: &World, who: &str, whose: &str) {
    let asked = world.upstream.calls();
    let mut requests = vec![(EMBEDDINGS, json!({"model": "embedder", "input": "one"}))];
    for surface in [CHAT, RESPONSES, COMPLETIONS, MESSAGES] {
        requests.extend([false, true].map(|stream| (surface, question(surface, "ok", stream))));
    }
    for (surface, body) in requests {
        let (status, answer) = world.send(who, "POST", surface, body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{surface}: {answer}");
        let error = &answer["error"];
        assert_eq!(error["code"], "price_unknown", "{surface}: {answer}");
        assert_eq!(error["type"], "permission_error", "{surface}: {answer}");
        assert_eq!(answer["type"] == "error", surface == MESSAGES, "{surface}: {answer}");
        let message = error["message"].as_str().unwrap();
        let begins = format!("{whose} limits costs, and the price of '");
        assert!(message.starts_with(&begins), "{surface}: {message}");
    }
    assert_eq!(world.upstream.calls(), asked);
}

#[tokio::test]
async fn whom_a_quota_of_costs_binds_calls_no_model_whose_price_is_unknown() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let key = world.key(ada, "ada-key").await;
    let group = world.group("team", &[ada]).await;
    let provider = world.provider("ada", "mock").await;
    let model = world.model("ada", &provider, "ok", "chat").await;
    world.model("ada", &provider, "embedder", "embedding").await;
    for (kind, subject, who, whose) in [
        ("users", ada, "ada", "Your quota"),
        ("groups", group, "ada", "Your group's quota"),
        ("api-keys", key, "ada-key", "This API key's quota"),
    ] {
        // A quota that limits no costs is in nobody's way, until it does.
        limit(&world, kind, subject, json!({"max_tokens": 1_000_000})).await;
        assert_eq!(call(&world, who, "ok").await, StatusCode::OK);
        let limits = json!({"max_tokens": 1_000_000, "max_cost": "10"});
        limit(&world, kind, subject, limits).await;
        assert_refused(&world, who, whose).await;
        // What is built in costs nothing.
        assert_eq!(call(&world, who, "local-chat").await, StatusCode::OK);
        assert_eq!(embed(&world, who, "local-embedding").await, StatusCode::OK);
        let path = format!("/api/v1/quotas/{kind}/{subject}");
        let (status, _) = world.send("root", "DELETE", &path, Value::Null).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        assert_eq!(call(&world, who, "ok").await, StatusCode::OK);
    }
    // A key's quota binds the key alone.
    limit(&world, "api-keys", key, json!({"max_tokens": 1_000_000, "max_cost": "10"})).await;
    assert_eq!(call(&world, "ada", "ok").await, StatusCode::OK);
    // The same as conversations are told.
    let ok = world.gateway.resolve_chat_model(ada, Some(model.parse().unwrap())).await.unwrap();
    let mut context = CallContext::new(ada, Purpose::Chat);
    context.api_key_id = Some(key);
    let request = ChatRequest::new("", vec![ChatMessage::text(Role::User, "hi")]);
    let error = world.gateway.chat(context, &ok, request).await.err().unwrap();
    let members = error.extensions();
    assert_eq!(error.code(), "price_unknown");
    assert_eq!((&members["scope"], &members["model"]), (&json!("api_key"), &json!("ok")));
    // Of what was refused nothing is in the ledger, and nothing stays reserved.
    assert_eq!(world.ledger().await.len(), 13);
    assert_eq!(world.number("SELECT count(*) FROM gateway.quota_leases").await, 0);
}

#[tokio::test]
async fn a_price_of_all_that_a_call_uses_lets_it_through() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let chat = world.model("ada", &provider, "ok", "chat").await;
    let embedder = world.model("ada", &provider, "embedder", "embedding").await;
    limit(&world, "users", ada, json!({"max_cost": "10"})).await;
    world.change_model("ada", &chat, json!({"input_price": "1"})).await;
    assert_eq!(call(&world, "ada", "ok").await, StatusCode::FORBIDDEN);
    world.change_model("ada", &chat, json!({"output_price": "0"})).await;
    assert_eq!(call(&world, "ada", "ok").await, StatusCode::OK);
    assert_eq!(embed(&world, "ada", "embedder").await, StatusCode::FORBIDDEN);
    world.change_model("ada", &embedder, json!({"embedding_price": "1"})).await;
    assert_eq!(embed(&world, "ada", "embedder").await, StatusCode::OK);
    let rows = world.ledger().await;
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.cost.is_some()), "{rows:?}");
}

#[tokio::test]
async fn what_takes_no_tokens_needs_no_price() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    world.keeping("ada", "ok").await;
    let provider = world.at_kind(&Kind::new("anthropic", ""), "a").await;
    world.model_at(&provider, "claude", "ok").await;
    let kept = question(CHAT, "ok", false);
    assert_eq!(world.ask("ada", CHAT, &kept, "").await.cache(), Some("miss"));
    limit(&world, "users", ada, json!({"max_cost": "10"})).await;
    let again = world.ask("ada", CHAT, &kept, "").await;
    assert_eq!((again.status, again.cache()), (StatusCode::OK, Some("hit")));
    let other = world.ask("ada", CHAT, &question(CHAT, "ok", true), "").await;
    assert_eq!(other.status, StatusCode::FORBIDDEN);
    let counted = question(MESSAGES, "claude", false);
    let (status, count) = world.send("ada", "POST", "/v1/messages/count_tokens", counted).await;
    assert_eq!((status, &count["input_tokens"]), (StatusCode::OK, &json!(3)), "{count}");
}
