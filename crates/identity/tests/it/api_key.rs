use std::time::Duration;

use chrono::TimeDelta;
use lyceum_http::Authenticator as _;
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
async fn a_key_that_opens_nothing_is_called_one_whatever_the_cause_and_a_session_is_not() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let session = root.cookies["lyceum_access"].clone();
    let (made, revoked) = create(&mut root, json!({ "name": "ci" })).await;
    root.delete(&format!("/api/v1/api-keys/{}", id(&made))).await.expect(204);
    for wrong in [revoked.as_str(), "lyc_wrong", "sk-of-another-provider"] {
        let refused = program(&app, wrong).get("/api/v1/me").await;
        let detail = refused.refused(401, "unauthenticated")["detail"].clone();
        let words = "The API key is not valid, or not any more: it may have been revoked or have run \
                     out. The page 'API keys' makes a new one.";
        assert_eq!(detail, words, "{wrong}");
    }
    let mut copy = root.clone();
    root.post("/api/v1/auth/sign-out", json!({})).await.expect(204);
    let mut by_header = program(&app, &session);
    for ended in [copy.get("/api/v1/me").await, by_header.get("/api/v1/me").await] {
        let detail = ended.refused(401, "unauthenticated")["detail"].clone();
        assert_eq!(detail, "The session is not valid, or not any more; sign in again.");
    }
}

#[tokio::test]
async fn a_key_comes_in_the_header_of_anthropics_clients_too() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let body = json!({ "name": "claude", "permissions": ["profile:read"] });
    let (made, key) = create(&mut root, body).await;
    let mut program = app.visitor();
    program.api_key = Some(key);
    assert_eq!(program.get("/api/v1/me").await.expect(200)["permissions"], json!(["profile:read"]));
    // A bearer token goes before it, and a wrong one is not made good by a cookie.
    program.bearer = Some("lyc_wrong".to_owned());
    program.get("/api/v1/me").await.refused(401, "unauthenticated");
    root.api_key = Some("lyc_wrong".to_owned());
    root.get("/api/v1/me").await.refused(401, "unauthenticated");
    root.api_key = None;
    root.delete(&format!("/api/v1/api-keys/{}", id(&made))).await.expect(204);
    program.bearer = None;
    program.get("/api/v1/me").await.refused(401, "unauthenticated");
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

#[tokio::test]
async fn a_key_works_from_its_addresses_only() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    for addresses in [json!(["localhost"]), json!(["192.0.2.0/33"]), json!(vec!["::1"; 51])] {
        let body = json!({ "name": "k", "allowed_addresses": addresses });
        root.post("/api/v1/api-keys", body).await.refused_field("allowed_addresses");
    }
    let body = json!({ "name": "k", "permissions": ["profile:read"],
                       "allowed_addresses": ["198.51.100.9/24", "2001:db8::/32"] });
    let (made, key) = create(&mut root, body).await;
    assert_eq!(made["allowed_addresses"], json!(["198.51.100.0/24", "2001:db8::/32"]));
    let mut program = program(&app, &key);
    program.get("/api/v1/me").await.refused(403, "address_not_allowed");
    for (address, allowed) in [
        ("198.51.100.200", true),
        ("198.51.101.1", false),
        ("2001:db8::1", true),
        ("::ffff:198.51.100.7", true),
        ("2001:db9::1", false),
        ("198.51.100.200", true),
    ] {
        program.address = (address.parse::<std::net::IpAddr>().unwrap(), 4711).into();
        let answer = program.get("/api/v1/me").await;
        match allowed {
            true => drop(answer.expect(200)),
            false => drop(answer.refused(403, "address_not_allowed")),
        }
    }
    program.address = ([192, 0, 2, 1], 4711).into();
    program.get("/api/v1/me").await.refused(403, "address_not_allowed");
    let path = format!("/api/v1/api-keys/{}", id(&made));
    root.patch(&path, json!({ "allowed_addresses": [] })).await.expect(200);
    program.get("/api/v1/me").await.expect(200);
}

/// The models that callers with the key may name; null for all.
async fn models_of(app: &App, key: &str) -> Value {
    let request = http::Request::builder().header("authorization", format!("Bearer {key}"));
    let (parts, ()) = request.body(()).unwrap().into_parts();
    json!(app.identity.authenticate(&parts).await.unwrap().models.names())
}

