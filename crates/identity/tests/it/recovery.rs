use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{App, Client, PASSWORD, id, token_of};
use crate::post_office::PostOffice;

const REQUEST: &str = "/api/v1/auth/password-reset";
const RESET: &str = "/api/v1/auth/password-reset/confirm";
const VERIFY: &str = "/api/v1/auth/verify-email";
const NEW: &str = "a new and longer one";

fn reset(token: &str) -> Value {
    json!({ "token": token, "password": NEW })
}

async fn user_path(client: &mut Client) -> String {
    format!("/api/v1/users/{}", id(&client.get("/api/v1/me").await.expect(200)))
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_once_and_every_session_ends() {
    let office = PostOffice::open().await;
    let app = App::with(office.config()).await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let working = app.work().await;
    let mut visitor = app.visitor();
    visitor.post(REQUEST, json!({ "login": "ADA@example.org" })).await.expect(202);
    let mail = office.next().await;
    assert_eq!(
        (mail.to.as_str(), mail.subject.as_str()),
        ("ada@example.org", "Set a new password")
    );
    let token = mail.token("reset-password");

    visitor.post(RESET, reset("guessed")).await.refused(404, "link_invalid");
    let bad = json!({ "token": token, "password": "ada@example.org" });
    visitor.post(RESET, bad).await.refused_field("password");
    ada.get("/api/v1/me").await.expect(200);
    visitor.post(RESET, reset(&token)).await.expect(204);
    ada.get("/api/v1/me").await.refused(401, "unauthenticated");
    visitor.post(RESET, reset(&token)).await.refused(410, "link_used");
    app.visitor().sign_in("ada").await.refused(401, "invalid_credentials");
    app.visitor().sign_in_with("ada", NEW).await.expect(200);

    app.clock.advance(Duration::from_secs(3600));
    visitor.post(REQUEST, json!({ "login": "ada" })).await.expect(202);
    let late = office.next().await.token("reset-password");
    app.clock.advance(Duration::from_secs(3600));
    visitor.post(RESET, reset(&late)).await.refused(410, "link_expired");
    working.shutdown().await;
    office.expect_empty();

    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    let log: String = sqlx::query_scalar("SELECT jsonb_agg(l)::text FROM ops.audit_logs l")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    assert!(log.contains("\"request_password_reset\"") && log.contains("\"reset_password\""));
    for secret in [token.as_str(), late.as_str(), NEW, "token_hash", "argon2"] {
        assert!(!log.contains(secret), "{secret} stands in the audit log");
    }
}

#[tokio::test]
async fn a_wish_for_a_new_password_tells_nothing_of_the_account() {
    let office = PostOffice::open().await;
    let app = App::with(office.config()).await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let path = user_path(&mut ada).await;
    root.patch(&path, json!({ "status": "suspended" })).await.expect(200);
    let working = app.work().await;
    let mut answers = Vec::new();
    for login in ["root", "nobody", "nobody@example.org", "ada"] {
        let answer = app.visitor().post(REQUEST, json!({ "login": login })).await;
        answers.push((answer.status, answer.headers, answer.body));
    }
    for answer in &answers[1..] {
        assert_eq!(*answer, answers[0]);
    }
    assert_eq!(office.next().await.to, "root@example.org");
    // Of two wishes within a minute one is answered by a letter.
    app.visitor().post(REQUEST, json!({ "login": "root" })).await.expect(202);
    app.clock.advance(Duration::from_secs(61));
    app.visitor().post(REQUEST, json!({ "login": "root" })).await.expect(202);
    assert_eq!(office.next().await.to, "root@example.org");
    app.finish_jobs().await;
    working.shutdown().await;
    office.expect_empty();

    for wrong in ["", " ", &"x".repeat(255), "a\u{0}b"] {
        app.visitor().post(REQUEST, json!({ "login": wrong })).await.refused_field("login");
    }
    let mut guesser = app.visitor();
    for _ in 0..5 {
        guesser.post(REQUEST, json!({ "login": "somebody" })).await.expect(202);
    }
    let refused = guesser.post(REQUEST, json!({ "login": "SOMEBODY" })).await;
    refused.refused(429, "too_many_attempts");
}

#[tokio::test]
async fn a_newer_link_replaces_the_older_one() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let path = format!("{}/password-reset", user_path(&mut ada).await);
    let made = root.post(&path, json!({})).await.expect(201);
    assert_eq!(made["is_mailed"], false);
    let first = token_of(made["link"].as_str().unwrap());
    let made = root.post(&path, json!({})).await.expect(201);
    let second = token_of(made["link"].as_str().unwrap());
    app.visitor().post(RESET, reset(&first)).await.refused(404, "link_invalid");
    // Of two at the same moment one wins.
    let uses = [0, 1].map(|_| {
        let (mut visitor, body) = (app.visitor(), reset(&second));
        tokio::spawn(async move { visitor.post(RESET, body).await.status.as_u16() })
    });
    let mut statuses = Vec::new();
    for one in uses {
        statuses.push(one.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 410]);
    app.visitor().sign_in_with("ada", NEW).await.expect(200);

    // A password that is set in another way ends the links, too.
    let made = root.post(&path, json!({})).await.expect(201);
    let third = token_of(made["link"].as_str().unwrap());
    let user = path.strip_suffix("/password-reset").unwrap();
    root.patch(user, json!({ "password": PASSWORD })).await.expect(200);
    app.visitor().post(RESET, reset(&third)).await.refused(404, "link_invalid");
}

