//! Two programs on one database, as behind a load balancer.

use std::time::Duration;

use futures::future::join_all;
use lyceum_testkit::{PASSWORD, ServerProcess, Session, TestDb};
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::ConnectOptions as _;

use crate::world::{id, program};

async fn status(person: &Session, path: &str) -> StatusCode {
    person.request(Method::GET, path).send().await.unwrap().status()
}

/// Waits until all of them are answered so. Half a minute is far longer than it may take, for the
/// machine may be busy.
async fn soon(all: &[Session], path: &str, wanted: StatusCode, what: &str) {
    let one = |person: &Session| {
        let person = person.clone();
        async move { while status(&person, path).await != wanted {} }
    };
    let all = join_all(all.iter().map(one));
    tokio::time::timeout(Duration::from_secs(30), all).await.expect(what);
}

#[tokio::test]
async fn what_one_program_takes_away_is_gone_at_the_other() {
    let test = TestDb::new().await;
    let url = test.owner.to_url_lossy().to_string();
    let settings = [("DATABASE_URL", url.as_str())];
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let here = ServerProcess::start(program(), folders[0].path(), &settings).await.unwrap();
    // Before the other starts and prints a token of its own.
    let admin = here.set_up().await.unwrap();
    for key in ["secret.key", "signing.key"] {
        std::fs::copy(folders[0].path().join(key), folders[1].path().join(key)).unwrap();
    }
    let there = ServerProcess::start(program(), folders[1].path(), &settings).await.unwrap();
    let me = "/api/v1/me";
    for (name, change) in [
        ("ada", json!({ "status": "suspended" })),
        ("bob", json!({ "status": "inactive" })),
        ("carl", json!(null)),
    ] {
        let body = json!({ "username": name, "email": format!("{name}@example.org"),
                           "password": PASSWORD });
        let path = format!(
            "/api/v1/users/{}",
            id(&admin.post("/api/v1/users", body).await.unwrap()).unwrap()
        );
        let session = here.sign_in(name).await.unwrap();
        let body = json!({ "name": "k", "permissions": ["profile:read"] });
        let key = session.post("/api/v1/api-keys", body).await.unwrap();
        let key = session.with_key(key["key"].as_str().unwrap());
        let all = [session.at(&there), key.at(&there), session, key];
        for person in &all {
            assert_eq!(status(person, me).await, StatusCode::OK, "{name}");
        }
        let done = match change.is_null() {
            true => admin.request(Method::DELETE, &path).send().await,
            false => admin.request(Method::PATCH, &path).json(&change).send().await,
        };
        assert!(done.unwrap().status().is_success(), "{name}");
        soon(&all, me, StatusCode::UNAUTHORIZED, name).await;
        assert!(there.sign_in(name).await.is_err(), "{name}");
    }

    // A right that is taken away, too.
    let body = json!({ "username": "dora", "email": "dora@example.org", "password": PASSWORD,
                       "roles": ["admin"] });
    let path =
        format!("/api/v1/users/{}", id(&admin.post("/api/v1/users", body).await.unwrap()).unwrap());
    let dora = here.sign_in("dora").await.unwrap();
    let all = [dora.at(&there), dora];
    for person in &all {
        assert_eq!(status(person, "/api/v1/users").await, StatusCode::OK);
    }
    admin.send(Method::PATCH, &path, json!({ "roles": ["user"] })).await.unwrap();
    soon(&all, "/api/v1/users", StatusCode::FORBIDDEN, "the role").await;
}
