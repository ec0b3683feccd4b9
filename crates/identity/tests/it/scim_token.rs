use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{App, Client, id};

pub const TOKENS: &str = "/api/v1/scim-tokens";

/// A directory with a token of its own.
pub async fn directory(app: &App, root: &mut Client) -> Client {
    let made = root.post(TOKENS, json!({ "name": "Entra ID" })).await.expect(201);
    with(app, &made["token"])
}

pub fn with(app: &App, token: &Value) -> Client {
    let mut client = app.visitor();
    client.bearer = Some(token.as_str().unwrap().to_owned());
    client
}

/// A refusal in SCIM's shape.
#[track_caller]
pub fn refused(answer: crate::app::Answer, status: u16, scim_type: Option<&str>) -> Value {
    assert_eq!(answer.headers["content-type"], "application/scim+json", "{}", answer.body);
    let body = answer.expect(status);
    assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
    assert_eq!(body["status"], status.to_string(), "{body}");
    assert_eq!(body["scimType"].as_str(), scim_type, "{body}");
    assert!(body["detail"].as_str().is_some_and(|text| text.ends_with('.')), "{body}");
    body
}

#[tokio::test]
async fn a_token_is_shown_once_and_good_for_scim_alone() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let made = root.post(TOKENS, json!({ "name": " Okta " })).await.expect(201);
    let token = made["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("lycscim_") && token.len() == 51, "{token}");
    let listed = root.get(TOKENS).await.expect(200);
    assert_eq!(listed["base_url"], "https://lyceum.example/scim/v2");
    let listed = &listed["items"][0];
    assert_eq!((&listed["name"], &listed["created_by_name"]), (&json!("Okta"), &json!("root")));
    assert!(listed.get("token").is_none() && listed["last_used_at"].is_null(), "{listed}");
    assert!(token.ends_with(listed["hint"].as_str().unwrap().trim_start_matches('…')));

    let mut directory = with(&app, &made["token"]);
    directory.get("/scim/v2/Users").await.expect(200);
    let used = root.get(TOKENS).await.expect(200)["items"][0]["last_used_at"].clone();
    assert!(used.is_string());
    // It opens nothing else, and nothing else opens SCIM.
    directory.get("/api/v1/me").await.refused(401, "unauthenticated");
    let key = json!({ "name": "k", "permissions": ["*:*"] });
    let key = root.post("/api/v1/api-keys", key).await.expect(201);
    let mut other = with(&app, &key["key"]);
    refused(other.get("/scim/v2/Users").await, 401, None);
    refused(root.get("/scim/v2/Users").await, 401, None);
    for guess in ["", "lycscim_", "lycscim_0000000000000000000000000000000000000000000"] {
        refused(with(&app, &json!(guess)).get("/scim/v2/Users").await, 401, None);
    }
    // The secret is nowhere in the database.
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    let found: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM identity.scim_tokens t WHERE t::text LIKE '%' || $1 || '%')
              + (SELECT count(*) FROM ops.audit_logs l WHERE l::text LIKE '%' || $1 || '%'
                   OR l::text LIKE '%token_hash%')",
    )
    .bind(&token)
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert_eq!(found, 0);
}

#[tokio::test]
async fn a_new_secret_replaces_the_old_one_after_a_while_and_revoking_at_once() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let made = root.post(TOKENS, json!({ "name": "Okta" })).await.expect(201);
    let mut old = with(&app, &made["token"]);
    let path = format!("{TOKENS}/{}", id(&made));
    let body = json!({ "overlap_seconds": 60 });
    let rotated = root.post(&format!("{path}/rotate"), body).await.expect(200);
    let mut new = with(&app, &rotated["token"]);
    old.get("/scim/v2/Users").await.expect(200);
    new.get("/scim/v2/Users").await.expect(200);
    app.clock.advance(Duration::from_secs(60));
    refused(old.get("/scim/v2/Users").await, 401, None);
    new.get("/scim/v2/Users").await.expect(200);
    let body = json!({ "overlap_seconds": 2_592_001 });
    root.post(&format!("{path}/rotate"), body).await.refused_field("overlap_seconds");
    root.delete(&path).await.expect(204);
    refused(new.get("/scim/v2/Users").await, 401, None);
    root.delete(&path).await.refused(404, "not_found");
    root.patch(&path, json!({ "name": "x" })).await.refused(404, "not_found");
    root.post(&format!("{path}/rotate"), json!({})).await.refused(404, "not_found");

    let end = app.clock.now() + Duration::from_secs(30);
    let made = root.post(TOKENS, json!({ "name": "Short", "expires_at": end })).await.expect(201);
    let mut short = with(&app, &made["token"]);
    short.get("/scim/v2/Users").await.expect(200);
    app.clock.advance(Duration::from_secs(30));
    refused(short.get("/scim/v2/Users").await, 401, None);
    let past = json!({ "name": "Past", "expires_at": end });
    root.post(TOKENS, past).await.refused_field("expires_at");
    let nowhere = json!({ "name": "Nowhere", "oidc_provider_id": lyceum_core::new_id() });
    root.post(TOKENS, nowhere).await.refused_field("oidc_provider_id");
}

