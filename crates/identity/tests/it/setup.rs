use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{App, PASSWORD};

fn first_user(token: &str, name: &str) -> Value {
    json!({ "token": token, "username": name, "email": format!("{name}@example.org"),
            "password": PASSWORD, "display_name": "The First" })
}

#[tokio::test]
async fn the_token_makes_the_administrator_once() {
    let app = App::new().await;
    let mut visitor = app.visitor();
    assert_eq!(visitor.get("/api/v1/setup").await.expect(200)["needed"], true);
    let token = app.identity.setup_token().await.unwrap().unwrap();

    let me = visitor.post("/api/v1/setup", first_user(token.expose(), "root")).await.expect(201);
    assert_eq!(me["roles"], json!(["admin"]));
    assert_eq!(me["permissions"], json!(["*:*"]));
    assert_eq!(me["display_name"], "The First");
    assert_eq!(visitor.get("/api/v1/me").await.expect(200)["username"], "root");
    assert_eq!(visitor.get("/api/v1/setup").await.expect(200)["needed"], false);

    let again = visitor.post("/api/v1/setup", first_user(token.expose(), "second")).await;
    again.refused(410, "setup_done");
    let wrong = visitor.post("/api/v1/setup", first_user("wrong", "second")).await;
    wrong.refused(410, "setup_done");
    assert!(app.identity.setup_token().await.unwrap().is_none());
}

#[tokio::test]
async fn of_two_set_ups_at_the_same_moment_one_wins() {
    let app = App::new().await;
    let token = app.identity.setup_token().await.unwrap().unwrap();
    let attempts = (0..4).map(|number| {
        let mut visitor = app.visitor();
        let body = first_user(token.expose(), &format!("root{number}"));
        tokio::spawn(async move { visitor.post("/api/v1/setup", body).await.status.as_u16() })
    });
    let mut statuses = Vec::new();
    for attempt in attempts.collect::<Vec<_>>() {
        statuses.push(attempt.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 410, 410, 410]);
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    let users: i64 = sqlx::query_scalar("SELECT count(*) FROM identity.users")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    assert_eq!(users, 1);
}

#[tokio::test]
async fn wrong_old_and_expired_tokens_are_refused() {
    let app = App::new().await;
    let mut visitor = app.visitor();
    let early = visitor.post("/api/v1/setup", first_user("anything", "root")).await;
    early.refused(403, "setup_token_invalid");
    let old = app.identity.setup_token().await.unwrap().unwrap();
    let new = app.identity.setup_token().await.unwrap().unwrap();
    for token in [old.expose(), "wrong", "", &new.expose()[1..]] {
        let answer = visitor.post("/api/v1/setup", first_user(token, "root")).await;
        answer.refused(403, "setup_token_invalid");
    }
    app.clock.advance(Duration::from_secs(24 * 3600));
    let late = visitor.post("/api/v1/setup", first_user(new.expose(), "root")).await;
    late.refused(410, "setup_token_expired");
    assert_eq!(visitor.get("/api/v1/setup").await.expect(200)["needed"], true);
}

#[tokio::test]
async fn a_bad_field_is_named_and_does_not_use_up_the_token() {
    let app = App::new().await;
    let token = app.identity.setup_token().await.unwrap().unwrap();
    let mut visitor = app.visitor();
    for (field, value) in [
        ("username", "a"),
        ("username", &"a".repeat(65)),
        ("username", "has space"),
        ("username", "root@home"),
        ("username", "rооt"),
        // Full-width letters, which only the database's normalisation knows.
        ("username", "ｒｏｏｔ"),
        ("username", "root\u{0}"),
        ("email", "nonsense"),
        ("email", &format!("{}@example.org", "a".repeat(250))),
        ("password", "short"),
        ("password", &"x".repeat(257)),
        ("password", "root@example.org"),
        ("display_name", &"x".repeat(101)),
        ("display_name", "two\nlines"),
    ] {
        let mut body = first_user(token.expose(), "root");
        body[field] = value.into();
        visitor.post("/api/v1/setup", body).await.refused_field(field);
    }
    visitor.post("/api/v1/setup", first_user(token.expose(), "李雷")).await.expect(201);
}

#[tokio::test]
async fn malformed_bodies_get_a_clear_answer() {
    let app = App::new().await;
    let mut visitor = app.visitor();
    let mut send = async |body: &str| {
        visitor.send(http::Method::POST, "/api/v1/setup", Some(body.to_owned())).await
    };
    send("{").await.refused(400, "malformed_json");
    send("{}").await.refused(422, "invalid_field");
    send(r#"{"token":1}"#).await.refused(422, "invalid_field");
    let mut body = first_user("t", "root");
    body["is_admin"] = true.into();
    send(&body.to_string()).await.refused(422, "invalid_field");
}
