use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::app::{App, Client, id};

async fn create(client: &mut Client, body: Value) -> (Value, String) {
    let made = client.post("/api/v1/api-keys", body).await.expect(201);
    let key = made["key"].as_str().unwrap().to_owned();
    (made, key)
}

fn program(app: &App, key: &str) -> Client {
    let mut client = app.visitor();
    client.bearer = Some(key.to_owned());
    client
}

#[tokio::test]
async fn a_key_is_shown_once_and_works_until_it_is_revoked() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let body = json!({ "name": "ci", "permissions": ["profile:read"] });
    let (made, key) = create(&mut root, body).await;
    assert!(key.starts_with("lyc_") && key.len() == 47);
    assert_eq!(made["hint"], format!("…{}", &key[43..]));
    let list = root.get("/api/v1/api-keys").await.expect(200);
    assert!(!list.to_string().contains(&key[4..40]));
    assert_eq!(list["items"][0]["name"], "ci");
    assert_eq!(list["items"][0]["last_used_at"], Value::Null);

    let mut program = program(&app, &key);
    assert_eq!(program.get("/api/v1/me").await.expect(200)["permissions"], json!(["profile:read"]));
    program.get("/api/v1/users").await.refused(403, "forbidden");
    app.identity.flush_last_used().await.unwrap();
    let list = root.get("/api/v1/api-keys").await.expect(200);
    assert!(list["items"][0]["last_used_at"].is_string());

    root.delete(&format!("/api/v1/api-keys/{}", id(&made))).await.expect(204);
    program.get("/api/v1/me").await.refused(401, "unauthenticated");
    root.delete(&format!("/api/v1/api-keys/{}", id(&made))).await.refused(404, "not_found");
    assert_eq!(root.get("/api/v1/api-keys").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_key_never_has_more_than_its_owner() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    for wanted in ["*:*", "user:read", "provider:manage", "provider:*", "*:read"] {
        let body = json!({ "name": "k", "permissions": [wanted] });
        ada.post("/api/v1/api-keys", body).await.refused(403, "permission_not_held");
    }
    let (made, _) = create(&mut ada, json!({ "name": "k" })).await;
    assert_eq!(made["permissions"], json!(["inference:create", "model:read"]));

    // Rights that the owner loses later are lost to the key at once, too.
    let ada_id = id(&ada.get("/api/v1/me").await.expect(200));
    let path = format!("/api/v1/users/{ada_id}");
    root.patch(&path, json!({ "roles": ["admin"] })).await.expect(200);
    let (_, key) = create(&mut ada, json!({ "name": "all", "permissions": ["*:*"] })).await;
    let mut program = program(&app, &key);
    program.get("/api/v1/users").await.expect(200);
    root.patch(&path, json!({ "roles": ["user"] })).await.expect(200);
    program.get("/api/v1/users").await.refused(403, "forbidden");
    program.get("/api/v1/me").await.expect(200);
    root.patch(&path, json!({ "roles": [] })).await.expect(200);
    program.get("/api/v1/me").await.refused(403, "forbidden");
}

#[tokio::test]
async fn a_key_makes_no_keys_and_changes_no_password_or_address() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let (_, key) = create(&mut root, json!({ "name": "all", "permissions": ["*:*"] })).await;
    let mut program = program(&app, &key);
    program
        .post("/api/v1/api-keys", json!({ "name": "child" }))
        .await
        .refused(403, "session_required");
    let change = json!({ "current": crate::app::PASSWORD, "new": "another password" });
    program.post("/api/v1/me/password", change).await.refused(403, "session_required");
    let change = json!({ "email": "thief@example.org" });
    program.patch("/api/v1/me", change).await.refused(403, "session_required");
}

#[tokio::test]
async fn a_key_expires() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let end = app.clock.now() + TimeDelta::hours(1);
    let body = json!({ "name": "k", "permissions": ["profile:read"], "expires_at": end });
    let (_, key) = create(&mut root, body).await;
    let mut program = program(&app, &key);
    program.get("/api/v1/me").await.expect(200);
    app.clock.advance(Duration::from_secs(3600));
    program.get("/api/v1/me").await.refused(401, "unauthenticated");
    root.sign_in("root").await.expect(200);
    let body = json!({ "name": "k", "expires_at": app.clock.now() });
    root.post("/api/v1/api-keys", body).await.refused_field("expires_at");
}

#[tokio::test]
async fn keys_of_others_are_not_there() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let (made, key) =
        create(&mut ada, json!({ "name": "k", "permissions": ["profile:read"] })).await;
    root.delete(&format!("/api/v1/api-keys/{}", id(&made))).await.refused(404, "not_found");
    assert_eq!(root.get("/api/v1/api-keys").await.expect(200)["items"], json!([]));
    program(&app, &key).get("/api/v1/me").await.expect(200);
}

#[tokio::test]
async fn bad_keys_and_names_are_refused() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    for name in ["", "  ", &"x".repeat(101), "two\nlines"] {
        root.post("/api/v1/api-keys", json!({ "name": name })).await.refused_field("name");
    }
    for permissions in [json!([]), json!(["nonsense"]), json!(["a:b:c"])] {
        let body = json!({ "name": "k", "permissions": permissions });
        root.post("/api/v1/api-keys", body).await.refused_field("permissions");
    }
    let (_, key) = create(&mut root, json!({ "name": "k", "permissions": ["*:*"] })).await;
    let mut changed = key.clone();
    changed.pop();
    for wrong in ["lyc_", &changed, &key.to_uppercase(), &format!("{key}0")] {
        program(&app, wrong).get("/api/v1/me").await.refused(401, "unauthenticated");
    }
}

#[tokio::test]
async fn the_list_goes_page_by_page_and_has_an_end() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    for number in 0..100 {
        create(&mut root, json!({ "name": format!("k{number}") })).await;
    }
    root.post("/api/v1/api-keys", json!({ "name": "k100" })).await.refused(409, "too_many");
    let mut names = Vec::new();
    let mut path = "/api/v1/api-keys?limit=30".to_owned();
    loop {
        let page = root.get(&path).await.expect(200);
        let items = page["items"].as_array().unwrap();
        names.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/api-keys?limit=30&cursor={cursor}");
    }
    let expected: Vec<_> = (0..100).rev().map(|number| format!("k{number}")).collect();
    assert_eq!(names, expected);
    root.get("/api/v1/api-keys?cursor=nonsense").await.refused(400, "invalid_cursor");
    root.get("/api/v1/api-keys?limit=many").await.refused(400, "invalid_query");
}
