use serde_json::{Value, json};

use crate::app::{App, PASSWORD, id};

#[tokio::test]
async fn an_administrator_makes_finds_and_changes_users() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let body = json!({ "username": "ada", "email": "ada@example.org", "password": PASSWORD,
                       "display_name": "Ada", "roles": ["developer", "tester"] });
    let made = root.post("/api/v1/users", body).await.expect(201);
    assert_eq!(made["roles"], json!(["developer", "tester"]));
    assert_eq!(made["status"], "active");
    let path = format!("/api/v1/users/{}", id(&made));
    assert_eq!(root.get(&path).await.expect(200), made);

    let change = json!({ "roles": ["user"], "display_name": "" });
    let changed = root.patch(&path, change).await.expect(200);
    assert_eq!(changed["roles"], json!(["user"]));
    assert_eq!(changed["display_name"], Value::Null);
    let page = root.get("/api/v1/users?limit=1").await.expect(200);
    assert_eq!(page["items"][0]["username"], "ada");
    let next = format!("/api/v1/users?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    let page = root.get(&next).await.expect(200);
    assert_eq!(page["items"][0]["username"], "root");
    assert!(page.get("next_cursor").is_none());
    let found = root.get("/api/v1/users?q=ADA%40").await.expect(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 1);

    root.get(&format!("/api/v1/users/{}", lyceum_core::new_id())).await.refused(404, "not_found");
    let nobody = format!("/api/v1/users/{}", lyceum_core::new_id());
    root.patch(&nobody, json!({ "status": "active" })).await.refused(404, "not_found");
    root.patch(&path, json!({ "status": "deleted" })).await.refused_field("status");
    root.patch(&path, json!({ "roles": ["emperor"] })).await.refused_field("roles");
}

#[tokio::test]
async fn names_and_addresses_are_unique_whatever_their_case() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    for (name, email, code, field) in [
        ("ROOT", "other@example.org", "username_taken", "username"),
        ("other", "Root@Example.org", "email_taken", "email"),
    ] {
        let body = json!({ "username": name, "email": email, "password": PASSWORD });
        let body = root.post("/api/v1/users", body).await.refused(409, code);
        assert_eq!(body["field"], field);
    }
}

#[tokio::test]
async fn users_without_the_right_are_refused() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let root_id = id(&root.get("/api/v1/me").await.expect(200));
    let path = format!("/api/v1/users/{root_id}");
    ada.get("/api/v1/users").await.refused(403, "forbidden");
    ada.get(&path).await.refused(403, "forbidden");
    ada.patch(&path, json!({ "status": "suspended" })).await.refused(403, "forbidden");
    let body = json!({ "username": "eve", "email": "e@example.org", "password": PASSWORD });
    ada.post("/api/v1/users", body).await.refused(403, "forbidden");
}

#[tokio::test]
async fn the_right_to_write_needs_no_right_to_read() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut eve = app.user(&mut root, "eve").await;
    let eve_path = format!("/api/v1/users/{}", id(&eve.get("/api/v1/me").await.expect(200)));
    let role = json!({ "name": "clerk", "permissions": ["user:write"] });
    root.post("/api/v1/roles", role).await.expect(201);
    root.patch(&eve_path, json!({ "roles": ["user", "clerk"] })).await.expect(200);
    let body = json!({ "username": "ada", "email": "ada@example.org", "password": PASSWORD });
    let made = eve.post("/api/v1/users", body).await.expect(201);
    assert_eq!(made["roles"], json!(["user"]));
    let path = format!("/api/v1/users/{}", id(&made));
    let changed = eve.patch(&path, json!({ "department": "Engines" })).await.expect(200);
    assert_eq!(changed["department"], "Engines");
    eve.get(&path).await.refused(403, "forbidden");
    eve.delete(&path).await.refused(403, "forbidden");
}

