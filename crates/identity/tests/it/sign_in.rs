use std::time::Duration;

use http::header;
use lyceum_identity::{AttemptLimits, IdentityConfig};
use serde_json::{Value, json};

use crate::app::{App, Client, PASSWORD, config, id};

fn strict() -> IdentityConfig {
    let attempts = AttemptLimits { account_and_address: 3, account: 6, address: 9 };
    IdentityConfig { attempts, ..config() }
}

#[tokio::test]
async fn username_and_address_in_any_case_sign_in() {
    let app = App::new().await;
    app.set_up().await;
    for login in ["root", "ROOT", "root@example.org", "Root@Example.ORG", "  root "] {
        let mut client = app.visitor();
        let answer = client.sign_in(login).await;
        let cookies: Vec<_> = answer
            .headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|c| c.to_str().unwrap())
            .collect();
        assert_eq!(cookies.len(), 2);
        assert!(cookies.iter().all(|c| c.contains("HttpOnly") && c.contains("SameSite=Strict")));
        assert!(cookies[0].starts_with("lyceum_access=") && cookies[0].contains("Max-Age=900;"));
        assert!(cookies[1].starts_with("lyceum_refresh="));
        assert!(cookies[1].contains("Path=/api/v1/auth;"));
        assert!(!answer.body.to_string().contains("argon2"));
        assert_eq!(answer.expect(200)["username"], "root");
        client.get("/api/v1/me").await.expect(200);
    }
}

#[tokio::test]
async fn cookies_are_secure_where_the_request_came_by_https() {
    let config = IdentityConfig { secure_cookies: true, ..IdentityConfig::default() };
    let app = App::with(config).await;
    app.set_up().await;
    let answer = app.visitor().sign_in("root").await;
    for cookie in answer.headers.get_all(header::SET_COOKIE) {
        assert!(cookie.to_str().unwrap().ends_with("; Secure"));
    }
}

