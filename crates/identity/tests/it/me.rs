use serde_json::json;

use crate::app::{App, PASSWORD};

const NEW: &str = "a new and longer one";

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_keeps_this_one() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut other = app.visitor();
    other.sign_in("root").await.expect(200);
    let body = |current: &str, new: &str| json!({ "current": current, "new": new });

    let wrong = root.post("/api/v1/me/password", body("wrong password", NEW)).await;
    assert_eq!(wrong.refused(422, "wrong_password")["field"], "current");
    root.post("/api/v1/me/password", body(PASSWORD, "short")).await.refused_field("new");
    let same = root.post("/api/v1/me/password", body(PASSWORD, "ROOT@example.org")).await;
    same.refused_field("new");

    root.post("/api/v1/me/password", body(PASSWORD, NEW)).await.expect(204);
    root.get("/api/v1/me").await.expect(200);
    other.get("/api/v1/me").await.refused(401, "unauthenticated");
    app.visitor().sign_in("root").await.refused(401, "invalid_credentials");
    app.visitor().sign_in_with("root", NEW).await.expect(200);
}

#[tokio::test]
async fn guessing_the_present_password_is_limited_like_signing_in() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let body = json!({ "current": "wrong password", "new": NEW });
    for _ in 0..5 {
        let answer = root.post("/api/v1/me/password", body.clone()).await;
        answer.refused(422, "wrong_password");
    }
    root.post("/api/v1/me/password", body).await.refused(429, "too_many_attempts");
}

#[tokio::test]
async fn name_and_address_change_and_stay_unique() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let change = json!({ "display_name": " Ada 洛芙莱斯 ", "email": "lovelace@example.org" });
    let me = ada.patch("/api/v1/me", change).await.expect(200);
    assert_eq!(me["display_name"], "Ada 洛芙莱斯");
    assert_eq!(me["email"], "lovelace@example.org");
    app.visitor().sign_in("lovelace@example.org").await.expect(200);

    let taken = ada.patch("/api/v1/me", json!({ "email": "ROOT@example.org" })).await;
    assert_eq!(taken.refused(409, "email_taken")["field"], "email");
    ada.patch("/api/v1/me", json!({ "email": "nonsense" })).await.refused_field("email");
    let long = json!({ "display_name": "x".repeat(101) });
    ada.patch("/api/v1/me", long).await.refused_field("display_name");
    let me = ada.patch("/api/v1/me", json!({ "display_name": "" })).await.expect(200);
    assert!(me["display_name"].is_null());
    assert_eq!(me["timezone"], "UTC");
    let me = ada.patch("/api/v1/me", json!({ "timezone": "Europe/Berlin" })).await.expect(200);
    assert_eq!(me["timezone"], "Europe/Berlin");
    for zone in ["Mars/Olympus", "", "a\0b"] {
        ada.patch("/api/v1/me", json!({ "timezone": zone })).await.refused_field("timezone");
    }
    // Members that would make one an administrator are not known here.
    let forbidden = ada.patch("/api/v1/me", json!({ "roles": ["admin"] })).await;
    forbidden.refused(422, "invalid_field");
}

#[tokio::test]
async fn people_say_who_they_are() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let change = json!({ "first_name": "Ada", "last_name": "洛芙莱斯", "organization": "Society",
                         "department": "Engines", "position": "Analyst" });
    let me = ada.patch("/api/v1/me", change.clone()).await.expect(200);
    let path = format!("/api/v1/users/{}", me["id"].as_str().unwrap());
    let user = root.get(&path).await.expect(200);
    for (name, value) in change.as_object().unwrap() {
        assert_eq!((&me[name], &user[name]), (value, value), "{name}");
        let long = json!({ name: "x".repeat(101) });
        ada.patch("/api/v1/me", long.clone()).await.refused_field(name);
        root.patch(&path, long).await.refused_field(name);
        ada.patch("/api/v1/me", json!({ name: "two\nlines" })).await.refused_field(name);
    }
    // One member changes, the others stay.
    let me = ada.patch("/api/v1/me", json!({ "position": " " })).await.expect(200);
    assert_eq!((&me["position"], &me["department"]), (&json!(null), &json!("Engines")));
    let user = root.patch(&path, json!({ "position": "Countess" })).await.expect(200);
    assert_eq!((&user["position"], &user["first_name"]), (&json!("Countess"), &json!("Ada")));
}

#[tokio::test]
async fn preferences_are_kept_replaced_and_removed() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let path = "/api/v1/me/preferences/ui.theme";
    root.put(path, json!({ "value": "dark" })).await.expect(204);
    root.put(path, json!({ "value": { "name": "深色" } })).await.expect(204);
    let me = root.get("/api/v1/me").await.expect(200);
    assert_eq!(me["preferences"], json!({ "ui.theme": { "name": "深色" } }));
    assert_eq!(ada.get("/api/v1/me").await.expect(200)["preferences"], json!({}));
    root.put(path, json!({ "value": null })).await.expect(204);
    assert_eq!(root.get("/api/v1/me").await.expect(200)["preferences"], json!({}));

    root.put("/api/v1/me/preferences/Bad%20Key", json!({ "value": 1 })).await.refused_field("key");
    root.put(path, json!({ "value": "x".repeat(40_000) })).await.refused_field("value");
    root.put(path, json!({ "value": "a\u{0}b" })).await.refused_field("value");
    root.put(path, json!({})).await.refused(422, "invalid_field");
}

#[tokio::test]
async fn the_preference_of_chats_is_held_to_its_form() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let path = "/api/v1/me/preferences/chat";
    let base = "01890000-0000-7000-8000-000000000000";
    let most = vec![base; 20];
    for good in [
        json!({}),
        json!({ "send_with": "enter" }),
        json!({ "send_with": "ctrl_enter", "knowledge_base_ids": most }),
    ] {
        root.put(path, json!({ "value": good })).await.expect(204);
        assert_eq!(root.get("/api/v1/me").await.expect(200)["preferences"]["chat"], good);
    }
    for (bad, field) in [
        (json!("enter"), "value"),
        (json!({ "send_with": "enter", "model": "any" }), "value"),
        (json!({ "send_with": "Enter" }), "value.send_with"),
        (json!({ "send_with": null }), "value.send_with"),
        (json!({ "knowledge_base_ids": base }), "value.knowledge_base_ids"),
        (json!({ "knowledge_base_ids": ["mine"] }), "value.knowledge_base_ids"),
        (json!({ "knowledge_base_ids": vec![base; 21] }), "value.knowledge_base_ids"),
    ] {
        root.put(path, json!({ "value": bad })).await.refused_field(field);
    }
    root.put(path, json!({ "value": null })).await.expect(204);
    assert_eq!(root.get("/api/v1/me").await.expect(200)["preferences"], json!({}));
}
