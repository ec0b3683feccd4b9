//! Rate limits at every level, and what the answers say of them.

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::world::World;

async fn call(world: &World, who: &str, model: &str) -> (StatusCode, HeaderMap, Value) {
    let body = json!({"model": model, "max_tokens": 10,
                      "messages": [{"role": "user", "content": "one two three"}]});
    let response = world.open(who, "POST", "/v1/chat/completions", body).await;
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, headers, serde_json::from_slice(&bytes).unwrap())
}

fn number(headers: &HeaderMap, name: &str) -> i64 {
    headers[name].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_limit_binds_at_every_level_and_is_told_in_the_headers() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let bob = world.user("bob").await;
    let key = world.key(ada, "ada-key").await;
    let group = world.group("team", &[ada, bob]).await;
    let provider = world.provider("ada", "mock").await;
    let model = world.model("ada", &provider, "ok", "chat").await;
    let (_, headers, _) = call(&world, "ada", "ok").await;
    assert!(!headers.keys().any(|name| name.as_str().starts_with("x-ratelimit")));
    for (path, whose) in [
        ("organization".to_owned(), "everybody together"),
        (format!("users/{ada}"), "you"),
        (format!("groups/{group}"), "your group"),
        (format!("api-keys/{key}"), "this API key"),
        (format!("models/{model}"), "this model"),
    ] {
        let path = format!("/api/v1/rate-limits/{path}");
        let limit = json!({"requests_per_minute": 2});
        let (status, set) = world.send("root", "PUT", &path, limit).await;
        assert_eq!(status, StatusCode::OK, "{set}");
        for remaining in [1, 0] {
            let (status, headers, answer) = call(&world, "ada-key", "ok").await;
            assert_eq!(status, StatusCode::OK, "{path}: {answer}");
            assert_eq!(number(&headers, "x-ratelimit-limit-requests"), 2);
            assert_eq!(number(&headers, "x-ratelimit-remaining-requests"), remaining);
            assert!(headers["x-ratelimit-reset-requests"].to_str().unwrap().ends_with('s'));
        }
        let (status, headers, answer) = call(&world, "ada-key", "ok").await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        assert!((1..=30).contains(&number(&headers, "retry-after")));
        assert_eq!(number(&headers, "x-ratelimit-remaining-requests"), 0);
        let error = &answer["error"];
        assert_eq!(
            (&error["code"], &error["type"]),
            (&json!("rate_limited"), &json!("rate_limit_error"))
        );
        assert!(error["message"].as_str().unwrap().contains(whose), "{error}");
        let (status, _) = world.send("root", "DELETE", &path, Value::Null).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        let (status, ..) = call(&world, "ada-key", "ok").await;
        assert_eq!(status, StatusCode::OK, "{path} binds although it is gone");
    }
}

#[tokio::test]
async fn tokens_are_taken_as_foreseen_and_settled_as_counted() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let path = format!("/api/v1/rate-limits/users/{ada}");
    world.send("root", "PUT", &path, json!({"tokens_per_minute": 60})).await;
    // Foreseen are 8 for the prompt and 10 for the answer; counted will be 8 in all.
    let (status, headers, _) = call(&world, "ada", "local-chat").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(number(&headers, "x-ratelimit-limit-tokens"), 60);
    assert_eq!(number(&headers, "x-ratelimit-remaining-tokens"), 42);
    let (_, headers, _) = call(&world, "ada", "local-chat").await;
    assert!((34..=36).contains(&number(&headers, "x-ratelimit-remaining-tokens")), "{headers:?}");
    let mut passed = 2;
    let refused = loop {
        match call(&world, "ada", "local-chat").await {
            (StatusCode::OK, ..) => passed += 1,
            refused => break refused,
        }
        assert!(passed < 20);
    };
    assert_eq!(refused.0, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.2["error"]["message"].as_str().unwrap().contains("60 tokens per minute"));
    // Six times 8 are used and 18 wanted; by the forecasts only three would have passed.
    assert!(passed >= 6, "{passed}");
}

#[tokio::test]
async fn a_keys_owner_limits_it_beside_the_administrators() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    world.user("bob").await;
    let key = world.key(ada, "ada-key").await;
    let own = format!("/api/v1/api-keys/{key}/rate-limit");
    let limit = |requests: u32| json!({"requests_per_minute": requests});
    assert_eq!(world.send("bob", "PUT", &own, limit(5)).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.send("bob", "GET", &own, Value::Null).await.0, StatusCode::NOT_FOUND);
    let path = format!("/api/v1/rate-limits/api-keys/{key}");
    assert_eq!(world.send("ada", "PUT", &path, limit(5)).await.0, StatusCode::FORBIDDEN);
    assert_eq!(world.send("ada", "PUT", &own, json!({})).await.0.as_u16(), 422);
    assert_eq!(world.send("ada", "PUT", &own, limit(0)).await.0.as_u16(), 422);
    assert_eq!(world.send("root", "PUT", &path, limit(1)).await.0, StatusCode::OK);
    let (status, set) = world.send("ada", "PUT", &own, limit(1000)).await;
    assert_eq!((status, &set["set_by_owner"]), (StatusCode::OK, &json!(true)), "{set}");
    // The stricter one holds, and the owner cannot take it away.
    assert_eq!(call(&world, "ada-key", "local-chat").await.0, StatusCode::OK);
    assert_eq!(call(&world, "ada-key", "local-chat").await.0, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(world.send("ada", "DELETE", &own, Value::Null).await.0, StatusCode::NO_CONTENT);
    assert_eq!(call(&world, "ada-key", "local-chat").await.0, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(call(&world, "ada", "local-chat").await.0, StatusCode::OK);
    let (_, list) = world.send("root", "GET", "/api/v1/rate-limits", Value::Null).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["label"], "ada: ada-key");
    let unknown = format!("/api/v1/rate-limits/users/{}", uuid::Uuid::from_u128(9));
    assert_eq!(world.send("root", "PUT", &unknown, limit(1)).await.0, StatusCode::NOT_FOUND);
}