#[tokio::test]
async fn without_mail_the_administrator_hands_links_over() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let path = user_path(&mut ada).await;
    app.visitor()
        .post(REQUEST, json!({ "login": "ada" }))
        .await
        .refused(409, "mail_not_configured");
    ada.post("/api/v1/me/email-verification", json!({})).await.refused(409, "mail_not_configured");
    for what in ["password-reset", "email-verification"] {
        ada.post(&format!("{path}/{what}"), json!({})).await.refused(403, "forbidden");
        let nobody = format!("/api/v1/users/{}/{what}", lyceum_core::new_id());
        root.post(&nobody, json!({})).await.refused(404, "not_found");
    }
    let made = root.post(&format!("{path}/email-verification"), json!({})).await.expect(201);
    let token = token_of(made["link"].as_str().unwrap());
    app.visitor().post(VERIFY, json!({ "token": token })).await.expect(204);
    assert_eq!(ada.get("/api/v1/me").await.expect(200)["email_verified"], true);
    app.visitor().post(VERIFY, json!({ "token": token })).await.refused(410, "link_used");
    // A link of one purpose is worthless for another.
    app.visitor().post(RESET, reset(&token)).await.refused(404, "link_invalid");

    // An address that changed meanwhile is not proved by the link to the old one.
    let made = root.post(&format!("{path}/email-verification"), json!({})).await.expect(201);
    let token = token_of(made["link"].as_str().unwrap());
    ada.patch("/api/v1/me", json!({ "email": "lovelace@example.org" })).await.expect(200);
    app.visitor().post(VERIFY, json!({ "token": token })).await.refused(404, "link_invalid");
    assert_eq!(ada.get("/api/v1/me").await.expect(200)["email_verified"], false);
}

