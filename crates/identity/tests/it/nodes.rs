//! Several nodes on one database.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Client, id};

/// Asks until the credential is refused.
async fn until_refused(client: &mut Client) {
    let refused = async {
        while client.get("/api/v1/me").await.status != 401 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused).await.expect("it still works");
}

#[tokio::test]
async fn what_one_node_revokes_stops_working_on_the_other() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let (identity, router) = app.another_node();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { identity.run(shutdown).await }
    });

    let body = json!({ "name": "k", "permissions": ["profile:read"] });
    let key = root.post("/api/v1/api-keys", body).await.expect(201);
    let mut program = app.visitor().at(router.clone());
    program.bearer = Some(key["key"].as_str().unwrap().to_owned());
    program.get("/api/v1/me").await.expect(200);
    root.delete(&format!("/api/v1/api-keys/{}", id(&key))).await.expect(204);
    until_refused(&mut program).await;

    let mut copy = root.at(router);
    copy.get("/api/v1/me").await.expect(200);
    root.post("/api/v1/auth/sign-out", json!({})).await.expect(204);
    until_refused(&mut copy).await;
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn every_node_is_told_when_the_models_of_a_key_change() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let key = id(&root.post("/api/v1/api-keys", json!({ "name": "k" })).await.expect(201));
    let mut changes = pin!(app.test.db.notifications("lyceum_identity"));
    // From here on it listens.
    assert_eq!(changes.next().await, Some(None));
    let body = json!({ "models": ["m"] });
    root.patch(&format!("/api/v1/api-keys/{key}"), body).await.expect(200);
    let told = async {
        while !changes.next().await.flatten().is_some_and(|told| told.contains(&key.to_string())) {}
    };
    tokio::time::timeout(Duration::from_secs(10), told).await.expect("nobody is told");
}

#[tokio::test]
async fn who_is_suspended_or_deleted_is_out_on_every_node_within_a_second() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let (identity, router) = app.another_node();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { identity.run(shutdown).await }
    });
    for (name, leave) in [("ada", "suspended"), ("bob", "inactive"), ("carl", "deleted")] {
        let mut here = app.user(&mut root, name).await;
        let path = format!("/api/v1/users/{}", id(&here.get("/api/v1/me").await.expect(200)));
        let body = json!({ "name": "k", "permissions": ["profile:read"] });
        let key = here.post("/api/v1/api-keys", body).await.expect(201);
        let mut program = app.visitor();
        program.bearer = Some(key["key"].as_str().unwrap().to_owned());
        // The other header for a key is the same key.
        let mut other_header = app.visitor();
        other_header.api_key.clone_from(&program.bearer);
        let others = [here.clone(), program.clone(), other_header];
        let mut others = others.map(|client| client.at(router.clone()));
        for client in others.iter_mut().chain([&mut here, &mut program]) {
            client.get("/api/v1/me").await.expect(200);
        }
        match leave {
            "deleted" => drop(root.delete(&path).await.expect(204)),
            status => drop(root.patch(&path, json!({ "status": status })).await.expect(200)),
        }
        let changed = Instant::now();
        here.get("/api/v1/me").await.refused(401, "unauthenticated");
        program.get("/api/v1/me").await.refused(401, "unauthenticated");
        for client in &mut others {
            until_refused(client).await;
        }
        assert!(changed.elapsed() < Duration::from_secs(1), "{leave}: {:?}", changed.elapsed());
        for client in [&mut here, &mut others[0]] {
            client.post("/api/v1/auth/refresh", json!({})).await.refused(401, "session_ended");
        }
        assert!(app.visitor().sign_in(name).await.status.is_client_error(), "{leave}");
    }
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_restart_keeps_sessions_and_locks() {
    let app = App::new().await;
    let root = app.set_up().await;
    let mut guesser = app.visitor();
    for _ in 0..5 {
        guesser.sign_in_with("root", "wrong password").await.refused(401, "invalid_credentials");
    }
    let (_, restarted) = app.another_node();
    root.at(restarted.clone()).get("/api/v1/me").await.expect(200);
    let mut again = guesser.at(restarted);
    again.sign_in("root").await.refused(429, "too_many_attempts");
}

#[tokio::test]
async fn what_ended_long_ago_is_purged() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    root.post("/api/v1/auth/sign-out", json!({})).await.expect(204);
    app.visitor().sign_in_with("root", "wrong password").await.refused(401, "invalid_credentials");
    assert_eq!(app.identity.purge_expired().await.unwrap(), 0);
    app.clock.advance(Duration::from_secs(8 * 24 * 3600));
    // One session, and what one failed attempt counted against.
    assert_eq!(app.identity.purge_expired().await.unwrap(), 1 + 3);
}

#[tokio::test]
async fn preferences_are_remembered_until_they_change_on_any_node() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let db = app.test.db.clone();
    let following = db.clone();
    let follower = tokio::spawn(async move { following.cache().follow(&following).await });
    let hears = async {
        while !db.cache().hears() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), hears).await.unwrap();
    let path = "/api/v1/me/preferences/theme";
    for value in ["dark", "light"] {
        root.put(path, json!({ "value": value })).await.expect(204);
        let me = root.get("/api/v1/me").await.expect(200);
        assert_eq!(me["preferences"], json!({ "theme": value }));
    }
    // Past every node, and told all the same.
    let mut tx = db.begin_maintenance().await.unwrap();
    sqlx::query("UPDATE identity.user_preferences SET value = '\"blue\"'")
        .execute(&mut *tx)
        .await
        .unwrap();
    assert_eq!(
        root.get("/api/v1/me").await.expect(200)["preferences"],
        json!({ "theme": "light" })
    );
    tx.commit().await.unwrap();
    let changed = async {
        while root.get("/api/v1/me").await.expect(200)["preferences"]["theme"] != "blue" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), changed).await.expect("it was not told");
    follower.abort();
}