#[tokio::test]
async fn a_key_is_limited_to_models_and_its_owner_changes_them_at_once() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let long = "x".repeat(201);
    for models in [json!([]), json!([" "]), json!(["a\nb"]), json!([long]), json!(vec!["m"; 101])] {
        let body = json!({ "name": "k", "models": models });
        root.post("/api/v1/api-keys", body).await.refused_field("models");
    }
    let (made, key) = create(&mut root, json!({ "name": "all" })).await;
    assert_eq!(made["models"], Value::Null);
    assert_eq!(models_of(&app, &key).await, Value::Null);

    let wanted = json!([" gpt-5 ", "not there yet", "gpt-5"]);
    let (made, key) = create(&mut root, json!({ "name": "k", "models": wanted })).await;
    let first = json!(["gpt-5", "not there yet"]);
    assert_eq!(made["models"], first);
    assert_eq!(models_of(&app, &key).await, first);
    let listed = root.get("/api/v1/api-keys").await.expect(200);
    assert_eq!(listed["items"][0]["models"], first);

    let path = format!("/api/v1/api-keys/{}", id(&made));
    root.patch(&path, json!({ "models": [] })).await.refused_field("models");
    for (change, models) in [
        (json!({ "name": "x" }), first),
        (json!({ "models": ["other"] }), json!(["other"])),
        (json!({ "models": null }), Value::Null),
        (json!({ "name": "y" }), Value::Null),
        (json!({ "models": ["last"] }), json!(["last"])),
    ] {
        let changed = root.patch(&path, change).await.expect(200);
        assert_eq!(changed["models"], models);
        assert_eq!(models_of(&app, &key).await, models);
    }
    let rotated = root.post(&format!("{path}/rotate"), json!({})).await.expect(200);
    assert_eq!(rotated["models"], json!(["last"]));
    for secret in [key.as_str(), rotated["key"].as_str().unwrap()] {
        assert_eq!(models_of(&app, secret).await, json!(["last"]));
    }
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    let audited: i64 = sqlx::query_scalar(
        r#"SELECT count(*) FROM ops.audit_logs
           WHERE resource_type = 'api_key' AND old_values -> 'models' = '["other"]'
             AND new_values -> 'models' = 'null'"#,
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert_eq!(audited, 1);
    drop(tx);
    for bad in ["{}", "{NULL}", r#"{""}"#, "{{a},{b}}"] {
        let mut tx = app.test.db.begin_maintenance().await.unwrap();
        let update = sqlx::query("UPDATE identity.api_keys SET models = $1::text::text[]");
        assert!(update.bind(bad).execute(&mut *tx).await.is_err(), "{bad}");
    }
}

#[tokio::test]
async fn a_rotated_key_keeps_its_old_secret_for_the_overlap() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let body = json!({ "name": "ci", "permissions": ["profile:read"] });
    let (made, old) = create(&mut root, body).await;
    let path = format!("/api/v1/api-keys/{}/rotate", id(&made));
    for overlap in [-1, 2_592_001] {
        let body = json!({ "overlap_seconds": overlap });
        root.post(&path, body).await.refused_field("overlap_seconds");
    }
    let rotated = root.post(&path, json!({ "overlap_seconds": 60 })).await.expect(200);
    assert_eq!(id(&rotated), id(&made));
    let new = rotated["key"].as_str().unwrap().to_owned();
    assert_ne!(new, old);
    let listed = root.get("/api/v1/api-keys").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let shown = &listed["items"][0];
    assert_eq!(shown["hint"], format!("…{}", &new[43..]));
    assert_eq!(shown["previous"]["hint"], made["hint"]);
    assert!(!listed.to_string().contains(&new[4..40]));
    let (mut before, mut after) = (program(&app, &old), program(&app, &new));
    before.get("/api/v1/me").await.expect(200);
    assert_eq!(after.get("/api/v1/me").await.expect(200)["permissions"], json!(["profile:read"]));

    app.clock.advance(Duration::from_secs(60));
    before.get("/api/v1/me").await.refused(401, "unauthenticated");
    after.get("/api/v1/me").await.expect(200);
    let listed = root.get("/api/v1/api-keys").await.expect(200);
    assert!(listed["items"][0].get("previous").is_none(), "{listed}");

    // Without an overlap the old one ends at once, and a second rotation ends what the first left.
    let second = root.post(&path, json!({ "overlap_seconds": 3600 })).await.expect(200);
    let second = second["key"].as_str().unwrap().to_owned();
    let third = root.post(&path, json!({ "overlap_seconds": 0 })).await.expect(200);
    let third = third["key"].as_str().unwrap().to_owned();
    for ended in [&new, &second] {
        program(&app, ended).get("/api/v1/me").await.refused(401, "unauthenticated");
    }
    program(&app, &third).get("/api/v1/me").await.expect(200);
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    let audit: Vec<String> = sqlx::query_scalar(
        "SELECT to_jsonb(a)::text FROM ops.audit_logs a WHERE resource_type = 'api_key'",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    assert!(audit.len() >= 4 && audit.iter().all(|row| !row.contains("_hash")), "{audit:?}");
}

#[tokio::test]
async fn a_key_neither_rotates_nor_changes_keys() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let (made, key) = create(&mut root, json!({ "name": "all", "permissions": ["*:*"] })).await;
    let path = format!("/api/v1/api-keys/{}", id(&made));
    let mut own = program(&app, &key);
    own.post(&format!("{path}/rotate"), json!({})).await.refused(403, "session_required");
    own.patch(&path, json!({ "name": "x" })).await.refused(403, "session_required");
    ada.post(&format!("{path}/rotate"), json!({})).await.refused(404, "not_found");
    ada.patch(&path, json!({ "name": "x" })).await.refused(404, "not_found");
    root.patch(&path, json!({ "status": "revoked" })).await.refused_field("status");
    root.patch(&path, json!({ "name": "" })).await.refused_field("name");
    let changed = root.patch(&path, json!({ "name": "x", "status": "inactive" })).await.expect(200);
    assert_eq!((&changed["name"], &changed["status"]), (&json!("x"), &json!("inactive")));
    own.get("/api/v1/me").await.refused(401, "unauthenticated");
    root.patch(&path, json!({ "status": "active" })).await.expect(200);
    own.get("/api/v1/me").await.expect(200);
    root.delete(&path).await.expect(204);
    root.post(&format!("{path}/rotate"), json!({})).await.refused(404, "not_found");
}