#[tokio::test]
async fn a_token_works_while_whoever_answers_for_it_may_make_one() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let ada_path = format!("/api/v1/users/{}", id(&ada.get("/api/v1/me").await.expect(200)));
    root.patch(&ada_path, json!({ "roles": ["admin"] })).await.expect(200);
    let made = ada.post(TOKENS, json!({ "name": "Okta" })).await.expect(201);
    let mut directory = with(&app, &made["token"]);
    directory.get("/scim/v2/Users").await.expect(200);
    for (change, back) in [
        (json!({ "status": "suspended" }), json!({ "status": "active" })),
        (json!({ "roles": ["user"] }), json!({ "roles": ["admin"] })),
    ] {
        root.patch(&ada_path, change).await.expect(200);
        let body = refused(directory.get("/scim/v2/Users").await, 401, None);
        assert!(body["detail"].as_str().unwrap().contains("maker"), "{body}");
        root.patch(&ada_path, back).await.expect(200);
        directory.get("/scim/v2/Users").await.expect(200);
    }

    // Whoever gives it a new secret answers for it; the old one, which did not work, stays dead.
    root.delete(&ada_path).await.expect(204);
    refused(directory.get("/scim/v2/Users").await, 401, None);
    let path = format!("{TOKENS}/{}", id(&made));
    let rotated = root.post(&format!("{path}/rotate"), json!({})).await.expect(200);
    assert_eq!(rotated["created_by_name"], "root");
    with(&app, &rotated["token"]).get("/scim/v2/Users").await.expect(200);
    refused(directory.get("/scim/v2/Users").await, 401, None);
}

#[tokio::test]
async fn whoever_lacks_a_right_makes_no_token_but_may_revoke_one() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let ada_id = id(&ada.get("/api/v1/me").await.expect(200));
    let made = root.post(TOKENS, json!({ "name": "Okta" })).await.expect(201);
    let path = format!("{TOKENS}/{}", id(&made));
    ada.get(TOKENS).await.refused(403, "forbidden");
    ada.delete(&path).await.refused(403, "forbidden");

    let role =
        json!({ "name": "guard", "permissions": ["scim_token:manage", "user:*", "group:*"] });
    let role = id(&root.post("/api/v1/roles", role).await.expect(201));
    root.put(&format!("/api/v1/users/{ada_id}/roles/{role}"), Value::Null).await.expect(204);
    let mut ada = app.visitor();
    ada.sign_in("ada").await.expect(200);
    ada.post(TOKENS, json!({ "name": "Mine" })).await.refused(403, "permission_not_held");
    ada.post(&format!("{path}/rotate"), json!({})).await.refused(403, "permission_not_held");
    ada.patch(&path, json!({ "name": "Mine" })).await.refused(403, "permission_not_held");
    assert_eq!(ada.get(TOKENS).await.expect(200)["items"].as_array().unwrap().len(), 1);
    ada.delete(&path).await.expect(204);
    // Nor does an administrator's key.
    let key = json!({ "name": "k", "permissions": ["*:*"] });
    let key = root.post("/api/v1/api-keys", key).await.expect(201);
    let mut program = with(&app, &key["key"]);
    program.post(TOKENS, json!({ "name": "Key's" })).await.refused(403, "session_required");
}