#[tokio::test]
async fn nobody_gives_away_or_touches_rights_beyond_their_own() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let root_id = id(&root.get("/api/v1/me").await.expect(200));
    // An administrator's key that may manage users, and nothing else.
    let body = json!({ "name": "hr", "permissions": ["user:*"] });
    let key = root.post("/api/v1/api-keys", body).await.expect(201);
    let mut hr = app.visitor();
    hr.bearer = Some(key["key"].as_str().unwrap().to_owned());
    let body = json!({ "username": "eve", "email": "e@example.org", "password": PASSWORD,
                       "roles": ["admin"] });
    hr.post("/api/v1/users", body.clone()).await.refused(403, "permission_not_held");
    let mut without = body;
    without["roles"] = json!([]);
    let eve = hr.post("/api/v1/users", without).await.expect(201);
    let path = format!("/api/v1/users/{}", id(&eve));
    hr.patch(&path, json!({ "roles": ["admin"] })).await.refused(403, "permission_not_held");
    let body = json!({ "username": "second", "email": "second@example.org", "password": PASSWORD,
                       "roles": ["admin"] });
    let second = root.post("/api/v1/users", body).await.expect(201);
    let take_over = json!({ "password": "taken over by hr" });
    let path = format!("/api/v1/users/{}", id(&second));
    hr.patch(&path, take_over.clone()).await.refused(403, "permission_not_held");
    let path = format!("{path}/second-factors");
    hr.delete(&path).await.refused(403, "permission_not_held");
    // One's own password is changed where the present one is asked for.
    let path = format!("/api/v1/users/{root_id}");
    hr.patch(&path, take_over.clone()).await.refused(422, "invalid_field");
    root.patch(&path, take_over).await.refused(422, "invalid_field");
    root.sign_in("root").await.expect(200);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let root_path = format!("/api/v1/users/{}", id(&root.get("/api/v1/me").await.expect(200)));
    for change in [
        json!({ "status": "suspended" }),
        json!({ "status": "inactive" }),
        json!({ "roles": ["user"] }),
        json!({ "roles": [] }),
    ] {
        root.patch(&root_path, change).await.refused(409, "last_administrator");
    }
    root.get("/api/v1/users").await.expect(200);
    // Replacing the roles while keeping the one is no demotion.
    root.patch(&root_path, json!({ "roles": ["admin", "user"] })).await.expect(200);

    let mut ada = app.user(&mut root, "ada").await;
    let ada_path = format!("/api/v1/users/{}", id(&ada.get("/api/v1/me").await.expect(200)));
    root.patch(&ada_path, json!({ "roles": ["admin"] })).await.expect(200);
    // Two administrators who demote each other at the same moment: one stays.
    let demote = json!({ "roles": ["user"] });
    let (one, two) =
        tokio::join!(root.patch(&ada_path, demote.clone()), ada.patch(&root_path, demote));
    // The slower one is refused: as the last administrator, or as none any more.
    let done = [&one, &two].iter().filter(|answer| answer.status == 200).count();
    assert_eq!(done, 1, "{} {}", one.body, two.body);
    assert!(!one.status.is_server_error() && !two.status.is_server_error());
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    let administrators: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM identity.user_roles ur JOIN identity.roles r ON r.id = ur.role_id
         WHERE r.name = 'admin'",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert_eq!(administrators, 1);
}

#[tokio::test]
async fn an_administrator_can_step_down_where_another_one_is_left() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    app.user(&mut root, "ada").await;
    let found = root.get("/api/v1/users?q=ada").await.expect(200);
    let ada_path = format!("/api/v1/users/{}", id(&found["items"][0]));
    root.patch(&ada_path, json!({ "roles": ["admin"] })).await.expect(200);
    let me = format!("/api/v1/users/{}", id(&root.get("/api/v1/me").await.expect(200)));
    root.patch(&me, json!({ "roles": ["user"] })).await.expect(200);
    root.get("/api/v1/users").await.refused(403, "forbidden");
}

#[tokio::test]
async fn a_password_set_by_the_administrator_ends_the_sessions() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let path = format!("/api/v1/users/{}", id(&ada.get("/api/v1/me").await.expect(200)));
    root.patch(&path, json!({ "password": "ada" })).await.refused_field("password");
    root.patch(&path, json!({ "password": "set by the admin" })).await.expect(200);
    ada.get("/api/v1/me").await.refused(401, "unauthenticated");
    app.visitor().sign_in_with("ada", "set by the admin").await.expect(200);
}