#[tokio::test]
async fn nobody_resets_an_account_with_more_rights() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let root_path = user_path(&mut root).await;
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO identity.roles (id, name, permissions)
         VALUES (app.new_id(), 'helpdesk', '[\"user:*\", \"profile:*\"]')",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let mut hr = app.user(&mut root, "hr").await;
    let hr_path = user_path(&mut hr).await;
    root.patch(&hr_path, json!({ "roles": ["helpdesk"] })).await.expect(200);
    for what in ["password-reset", "email-verification"] {
        let answer = hr.post(&format!("{root_path}/{what}"), json!({})).await;
        answer.refused(403, "permission_not_held");
    }
    hr.delete(&root_path).await.refused(403, "permission_not_held");
    root.sign_in_with("root", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_new_address_proves_itself_and_the_old_one_is_told() {
    let office = PostOffice::open().await;
    let app = App::with(office.config()).await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let working = app.work().await;
    ada.post("/api/v1/me/email-verification", json!({})).await.expect(202);
    let mail = office.next().await;
    assert_eq!(mail.to, "ada@example.org");
    app.visitor().post(VERIFY, json!({ "token": mail.token("verify-email") })).await.expect(204);

    let change = json!({ "email": "lovelace@example.org", "department": "Engines" });
    let me = ada.patch("/api/v1/me", change).await.expect(200);
    assert_eq!(me["department"], "Engines");
    assert_eq!(
        (&me["email"], &me["pending_email"]),
        (&json!("ada@example.org"), &json!("lovelace@example.org"))
    );
    let mail = office.next().await;
    assert_eq!(mail.to, "lovelace@example.org");
    let token = mail.token("verify-email");
    app.visitor().post(VERIFY, json!({ "token": token })).await.expect(204);
    let me = ada.get("/api/v1/me").await.expect(200);
    assert_eq!(
        (&me["email"], &me["email_verified"]),
        (&json!("lovelace@example.org"), &json!(true))
    );
    assert!(me["pending_email"].is_null());
    let notice = office.next().await;
    assert_eq!(notice.to, "ada@example.org");
    assert!(notice.text.contains("lovelace@example.org") && !notice.text.contains("token="));
    app.visitor().post(VERIFY, json!({ "token": token })).await.refused(410, "link_used");

    // The same address is no change; a taken one is told to whoever has its letters only.
    ada.patch("/api/v1/me", json!({ "email": "LOVELACE@example.org" })).await.expect(200);
    ada.patch("/api/v1/me", json!({ "email": "root@example.org" })).await.expect(200);
    let mail = office.next().await;
    assert_eq!(mail.to, "root@example.org");
    let body = json!({ "token": mail.token("verify-email") });
    app.visitor().post(VERIFY, body).await.refused(409, "email_taken");

    // An administrator's links are sent, too.
    let path = user_path(&mut ada).await;
    let made = root.post(&format!("{path}/password-reset"), json!({})).await.expect(201);
    assert_eq!(made, json!({ "is_mailed": true }));
    let mail = office.next().await;
    assert_eq!(mail.to, "lovelace@example.org");
    app.visitor().post(RESET, reset(&mail.token("reset-password"))).await.expect(204);
    working.shutdown().await;
    office.expect_empty();
}

#[tokio::test]
async fn an_api_key_changes_no_address_and_asks_for_no_letter() {
    let office = PostOffice::open().await;
    let app = App::with(office.config()).await;
    let mut root = app.set_up().await;
    let key = root
        .post("/api/v1/api-keys", json!({ "name": "k", "permissions": ["profile:*"] }))
        .await
        .expect(201);
    let mut program = app.visitor();
    program.bearer = Some(key["key"].as_str().unwrap().to_owned());
    let change = json!({ "email": "other@example.org" });
    program.patch("/api/v1/me", change).await.refused(403, "session_required");
    program.post("/api/v1/me/email-verification", json!({})).await.refused(403, "session_required");
}

#[tokio::test]
async fn guessing_tokens_is_limited_by_address() {
    use lyceum_identity::{AttemptLimits, IdentityConfig};
    let attempts = AttemptLimits { address: 4, ..AttemptLimits::default() };
    let app = App::with(IdentityConfig { attempts, ..IdentityConfig::default() }).await;
    let mut root = app.set_up().await;
    let mut guesser = app.visitor();
    for number in 0..4 {
        let body = reset(&format!("guess {number}"));
        guesser.post(RESET, body).await.refused(404, "link_invalid");
    }
    guesser.post(RESET, reset("guess 5")).await.refused(429, "too_many_attempts");
    guesser.post(VERIFY, json!({ "token": "x" })).await.refused(429, "too_many_attempts");
    // A right one from another address is not hindered, and wipes nothing out.
    let path = format!("{}/password-reset", user_path(&mut root).await);
    let made = root.post(&path, json!({})).await.expect(201);
    let mut other = app.visitor();
    other.address = ([192, 0, 2, 99], 1).into();
    let token = token_of(made["link"].as_str().unwrap());
    other.post(RESET, reset(&token)).await.expect(204);
    guesser.post(RESET, reset("guess 6")).await.refused(429, "too_many_attempts");
}
