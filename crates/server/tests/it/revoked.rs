//! A key that was revoked, at every program on the database.

use std::time::Duration;

use lyceum_testkit::{MockUpstream, ServerProcess, Session, TestDb};
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::ConnectOptions as _;

use crate::world::{SETTINGS, id, program};

async fn asked(key: &Session) -> StatusCode {
    let body = json!({ "model": "ok", "messages": [{ "role": "user", "content": "hi" }] });
    let request = key.request(Method::POST, "/v1/chat/completions").json(&body);
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn a_key_that_was_revoked_a_second_ago_is_refused() {
    let test = TestDb::new().await;
    let url = test.owner.to_url_lossy().to_string();
    let settings = [SETTINGS[0], ("DATABASE_URL", url.as_str())];
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let here = ServerProcess::start(program(), folders[0].path(), &settings).await.unwrap();
    let admin = here.set_up().await.unwrap();
    for name in ["secret.key", "signing.key"] {
        std::fs::copy(folders[0].path().join(name), folders[1].path().join(name)).unwrap();
    }
    let there = ServerProcess::start(program(), folders[1].path(), &settings).await.unwrap();
    let upstream = MockUpstream::start().await;
    let provider = json!({ "provider": "custom", "name": "mock", "scope": "personal",
        "base_url": upstream.base_url, "api_key": "sk-upstream-key-1234" });
    let provider = id(&admin.post("/api/v1/providers", provider).await.unwrap()).unwrap();
    let model = json!({ "provider_config_id": provider, "model": "ok", "kind": "chat" });
    admin.post("/api/v1/models", model).await.unwrap();
    let key = json!({ "name": "k", "permissions": ["inference:create"] });
    let made = admin.post("/api/v1/api-keys", key).await.unwrap();
    let key = admin.with_key(made["key"].as_str().unwrap());
    let elsewhere = key.at(&there);
    for key in [&key, &elsewhere] {
        // Twice, so that it is remembered.
        assert_eq!(asked(key).await, StatusCode::OK);
        assert_eq!(asked(key).await, StatusCode::OK);
    }
    let path = format!("/api/v1/api-keys/{}", id(&made).unwrap());
    let gone = admin.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    assert_eq!(asked(&key).await, StatusCode::UNAUTHORIZED, "where it was revoked, at once");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(asked(&elsewhere).await, StatusCode::UNAUTHORIZED, "at the other program");
    assert_eq!(upstream.calls(), 4);
}