#[tokio::test]
async fn an_unknown_account_and_a_wrong_password_look_the_same() {
    let app = App::new().await;
    app.set_up().await;
    let mut answers = Vec::new();
    for (login, password) in [
        ("root", "wrong password"),
        ("nobody", "wrong password"),
        ("nobody@example.org", "wrong password"),
        ("root\u{0}", "wrong password"),
        ("", ""),
        (&"x".repeat(10_000), "wrong password"),
        ("root", &"x".repeat(10_000)),
    ] {
        let answer = app.visitor().sign_in_with(login, password).await;
        let headers: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        answers.push((headers, answer.refused(401, "invalid_credentials")));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

async fn fail(client: &mut Client, login: &str) -> (u16, Value) {
    let answer = client.sign_in_with(login, "wrong password").await;
    (answer.status.as_u16(), answer.body)
}

#[tokio::test]
async fn an_account_is_locked_for_the_guesser_and_opens_again() {
    let app = App::with(strict()).await;
    app.set_up().await;
    let mut guesser = app.visitor();
    // A name that nobody has is locked in the same way.
    for login in ["root", "nobody"] {
        for _ in 0..3 {
            assert_eq!(fail(&mut guesser, login).await.0, 401, "{login}");
        }
        let answer = guesser.sign_in(login).await;
        assert_eq!(answer.headers[header::RETRY_AFTER], "30", "{login}");
        answer.refused(429, "too_many_attempts");
    }
    // The owner is elsewhere and notices nothing.
    let mut owner = app.visitor();
    owner.address = ([198, 51, 100, 7], 1).into();
    owner.sign_in("root").await.expect(200);

    app.clock.advance(Duration::from_secs(29));
    guesser.sign_in("root").await.refused(429, "too_many_attempts");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(fail(&mut guesser, "root").await.0, 401);
    let answer = guesser.sign_in("root").await;
    assert_eq!(answer.headers[header::RETRY_AFTER], "60");
    app.clock.advance(Duration::from_secs(60));
    guesser.sign_in("root").await.expect(200);
    // The right password wiped the slate.
    assert_eq!(fail(&mut guesser, "root").await.0, 401);
    guesser.sign_in("root").await.expect(200);
}

#[tokio::test]
async fn an_account_is_locked_after_guesses_from_many_addresses() {
    let app = App::with(strict()).await;
    app.set_up().await;
    for last in 0..6 {
        let mut guesser = app.visitor();
        guesser.address = ([203, 0, 113, last], 1).into();
        assert_eq!(fail(&mut guesser, "root").await.0, 401);
    }
    let mut fresh = app.visitor();
    fresh.address = ([203, 0, 113, 99], 1).into();
    fresh.sign_in("root").await.refused(429, "too_many_attempts");
}

#[tokio::test]
async fn an_address_that_tries_many_accounts_is_locked() {
    let app = App::with(strict()).await;
    app.set_up().await;
    let mut guesser = app.visitor();
    for number in 0..9 {
        assert_eq!(fail(&mut guesser, &format!("somebody{number}")).await.0, 401);
    }
    guesser.sign_in("root").await.refused(429, "too_many_attempts");
}

#[tokio::test]
async fn guesses_at_the_same_moment_count_all() {
    let app = App::with(strict()).await;
    app.set_up().await;
    let attempts: Vec<_> = (0..12)
        .map(|_| {
            let mut guesser = app.visitor();
            tokio::spawn(async move { fail(&mut guesser, "root").await.0 })
        })
        .collect();
    let mut looked_at = 0;
    for attempt in attempts {
        looked_at += usize::from(attempt.await.unwrap() == 401);
    }
    assert_eq!(looked_at, 3);
}

#[tokio::test]
async fn a_suspended_user_is_out_at_once_and_told_so_only_with_the_password() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let body = json!({ "name": "k", "permissions": ["profile:read"] });
    let key = ada.post("/api/v1/api-keys", body).await.expect(201);
    let mut program = app.visitor();
    program.bearer = Some(key["key"].as_str().unwrap().to_owned());
    program.get("/api/v1/me").await.expect(200);
    let ada_id = id(&ada.get("/api/v1/me").await.expect(200));

    let path = format!("/api/v1/users/{ada_id}");
    root.patch(&path, json!({ "status": "suspended" })).await.expect(200);
    ada.get("/api/v1/me").await.refused(401, "unauthenticated");
    program.get("/api/v1/me").await.refused(401, "unauthenticated");
    ada.post("/api/v1/auth/refresh", json!({})).await.refused(401, "session_ended");
    app.visitor().sign_in("ada").await.refused(403, "account_not_active");
    let guess = app.visitor().sign_in_with("ada", "wrong password").await;
    guess.refused(401, "invalid_credentials");

    root.patch(&path, json!({ "status": "active" })).await.expect(200);
    program.get("/api/v1/me").await.expect(200);
    app.visitor().sign_in("ada").await.expect(200);
}

#[tokio::test]
async fn signing_in_and_failing_to_stand_in_the_audit_log() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    app.visitor().sign_in_with("root", "wrong password").await.refused(401, "invalid_credentials");
    let me = id(&root.get("/api/v1/me").await.expect(200));
    let mut tx = app.test.db.begin_as(me).await.unwrap();
    let actions: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT action, host(ip_address) FROM ops.audit_logs
         WHERE user_id = $1 AND action LIKE 'sign_in%' ORDER BY action",
    )
    .bind(me)
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    let from = Some("192.0.2.1".to_owned());
    assert_eq!(actions, [("sign_in".into(), from.clone()), ("sign_in_failed".into(), from)]);
    let leaked: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM ops.audit_logs
         WHERE concat(old_values::text, new_values::text) ~ 'argon2|_hash'",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert_eq!(leaked, 0);
}

#[tokio::test]
async fn the_audit_row_of_a_session_names_its_person_from_beginning_to_end() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let me = id(&ada.get("/api/v1/me").await.expect(200));
    ada.post("/api/v1/auth/sign-out", json!({})).await.expect(204);
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    let rows: Vec<(String, Option<uuid::Uuid>)> = sqlx::query_as(
        "SELECT action, user_id FROM ops.audit_logs
         WHERE resource_type = 'session' AND action IN ('create', 'update')
           AND new_values ->> 'user_id' = $1::text ORDER BY action",
    )
    .bind(me.to_string())
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    assert_eq!(rows, [("create".to_owned(), Some(me)), ("update".to_owned(), Some(me))]);
}

#[tokio::test]
async fn an_old_hash_is_accepted_once_and_replaced() {
    let app = App::new().await;
    app.set_up().await;
    let old = bcrypt::hash(PASSWORD, 5).unwrap().replacen("$2b$", "$2a$", 1);
    set_hash(&app, &old).await;
    app.visitor().sign_in_with("root", "wrong password").await.refused(401, "invalid_credentials");
    assert_eq!(hash_of_root(&app).await, old, "a wrong password changes nothing");
    app.visitor().sign_in("root").await.expect(200);
    let new = hash_of_root(&app).await;
    assert!(new.starts_with("$argon2id$"), "{new}");
    app.visitor().sign_in("root").await.expect(200);
    assert_eq!(hash_of_root(&app).await, new, "a new hash is kept");
}

async fn set_hash(app: &App, hash: &str) {
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    sqlx::query("UPDATE identity.users SET password_hash = $1")
        .bind(hash)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn hash_of_root(app: &App) -> String {
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    let hash = sqlx::query_scalar("SELECT password_hash FROM identity.users");
    hash.fetch_one(&mut *tx).await.unwrap()
}
