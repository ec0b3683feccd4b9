//! Who may configure issuers, by whose word people get roles, groups and past the second factor.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, Client, id};

const PROVIDERS: &str = "/api/v1/oidc-providers";

async fn issuer(client: &mut Client, name: &str, more: Value) -> Uuid {
    let mut body = json!({ "name": name, "issuer": "https://issuer.example", "client_id": "c" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    id(&client.post(PROVIDERS, body).await.expect(201))
}

/// Somebody whose only role gives these rights.
async fn clerk(app: &App, root: &mut Client, rights: &[&str]) -> (Client, Uuid) {
    let mut eve = app.user(root, "eve").await;
    let role = json!({ "name": "clerk", "permissions": rights });
    root.post("/api/v1/roles", role).await.expect(201);
    let eve_id = id(&eve.get("/api/v1/me").await.expect(200));
    let roles = json!({ "roles": ["clerk"] });
    root.patch(&format!("/api/v1/users/{eve_id}"), roles).await.expect(200);
    (eve, eve_id)
}

#[tokio::test]
async fn an_issuer_gives_nothing_that_whoever_configures_it_lacks() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let (mut eve, eve_id) = clerk(&app, &mut root, &["oidc_provider:*", "profile:read"]).await;
    let plain = issuer(&mut root, "Plain", json!({})).await;
    let plain = format!("{PROVIDERS}/{plain}");
    for (name, gives, lacks) in [
        ("roles", json!({ "roles": { "staff": "admin" } }), "*:*"),
        ("groups", json!({ "groups": { "staff": "Board" } }), "group:manage"),
        ("sign-up", json!({ "allow_sign_up": true }), "api_key:*"),
        ("trust", json!({ "trust_second_factor": true }), "*:*"),
    ] {
        let path = format!("{PROVIDERS}/{}", issuer(&mut root, name, gives.clone()).await);
        // Neither where it gives that already, whatever is changed, nor from now on.
        let (claim, off) = (json!({ "groups_claim": "sub" }), json!({ "is_active": false }));
        let none = json!({ "roles": {}, "groups": {}, "allow_sign_up": false,
                           "trust_second_factor": false });
        for answer in [
            eve.patch(&path, claim).await,
            eve.patch(&path, off).await,
            eve.patch(&path, none).await,
            eve.delete(&path).await,
            eve.patch(&plain, gives).await,
        ] {
            let body = answer.refused(403, "permission_not_held");
            assert!(body["detail"].as_str().unwrap().contains(lacks), "{name}: {body}");
        }
    }
    eve.patch(&plain, json!({ "groups_claim": "sub" })).await.expect(200);

    // The database refuses the same, whatever the program asks.
    let mut tx = app.test.db.begin_as(eve_id).await.unwrap();
    let change = "UPDATE identity.oidc_providers SET groups_claim = 'sub' RETURNING name";
    let changed: Vec<String> = sqlx::query_scalar(change).fetch_all(&mut *tx).await.unwrap();
    assert_eq!(changed, ["Plain"]);
    drop(tx);
    for sets in [
        "roles_map = '{\"staff\": \"admin\"}'",
        "groups_map = '{\"staff\": \"Board\"}'",
        "allow_sign_up = true",
        "trust_second_factor = true",
    ] {
        let sql = format!("UPDATE identity.oidc_providers SET {sets} WHERE name = 'Plain'");
        let mut tx = app.test.db.begin_as(eve_id).await.unwrap();
        let error = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await.unwrap_err();
        let code = error.as_database_error().and_then(|e| e.code()).map(|code| code.into_owned());
        assert_eq!(code.as_deref(), Some("42501"), "{sets}: {error}");
    }
    eve.delete(&plain).await.expect(204);
}

#[tokio::test]
async fn what_one_has_an_issuer_may_give() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let rights = ["oidc_provider:*", "group:manage", "user:read"];
    let (mut eve, _) = clerk(&app, &mut root, &rights).await;
    let role = json!({ "name": "reader", "permissions": ["user:read"] });
    root.post("/api/v1/roles", role).await.expect(201);
    let gives = json!({ "roles": { "staff": "reader" }, "groups": { "staff": "Board" } });
    let made = issuer(&mut eve, "Mine", gives).await;
    let path = format!("{PROVIDERS}/{made}");
    eve.patch(&path, json!({ "groups_claim": "sub" })).await.expect(200);
    eve.delete(&path).await.expect(204);
}
