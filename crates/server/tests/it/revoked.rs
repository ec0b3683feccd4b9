//! A key that was revoked or limited, at every program on the database.

use std::time::Duration;

use lyceum_testkit::{MockUpstream, ServerProcess, Session, TestDb};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use tempfile::TempDir;

use crate::world::{SETTINGS, id, program};

/// Two programs on one database. The administrator is at the first, and has the model `ok`.
struct Two {
    admin: Session,
    _here: ServerProcess,
    there: ServerProcess,
    upstream: MockUpstream,
    _folders: [TempDir; 2],
    _test: TestDb,
}

impl Two {
    async fn start() -> Self {
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
        Self { admin, _here: here, there, upstream, _folders: folders, _test: test }
    }

    /// A key that calls models, remembered at both programs; and its path.
    async fn key(&self) -> ([Session; 2], String) {
        let key = json!({ "name": "k", "permissions": ["inference:create"] });
        let made = self.admin.post("/api/v1/api-keys", key).await.unwrap();
        let here = self.admin.with_key(made["key"].as_str().unwrap());
        let there = here.at(&self.there);
        for key in [&here, &there] {
            // Twice, so that it is remembered.
            assert_eq!(asked(key).await, StatusCode::OK);
            assert_eq!(asked(key).await, StatusCode::OK);
        }
        ([here, there], format!("/api/v1/api-keys/{}", id(&made).unwrap()))
    }
}

async fn asked(key: &Session) -> StatusCode {
    let body = json!({ "model": "ok", "messages": [{ "role": "user", "content": "hi" }] });
    let request = key.request(Method::POST, "/v1/chat/completions").json(&body);
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn a_key_that_was_revoked_a_second_ago_is_refused() {
    let two = Two::start().await;
    let ([here, there], path) = two.key().await;
    let gone = two.admin.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    assert_eq!(asked(&here).await, StatusCode::UNAUTHORIZED, "where it was revoked, at once");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(asked(&there).await, StatusCode::UNAUTHORIZED, "at the other program");
    assert_eq!(two.upstream.calls(), 4);
}

#[tokio::test]
async fn a_key_that_was_limited_a_second_ago_is_held_to_it_with_either_secret() {
    let two = Two::start().await;
    let ([here, there], path) = two.key().await;
    let limit = async |models: Value| {
        let body = json!({ "models": models });
        two.admin.send(Method::PATCH, &path, body).await.unwrap();
    };
    limit(json!(["another"])).await;
    assert_eq!(asked(&here).await, StatusCode::FORBIDDEN, "where it was limited, at once");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(asked(&there).await, StatusCode::FORBIDDEN, "at the other program");
    let rotated = two.admin.post(&format!("{path}/rotate"), json!({})).await.unwrap();
    let renewed = here.with_key(rotated["key"].as_str().unwrap());
    assert_eq!(asked(&renewed).await, StatusCode::FORBIDDEN);
    assert_eq!(two.upstream.calls(), 4);
    limit(Value::Null).await;
    for key in [&here, &renewed] {
        assert_eq!(asked(key).await, StatusCode::OK);
    }
}
