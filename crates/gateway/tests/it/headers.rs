//! Headers of a provider's own.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::kinds::kinds;
use crate::world::{KEY, World};

const TOKEN: &str = "Bearer tok-0123456789abcdef";

/// A provider that lets in by a header, beside the key; its path.
async fn with_headers(world: &World) -> String {
    let config = json!({"headers": {"X-Team": "research", "x-gateway-token": TOKEN}});
    let url = &world.upstream.base_url;
    let id = world.provider_of("ada", "custom", "mock", url, config).await;
    format!("/api/v1/providers/{id}")
}

fn sent(world: &World, name: &str) -> Vec<String> {
    let request = world.upstream.requests().pop().unwrap();
    let values = request.headers.get_all(name).iter();
    values.map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn they_go_with_every_kind_of_request() {
    let world = World::new().await;
    world.user("ada").await;
    let path = with_headers(&world).await;
    let id = path.rsplit('/').next().unwrap();
    world.model("ada", id, "ok", "chat").await;
    world.model("ada", id, "vectors", "embedding").await;
    let asked = |stream: bool| json!({"model": "ok", "stream": stream, "messages": [{"role": "user", "content": "hi"}]});
    let message = json!({"model": "ok", "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}]});
    for (method, path, body) in [
        ("POST", "/v1/chat/completions", asked(false)),
        ("POST", "/v1/chat/completions", asked(true)),
        ("POST", "/v1/messages", message),
        ("POST", "/v1/embeddings", json!({"model": "vectors", "input": "hi"})),
        ("GET", &format!("{path}/models"), Value::Null),
        ("POST", &format!("{path}/test"), Value::Null),
    ] {
        let before = world.upstream.requests().len();
        let (status, answer) = world.send("ada", method, path, body).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        assert!(world.upstream.requests().len() > before, "{path}");
        assert_eq!(sent(&world, "x-team"), ["research"], "{path}");
        assert_eq!(sent(&world, "x-gateway-token"), [TOKEN], "{path}");
        assert_eq!(sent(&world, "authorization"), [format!("Bearer {KEY}")], "{path}");
    }
}

#[tokio::test]
async fn every_kind_of_provider_has_them() {
    let world = World::new().await;
    world.user("ada").await;
    let (_, catalogue) = world.send("ada", "GET", "/api/v1/providers/catalogue", Value::Null).await;
    for kind in catalogue["items"].as_array().unwrap() {
        let schema = &kind["config_schema"]["properties"]["headers"];
        assert_eq!(schema["type"] == "object", kind["name"] != "local", "{kind}");
    }
    for (index, mut kind) in kinds().into_iter().enumerate() {
        kind.config["headers"] = json!({"x-team": "research"});
        let name = format!("{}-{index}", kind.provider);
        let id = world.at_kind(&kind, &name).await;
        world.model_at(&id, &name, "ok").await;
        let body = json!({"model": name, "messages": [{"role": "user", "content": "hi"}]});
        let (status, answer) = world.send("ada", "POST", "/v1/chat/completions", body).await;
        assert_eq!(status, StatusCode::OK, "{name}: {answer}");
        assert_eq!(sent(&world, "x-team"), ["research"], "{name}");
    }
}

#[tokio::test]
async fn a_value_is_never_shown_again_and_stays_until_another_is_given() {
    let world = World::new().await;
    world.user("ada").await;
    let path = with_headers(&world).await;
    let test = async || {
        world.send("ada", "POST", &format!("{path}/test"), Value::Null).await;
    };
    let (_, shown) = world.send("ada", "GET", &path, Value::Null).await;
    assert_eq!(shown["config"]["headers"], json!({"x-team": true, "x-gateway-token": true}));

    // What the form sends: all settings, with `true` for what stays.
    let mut config = shown["config"].clone();
    config["headers"]["X-Team"] = json!("sales");
    config["headers"].as_object_mut().unwrap().remove("x-team");
    let body = json!({"config": config, "name": "other"});
    let (status, changed) = world.send("ada", "PATCH", &path, body).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    assert_eq!(changed["config"]["headers"], shown["config"]["headers"]);
    test().await;
    assert_eq!(
        (sent(&world, "x-team"), sent(&world, "x-gateway-token")),
        (vec!["sales".to_owned()], vec![TOKEN.to_owned()])
    );
    assert_eq!(sent(&world, "authorization"), [format!("Bearer {KEY}")]);

    // A new key leaves them, and what is not named goes.
    let key = json!({"api_key": format!("{KEY}-new")});
    assert_eq!(world.send("ada", "PATCH", &path, key).await.0, StatusCode::OK);
    let fewer = json!({"config": {"headers": {"x-team": true}}});
    assert_eq!(world.send("ada", "PATCH", &path, fewer).await.0, StatusCode::OK);
    test().await;
    assert_eq!(sent(&world, "authorization"), [format!("Bearer {KEY}-new")]);
    assert_eq!(
        (sent(&world, "x-team"), sent(&world, "x-gateway-token")),
        (vec!["sales".to_owned()], Vec::new())
    );
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    let stored: Vec<String> =
        sqlx::query_scalar("SELECT to_jsonb(c)::text FROM gateway.provider_configs c")
            .fetch_all(&mut *tx)
            .await
            .unwrap();
    drop(tx);
    let none = json!({"config": {}, "api_key": null});
    let (_, bare) = world.send("ada", "PATCH", &path, none).await;
    assert_eq!((bare["config"].get("headers"), bare.get("api_key_hint")), (None, None));

    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    let audit: Vec<String> = sqlx::query_scalar("SELECT to_jsonb(a)::text FROM ops.audit_logs a")
        .fetch_all(&mut *tx)
        .await
        .unwrap();
    assert!(audit.iter().any(|row| row.contains("x-gateway-token")));
    for text in [shown.to_string(), changed.to_string()].iter().chain(&audit).chain(&stored) {
        assert!(!text.contains(TOKEN) && !text.contains("sales"), "{text}");
    }
}

#[tokio::test]
async fn they_do_not_follow_to_another_host() {
    let world = World::new().await;
    world.user("ada").await;
    let path = with_headers(&world).await;
    let elsewhere = "https://collector.example.com/v1";
    let patch = async |body: Value| world.send("ada", "PATCH", &path, body).await;
    let (_, answer) = patch(json!({"base_url": elsewhere})).await;
    assert_eq!(answer["field"], "api_key", "{answer}");
    let key = "sk-another-0123456789";
    for config in [Value::Null, json!({"headers": {"x-gateway-token": true, "x-team": "a"}})] {
        let mut body = json!({"base_url": elsewhere, "api_key": key});
        if !config.is_null() {
            body["config"] = config;
        }
        let (status, answer) = patch(body).await;
        let expected = (StatusCode::UNPROCESSABLE_ENTITY, &json!("config.headers.x-gateway-token"));
        assert_eq!((status, &answer["field"]), expected, "{answer}");
    }
    let anew = json!({"base_url": elsewhere, "api_key": key,
        "config": {"headers": {"x-team": "a"}}});
    assert_eq!(patch(anew).await.0, StatusCode::OK);
    let (_, moved) = patch(json!({"base_url": "https://other.example.com/v1", "api_key": null,
        "config": {}}))
    .await;
    assert_eq!(moved["base_url"], "https://other.example.com/v1", "{moved}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_by_its_name() {
    let world = World::new().await;
    world.user("ada").await;
    for (headers, field) in [
        (json!("x-team: a"), "config.headers"),
        (json!({"x team": "a"}), "config.headers.x team"),
        (json!({"Transfer-Encoding": "chunked"}), "config.headers.Transfer-Encoding"),
        (json!({"Authorization": "Bearer x"}), "config.headers.Authorization"),
        (json!({"x-team": "a\r\nx-other: b"}), "config.headers.x-team"),
        (json!({"x-team": "a".repeat(1025)}), "config.headers.x-team"),
        (json!({"x-team": true}), "config.headers.x-team"),
    ] {
        let body = json!({"provider": "custom", "name": "Mine", "scope": "personal",
            "base_url": world.upstream.base_url, "config": {"headers": headers}});
        let (status, answer) = world.send("ada", "POST", "/api/v1/providers", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
        let refusal = (&answer["code"], &answer["field"]);
        assert_eq!(refusal, (&json!("invalid_field"), &json!(field)), "{answer}");
    }
}

#[tokio::test]
async fn a_token_in_one_is_taken_out_of_what_is_kept_of_calls() {
    let world = World::new().await;
    world.admin("root").await;
    world.user("ada").await;
    let path = with_headers(&world).await;
    let body = json!({"provider_config_id": path.rsplit('/').next(), "model": "ok", "kind": "chat",
        "log_payloads": "all"});
    let (status, view) = world.send("ada", "POST", "/api/v1/models", body).await;
    assert_eq!(status, StatusCode::CREATED, "{view}");
    let said = "the token of the research is tok-0123456789abcdef";
    let body = json!({"model": "ok", "messages": [{"role": "user", "content": said}]});
    let (status, answer) = world.send("ada", "POST", "/v1/chat/completions", body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    world.gateway.flush().await;
    let (_, calls) = world.send("ada", "GET", "/api/v1/usage/calls", Value::Null).await;
    let call = calls["items"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/usage/calls/{call}/payload");
    let (status, payload) = world.send("root", "GET", &path, Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{payload}");
    let payload = payload.to_string();
    assert!(!payload.contains("tok-0123456789abcdef") && payload.contains("research"), "{payload}");
}
