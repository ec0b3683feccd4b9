use std::time::Duration;

use serde_json::json;

use crate::app::{App, id};

const REFRESH: &str = "/api/v1/auth/refresh";

#[tokio::test]
async fn refreshing_goes_on_after_the_access_token_expired() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let first = root.cookies.clone();
    app.clock.advance(Duration::from_secs(15 * 60));
    root.get("/api/v1/me").await.refused(401, "unauthenticated");
    assert!(root.post(REFRESH, json!({})).await.expect(204).as_str().is_some_and(str::is_empty));
    assert_ne!(root.cookies["lyceum_refresh"], first["lyceum_refresh"]);
    root.get("/api/v1/me").await.expect(200);
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_the_whole_session() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut thief = root.clone();
    root.post(REFRESH, json!({})).await.expect(204);
    app.clock.advance(Duration::from_secs(11));
    root.get("/api/v1/me").await.expect(200);

    thief.post(REFRESH, json!({})).await.refused(401, "token_reused");
    assert!(thief.cookies.is_empty(), "the cookies are taken away");
    root.get("/api/v1/me").await.refused(401, "unauthenticated");
    root.post(REFRESH, json!({})).await.refused(401, "session_ended");
    // Other sessions of the same user are not touched.
    root.sign_in("root").await.expect(200);
}

#[tokio::test]
async fn two_tabs_that_refresh_at_the_same_moment_get_the_same_successor() {
    let app = App::new().await;
    let mut one = app.set_up().await;
    let (mut two, mut late) = (one.clone(), one.clone());
    let (a, b) = tokio::join!(one.post(REFRESH, json!({})), two.post(REFRESH, json!({})));
    a.expect(204);
    b.expect(204);
    assert_eq!(one.cookies["lyceum_refresh"], two.cookies["lyceum_refresh"]);
    one.post(REFRESH, json!({})).await.expect(204);
    // The token before the previous one has no grace, however fresh.
    late.post(REFRESH, json!({})).await.refused(401, "token_reused");
}

#[tokio::test]
async fn forged_and_foreign_refresh_tokens_do_no_harm() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let access = root.cookies["lyceum_access"].clone();
    for token in ["", "x", &"A".repeat(70), &access] {
        let mut forger = app.visitor();
        forger.cookies.insert("lyceum_refresh".into(), token.into());
        forger.post(REFRESH, json!({})).await.refused(401, "session_ended");
    }
    root.get("/api/v1/me").await.expect(200);
    app.visitor().post(REFRESH, json!({})).await.refused(401, "session_ended");
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_at_last_in_any_case() {
    let app = App::new().await;
    let mut idle = app.set_up().await;
    let mut busy = app.visitor();
    busy.sign_in("root").await.expect(200);
    let mut days = 0;
    loop {
        app.clock.advance(Duration::from_secs(10 * 24 * 3600));
        days += 10;
        if busy.post(REFRESH, json!({})).await.status != 204 {
            break;
        }
        assert!(days < 200, "it never ends");
    }
    assert_eq!(days, 90);
    idle.post(REFRESH, json!({})).await.refused(401, "session_ended");
}

#[tokio::test]
async fn signing_out_ends_the_session_and_takes_the_cookies() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut copy = root.clone();
    root.get("/api/v1/me").await.expect(200);
    root.post("/api/v1/auth/sign-out", json!({})).await.expect(204);
    assert!(root.cookies.is_empty());
    copy.get("/api/v1/me").await.refused(401, "unauthenticated");
    copy.post(REFRESH, json!({})).await.refused(401, "session_ended");
    app.visitor().post("/api/v1/auth/sign-out", json!({})).await.expect(204);
}

#[tokio::test]
async fn sessions_are_listed_and_revoked_by_their_owner_alone() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut other = app.visitor();
    other.address = ([203, 0, 113, 5], 1).into();
    other.sign_in("root").await.expect(200);
    let mut ada = app.user(&mut root, "ada").await;

    let list = root.get("/api/v1/me/sessions").await.expect(200);
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    let theirs = items.iter().find(|item| item["current"] == false).unwrap();
    assert_eq!(theirs["ip_address"], "203.0.113.5");
    assert_eq!(theirs["device"], "test browser");

    let path = format!("/api/v1/me/sessions/{}", id(theirs));
    ada.delete(&path).await.refused(404, "not_found");
    other.get("/api/v1/me").await.expect(200);
    root.delete(&path).await.expect(204);
    other.get("/api/v1/me").await.refused(401, "unauthenticated");
    root.delete(&path).await.refused(404, "not_found");
    root.delete("/api/v1/me/sessions/nonsense").await.refused(404, "not_found");
    // Not even an administrator ends somebody else's through this address.
    let adas = id(&ada.get("/api/v1/me/sessions").await.expect(200)["items"][0]);
    root.delete(&format!("/api/v1/me/sessions/{adas}")).await.refused(404, "not_found");
    ada.get("/api/v1/me").await.expect(200);
}

#[tokio::test]
async fn all_other_sessions_end_at_once() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let mut others = [app.visitor(), app.visitor()];
    for other in &mut others {
        other.sign_in("root").await.expect(200);
        other.get("/api/v1/me").await.expect(200);
    }
    root.delete("/api/v1/me/sessions").await.expect(204);
    for other in &mut others {
        other.get("/api/v1/me").await.refused(401, "unauthenticated");
        other.post(REFRESH, json!({})).await.refused(401, "session_ended");
    }
    let left = root.get("/api/v1/me/sessions").await.expect(200);
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
    assert_eq!(left["items"][0]["method"], "password");
    ada.get("/api/v1/me").await.expect(200);
}

#[tokio::test]
async fn a_cookie_changes_nothing_without_the_client_header() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let key = root.post("/api/v1/api-keys", json!({ "name": "k", "permissions": ["*:*"] })).await;
    let key = key.expect(201)["key"].as_str().unwrap().to_owned();
    root.ours = false;
    root.get("/api/v1/me").await.expect(200);
    let change = json!({ "display_name": "x" });
    root.patch("/api/v1/me", change.clone()).await.refused(403, "client_header_missing");
    root.delete(&format!("/api/v1/api-keys/{}", lyceum_core::new_id()))
        .await
        .refused(403, "client_header_missing");
    root.post(REFRESH, json!({})).await.refused(403, "client_header_missing");
    root.post("/api/v1/auth/sign-out", json!({})).await.refused(403, "client_header_missing");
    root.get("/api/v1/me").await.expect(200);
    // A key is not sent by the browser on its own, so it needs no header.
    let mut program = app.visitor();
    program.ours = false;
    program.bearer = Some(key);
    program.patch("/api/v1/me", change).await.expect(200);
}
