use std::time::Duration;

use lyceum_identity::IdentityConfig;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::{App, Client, id};

/// A node that knows a right of another domain, too.
async fn app() -> App {
    let further_rights = vec![("document", "write"), ("document", "read")];
    App::with(IdentityConfig { further_rights, ..IdentityConfig::default() }).await
}

async fn role(client: &mut Client, name: &str, permissions: &[&str]) -> Uuid {
    let body = json!({ "name": name, "permissions": permissions });
    id(&client.post("/api/v1/roles", body).await.expect(201))
}

async fn user_id(client: &mut Client) -> Uuid {
    id(&client.get("/api/v1/me").await.expect(200))
}

/// What the caller may do, as the program tells them.
async fn permissions(client: &mut Client) -> Value {
    client.get("/api/v1/me").await.expect(200)["permissions"].clone()
}

#[tokio::test]
async fn preset_roles_are_as_designed_and_never_change() {
    let app = app().await;
    let mut root = app.set_up().await;
    let roles = root.get("/api/v1/roles").await.expect(200);
    let roles = roles["items"].as_array().unwrap();
    let names: Vec<_> = roles.iter().map(|role| role["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["admin", "developer", "tester", "user"]);
    let of = |index: usize| roles[index]["permissions"].as_array().unwrap();
    let has = |index: usize, right: &str| of(index).contains(&json!(right));
    assert_eq!(of(0), &[json!("*:*")]);
    assert!(has(1, "finetune:*") && has(1, "inference:*") && !has(3, "finetune:*"));
    for index in 1..4 {
        assert!(has(index, "application:*") && has(index, "knowledge_base:*"));
    }
    assert!(has(3, "inference:create"));
    assert_eq!(roles[0]["user_count"], 1);
    let path = format!("/api/v1/roles/{}", id(&roles[3]));
    for change in [json!({ "permissions": ["*:*"] }), json!({ "name": "people" })] {
        root.patch(&path, change).await.refused(409, "preset_role");
    }
    root.delete(&path).await.refused(409, "preset_role");
}

#[tokio::test]
async fn a_role_names_rights_that_there_are() {
    let app = app().await;
    let mut root = app.set_up().await;
    let known = root.get("/api/v1/rights").await.expect(200);
    assert!(known["items"].as_array().unwrap().contains(&json!("document:write")));
    for pattern in ["documents:write", "document:destroy", "*:destroy", "planet:*"] {
        let body = json!({ "name": "odd", "permissions": [pattern] });
        let refused = root.post("/api/v1/roles", body).await.refused(422, "unknown_right");
        assert_eq!(refused["known"], known["items"], "{pattern}");
        assert_eq!(refused["field"], "permissions");
    }
    for (body, field) in [
        (json!({ "name": "odd", "permissions": [] }), "permissions"),
        (json!({ "name": "odd", "permissions": ["nonsense"] }), "permissions"),
        (json!({ "name": "Odd", "permissions": ["document:*"] }), "name"),
        (json!({ "name": "", "permissions": ["document:*"] }), "name"),
        (
            json!({ "name": "odd", "permissions": ["document:*"], "description": "x".repeat(501) }),
            "description",
        ),
    ] {
        root.post("/api/v1/roles", body).await.refused_field(field);
    }
    let made = role(&mut root, "editor", &["document:*", "*:read", "document:*"]).await;
    let body = json!({ "name": "editor", "permissions": ["document:*"] });
    root.post("/api/v1/roles", body).await.refused(409, "name_taken");
    let path = format!("/api/v1/roles/{made}");
    let changed = root.patch(&path, json!({ "description": " Edits. " })).await.expect(200);
    assert_eq!(changed["permissions"], json!(["*:read", "document:*"]));
    assert_eq!(changed["description"], "Edits.");
    root.delete(&path).await.expect(204);
    root.delete(&path).await.refused(404, "not_found");
    root.patch(&path, json!({ "name": "x" })).await.refused(404, "not_found");
}

#[tokio::test]
async fn roles_are_given_and_taken_with_who_and_when() {
    let app = app().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let (root_id, ada_id) = (user_id(&mut root).await, user_id(&mut ada).await);
    let editor = role(&mut root, "editor", &["user:read"]).await;
    let path = format!("/api/v1/users/{ada_id}/roles/{editor}");
    ada.get("/api/v1/users").await.refused(403, "forbidden");
    root.put(&path, Value::Null).await.expect(204);
    root.put(&path, Value::Null).await.expect(204);
    ada.get("/api/v1/users").await.expect(200);
    let given = root.get(&format!("/api/v1/users/{ada_id}/roles")).await.expect(200);
    let given = &given["items"];
    assert_eq!((&given[0]["name"], &given[1]["name"]), (&json!("editor"), &json!("user")));
    assert_eq!(given[0]["granted_by"], json!(root_id));
    assert_eq!(given[0]["granted_by_name"], "root");
    assert!(given[0]["granted_at"].is_string());

    // A change of the role, then its withdrawal, then its deletion take effect at once.
    let role_path = format!("/api/v1/roles/{editor}");
    root.patch(&role_path, json!({ "permissions": ["session:*"] })).await.expect(200);
    ada.get("/api/v1/users").await.refused(403, "forbidden");
    assert!(permissions(&mut ada).await.to_string().contains("session:*"));
    root.delete(&path).await.expect(204);
    root.delete(&path).await.refused(404, "not_found");
    root.put(&path, Value::Null).await.expect(204);
    root.delete(&role_path).await.expect(204);
    root.put(&path, Value::Null).await.refused(404, "not_found");
    let nobody = lyceum_core::new_id();
    let user_role = "00000000-0000-7000-8000-000000000004";
    let path = format!("/api/v1/users/{nobody}/roles/{user_role}");
    root.put(&path, Value::Null).await.refused(404, "not_found");
    root.get(&format!("/api/v1/users/{nobody}/roles")).await.refused(404, "not_found");
}

#[tokio::test]
async fn the_right_to_assign_needs_no_right_to_read() {
    let app = app().await;
    let mut root = app.set_up().await;
    let (mut eve, mut ada) = (app.user(&mut root, "eve").await, app.user(&mut root, "ada").await);
    let (eve_id, ada_id) = (user_id(&mut eve).await, user_id(&mut ada).await);
    let giver = role(&mut root, "giver", &["role:assign", "session:read"]).await;
    let reader = role(&mut root, "reader", &["session:read"]).await;
    root.patch(&format!("/api/v1/users/{eve_id}"), json!({ "roles": ["giver"] })).await.expect(200);
    let path = format!("/api/v1/users/{ada_id}/roles/{reader}");
    eve.put(&path, Value::Null).await.expect(204);
    eve.delete(&path).await.expect(204);
    eve.delete(&path).await.refused(404, "not_found");
    eve.put(&format!("/api/v1/users/{ada_id}/roles/{giver}"), Value::Null).await.expect(204);
    eve.get(&format!("/api/v1/users/{ada_id}/roles")).await.refused(403, "forbidden");
}

#[tokio::test]
async fn nobody_gives_rights_that_they_lack() {
    let app = app().await;
    let mut root = app.set_up().await;
    let mut eve = app.user(&mut root, "eve").await;
    let eve_id = user_id(&mut eve).await;
    let admin = "00000000-0000-7000-8000-000000000001";
    let clerk = role(&mut root, "clerk", &["role:*", "user:read"]).await;
    let strong = role(&mut root, "strong", &["user:*"]).await;
    root.put(&format!("/api/v1/users/{eve_id}/roles/{clerk}"), Value::Null).await.expect(204);

    for pattern in ["*:*", "user:*", "*:read", "group:manage"] {
        let body = json!({ "name": "mine", "permissions": [pattern] });
        eve.post("/api/v1/roles", body).await.refused(403, "permission_not_held");
    }
    let mine = role(&mut eve, "mine", &["role:read", "profile:*"]).await;
    let path = format!("/api/v1/roles/{mine}");
    let wider = json!({ "permissions": ["*:*"] });
    eve.patch(&path, wider.clone()).await.refused(403, "permission_not_held");
    // Roles beyond one's own are neither given nor taken, changed or deleted.
    for role in [admin, &strong.to_string()] {
        let path = format!("/api/v1/users/{eve_id}/roles/{role}");
        eve.put(&path, Value::Null).await.refused(403, "permission_not_held");
        eve.delete(&path).await.refused(403, "permission_not_held");
    }
    let path = format!("/api/v1/roles/{strong}");
    eve.patch(&path, json!({ "permissions": ["role:read"] }))
        .await
        .refused(403, "permission_not_held");
    eve.delete(&path).await.refused(403, "permission_not_held");
    // What she has, she may give.
    eve.put(&format!("/api/v1/users/{eve_id}/roles/{mine}"), Value::Null).await.expect(204);

    // The database refuses the same, whatever the program asks.
    for (sql, refused) in [
        ("INSERT INTO identity.roles (id, name, permissions)
          VALUES (gen_random_uuid(), 'sly', '[\"*:*\"]') RETURNING id", true),
        ("UPDATE identity.roles SET permissions = '[\"*:*\"]' WHERE name = 'mine' RETURNING id",
         true),
        ("UPDATE identity.roles SET permissions = '[\"role:read\"]' WHERE name IN ('strong', 'admin')
          RETURNING id", false),
        ("INSERT INTO identity.user_roles (user_id, role_id)
          SELECT app.current_user_id(), id FROM identity.roles WHERE name = 'strong'
          RETURNING role_id", true),
        ("DELETE FROM identity.user_roles ur USING identity.roles r
          WHERE r.id = ur.role_id AND r.name = 'admin' RETURNING ur.role_id", false),
    ] {
        let mut tx = app.test.db.begin_as(eve_id).await.unwrap();
        let outcome = sqlx::query_scalar::<_, Uuid>(sql).fetch_all(&mut *tx).await;
        match outcome {
            Ok(rows) => assert!(!refused && rows.is_empty(), "{sql}"),
            Err(error) => {
                let code = error.as_database_error().and_then(|e| e.code());
                assert!(refused && code.as_deref() == Some("42501"), "{sql}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn accounts_are_managed_without_being_an_administrator_but_never_upwards() {
    let app = app().await;
    let mut root = app.set_up().await;
    let (mut eve, mut ada) = (app.user(&mut root, "eve").await, app.user(&mut root, "ada").await);
    let (eve_id, ada_id) = (user_id(&mut eve).await, user_id(&mut ada).await);
    let root_id = user_id(&mut root).await;
    let clerk = role(&mut root, "clerk", &["user:*"]).await;
    root.put(&format!("/api/v1/users/{eve_id}/roles/{clerk}"), Value::Null).await.expect(204);
    let listed = eve.get("/api/v1/users").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
    let suspend = json!({ "status": "suspended" });
    eve.patch(&format!("/api/v1/users/{ada_id}"), suspend.clone()).await.expect(200);
    ada.get("/api/v1/me").await.refused(401, "unauthenticated");
    let path = format!("/api/v1/users/{root_id}");
    eve.patch(&path, suspend).await.refused(403, "permission_not_held");
    let upwards = "UPDATE identity.users SET status = 'suspended' WHERE username = 'root'";
    let sessions =
        "UPDATE identity.user_sessions SET revoked_at = now(), revoked_reason = 'revoked'
                    WHERE user_id <> app.current_user_id() AND revoked_at IS NULL";
    for sql in [upwards, sessions] {
        let mut tx = app.test.db.begin_as(eve_id).await.unwrap();
        let done = sqlx::query(sql).execute(&mut *tx).await.unwrap();
        assert_eq!(done.rows_affected(), 0, "{sql}");
    }
}

#[tokio::test]
async fn the_last_administrator_stays_whatever_becomes_of_their_role() {
    let app = app().await;
    let mut root = app.set_up().await;
    let root_id = user_id(&mut root).await;
    let admin = "00000000-0000-7000-8000-000000000001";
    let path = format!("/api/v1/users/{root_id}/roles/{admin}");
    root.delete(&path).await.refused(409, "last_administrator");
    let owner = role(&mut root, "owner", &["*:*"]).await;
    root.put(&format!("/api/v1/users/{root_id}/roles/{owner}"), Value::Null).await.expect(204);
    root.delete(&path).await.expect(204);
    let role_path = format!("/api/v1/roles/{owner}");
    root.patch(&role_path, json!({ "permissions": ["*:read"] }))
        .await
        .refused(409, "last_administrator");
    root.delete(&role_path).await.refused(409, "last_administrator");
    root.get("/api/v1/roles").await.expect(200);
}

#[tokio::test]
async fn people_without_the_rights_are_refused() {
    let app = app().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let nobody = lyceum_core::new_id();
    for path in ["/api/v1/roles", "/api/v1/rights", &format!("/api/v1/users/{nobody}/roles")] {
        ada.get(path).await.refused(403, "forbidden");
    }
    let body = json!({ "name": "x", "permissions": ["profile:read"] });
    ada.post("/api/v1/roles", body).await.refused(403, "forbidden");
    let path = format!("/api/v1/roles/{nobody}");
    ada.patch(&path, json!({})).await.refused(403, "forbidden");
    ada.delete(&path).await.refused(403, "forbidden");
    let path = format!("/api/v1/users/{nobody}/roles/{nobody}");
    ada.put(&path, Value::Null).await.refused(403, "forbidden");
    ada.delete(&path).await.refused(403, "forbidden");
}

#[tokio::test]
async fn a_changed_role_is_changed_on_the_other_node() {
    let app = app().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let ada_id = user_id(&mut ada).await;
    let reader = role(&mut root, "reader", &["user:read"]).await;
    root.put(&format!("/api/v1/users/{ada_id}/roles/{reader}"), Value::Null).await.expect(204);
    let (identity, router) = app.another_node();
    let mut changes = identity.changes();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { identity.run(shutdown).await }
    });
    // It listens.
    changes.changed().await.unwrap();
    let mut there = ada.at(router);
    there.get("/api/v1/users").await.expect(200);
    root.delete(&format!("/api/v1/roles/{reader}")).await.expect(204);
    let refused = async {
        while there.get("/api/v1/users").await.status != 403 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), refused).await.expect("it still works");

    // So is what people reach: the node says so to whoever remembers it.
    changes.mark_unchanged();
    let group = json!({ "name": "Readers" });
    let group = id(&root.post("/api/v1/groups", group).await.expect(201));
    root.put(&format!("/api/v1/groups/{group}/members/{ada_id}"), Value::Null).await.expect(204);
    let told = tokio::time::timeout(Duration::from_secs(1), changes.changed()).await;
    told.expect("nothing was told").unwrap();
    shutdown.cancel();
    running.await.unwrap();
}

/// What the preset roles give is known, also where its resource does not exist yet.
#[tokio::test]
async fn roles_name_what_the_preset_ones_give_ahead() {
    let app = app().await;
    let mut root = app.set_up().await;
    let known = root.get("/api/v1/rights").await.expect(200);
    let known = known["items"].as_array().unwrap();
    for pattern in ["application:*", "finetune:*"] {
        assert!(known.contains(&json!(pattern)), "{known:?}");
    }
    role(&mut root, "builder", &["application:*", "finetune:*"]).await;
    let part = json!({ "name": "part", "permissions": ["application:read"] });
    root.post("/api/v1/roles", part).await.refused(422, "unknown_right");
}
