use std::time::Duration;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header;
use lyceum_identity::{AttemptLimits, IdentityConfig};
use serde_json::{Value, json};
use sha1::Sha1;
use uuid::Uuid;

use crate::app::{App, Client, PASSWORD, config, id};

const SIGN_IN: &str = "/api/v1/auth/sign-in";
const SECOND: &str = "/api/v1/auth/sign-in/second-factor";
const STEP: Duration = Duration::from_secs(30);

/// An authenticator app, written apart from the program.
struct AuthenticatorApp(Vec<u8>);

impl AuthenticatorApp {
    fn new(base32: &str) -> Self {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let bits: Vec<u8> = base32
            .chars()
            .map(|c| alphabet.find(c).unwrap() as u8)
            .flat_map(|value| (0..5).rev().map(move |bit| value >> bit & 1))
            .collect();
        let bytes = bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit));
        Self(bytes.collect())
    }

    fn code(&self, at: DateTime<Utc>) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).unwrap();
        mac.update(&(at.timestamp() as u64 / 30).to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let at = usize::from(hash[19] % 16);
        let number = u32::from_be_bytes(hash[at..at + 4].try_into().unwrap()) % (1 << 31);
        format!("{:06}", number % 1_000_000)
    }
}

/// Switches an app on; answers it and the recovery codes.
async fn enrol(app: &App, client: &mut Client) -> (AuthenticatorApp, Vec<String>) {
    let begun = client.post("/api/v1/me/totp", json!({})).await.expect(200);
    let secret = begun["secret"].as_str().unwrap();
    assert!(begun["uri"].as_str().unwrap().contains(&format!("secret={secret}&")));
    let totp = AuthenticatorApp::new(secret);
    let code = json!({ "code": totp.code(app.clock.now()) });
    let done = client.post("/api/v1/me/totp/confirm", code).await.expect(200);
    let codes: Vec<String> = serde_json::from_value(done["recovery_codes"].clone()).unwrap();
    // The code that confirmed is used up.
    app.clock.advance(STEP);
    (totp, codes)
}

/// The first step; answers the token of the second.
async fn first_step(client: &mut Client, login: &str) -> String {
    let answer = client.sign_in(login).await;
    assert!(answer.headers.get(header::SET_COOKIE).is_none(), "no session yet");
    answer.expect(202)["challenge"].as_str().unwrap().to_owned()
}

async fn require(root: &mut Client, app: &App, whom: &str) {
    let me = id(&root.get("/api/v1/me").await.expect(200));
    let mut tx = app.test.db.begin_as(me).await.unwrap();
    sqlx::query(
        "UPDATE ops.system_configs SET value = to_jsonb($1::text)
         WHERE key = 'identity.require_second_factor'",
    )
    .bind(whom)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_code_of_the_app_completes_the_sign_in_once() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut other = app.visitor();
    other.sign_in("root").await.expect(200);
    let (totp, codes) = enrol(&app, &mut root).await;
    assert_eq!(codes.len(), 10);
    root.get("/api/v1/me").await.expect(200);
    // Sessions that never saw a second factor are over.
    other.get("/api/v1/me").await.refused(401, "unauthenticated");

    let mut client = app.visitor();
    let answer = client.sign_in("root").await.expect(202);
    assert_eq!(answer["methods"], json!(["totp", "recovery_code"]));
    let token = answer["challenge"].as_str().unwrap();
    // The token is no session.
    let mut forger = app.visitor();
    forger.bearer = Some(token.to_owned());
    forger.get("/api/v1/me").await.refused(401, "unauthenticated");
    let described = client.post("/api/v1/auth/sign-in/pending", json!({ "challenge": token }));
    assert_eq!(described.await.expect(200), answer);

    let code = totp.code(app.clock.now());
    let wrong = if code == "123456" { "654321" } else { "123456" };
    let with = |code: &str| json!({ "challenge": token, "code": code });
    client.post(SECOND, with(wrong)).await.refused(401, "invalid_second_factor");
    let me = client.post(SECOND, with(&code)).await.expect(200);
    assert_eq!(me["username"], "root");
    let sessions = client.get("/api/v1/me/sessions").await.expect(200);
    let here = sessions["items"].as_array().unwrap().iter().find(|s| s["current"] == true).unwrap();
    assert_eq!((&here["method"], &here["second_factor"]), (&json!("password"), &json!("totp")));
    client.post(SECOND, with(&code)).await.refused(410, "challenge_ended");

    // A code that somebody read over the shoulder is worthless within the same half minute.
    let mut thief = app.visitor();
    let token = first_step(&mut thief, "root").await;
    let replayed = json!({ "challenge": token, "code": code });
    thief.post(SECOND, replayed).await.refused(401, "invalid_second_factor");
}

#[tokio::test]
async fn codes_of_one_step_before_and_after_are_taken_and_no_others() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let (totp, _) = enrol(&app, &mut root).await;
    app.clock.advance(STEP * 10);
    for (seconds, status) in [(-60, 401), (60, 401), (-30, 200), (30, 200)] {
        let mut client = app.visitor();
        let token = first_step(&mut client, "root").await;
        let code = totp.code(app.clock.now() + chrono::TimeDelta::seconds(seconds));
        let answer = client.post(SECOND, json!({ "challenge": token, "code": code })).await;
        assert_eq!(answer.status, status, "{seconds} s");
    }
}

#[tokio::test]
async fn a_recovery_code_signs_in_once_however_it_is_typed() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let (_, codes) = enrol(&app, &mut root).await;
    let typed = format!(" {} ", codes[0].to_uppercase().replace('-', " "));
    for (code, status) in [(&typed, 200), (&codes[0], 401), (&codes[1], 200)] {
        let mut client = app.visitor();
        let token = first_step(&mut client, "root").await;
        let answer = client.post(SECOND, json!({ "challenge": token, "code": code })).await;
        assert_eq!(answer.status, status);
    }
    let factors = root.get("/api/v1/me/second-factors").await.expect(200);
    assert_eq!(factors["recovery_codes"], 8);

    let renewed = root.post("/api/v1/me/recovery-codes", json!({})).await.expect(200);
    assert_eq!(renewed["recovery_codes"].as_array().unwrap().len(), 10);
    for (code, status) in [(&json!(codes[2]), 401), (&renewed["recovery_codes"][0], 200)] {
        let mut client = app.visitor();
        let token = first_step(&mut client, "root").await;
        let answer = client.post(SECOND, json!({ "challenge": token, "code": code })).await;
        assert_eq!(answer.status, status);
    }
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    let leaked: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM ops.audit_logs
         WHERE concat(old_values::text, new_values::text) ~ 'secret|code_hash'",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert_eq!(leaked, 0);
}

#[tokio::test]
async fn guesses_at_the_code_lock_even_for_who_knows_the_password() {
    let app = App::with(IdentityConfig {
        attempts: AttemptLimits { account_and_address: 3, account: 6, address: 100 },
        ..config()
    })
    .await;
    let mut root = app.set_up().await;
    let (totp, _) = enrol(&app, &mut root).await;
    let mut guesser = app.visitor();
    for _ in 0..3 {
        // The right password in between wipes nothing out.
        let token = first_step(&mut guesser, "root").await;
        let wrong = json!({ "challenge": token, "code": "000000" });
        guesser.post(SECOND, wrong).await.refused(401, "invalid_second_factor");
    }
    let token = first_step(&mut guesser, "root").await;
    let right = json!({ "challenge": token, "code": totp.code(app.clock.now()) });
    let answer = guesser.post(SECOND, right).await;
    assert_eq!(answer.headers[header::RETRY_AFTER], "30");
    answer.refused(429, "too_many_attempts");
    // The owner, elsewhere, notices nothing.
    let mut owner = app.visitor();
    owner.address = ([198, 51, 100, 7], 1).into();
    let token = first_step(&mut owner, "root").await;
    let right = json!({ "challenge": token, "code": totp.code(app.clock.now()) });
    owner.post(SECOND, right).await.expect(200);
}

#[tokio::test]
async fn five_wrong_codes_or_five_minutes_end_the_step() {
    let limits = AttemptLimits { account_and_address: 100, account: 100, address: 100 };
    let app = App::with(IdentityConfig { attempts: limits, ..config() }).await;
    let mut root = app.set_up().await;
    let (totp, _) = enrol(&app, &mut root).await;
    let mut client = app.visitor();
    let token = first_step(&mut client, "root").await;
    for _ in 0..5 {
        let wrong = json!({ "challenge": token, "code": "000000" });
        client.post(SECOND, wrong).await.refused(401, "invalid_second_factor");
    }
    let right = json!({ "challenge": token, "code": totp.code(app.clock.now()) });
    client.post(SECOND, right).await.refused(410, "challenge_ended");

    let token = first_step(&mut client, "root").await;
    app.clock.advance(Duration::from_secs(300));
    let right = json!({ "challenge": token, "code": totp.code(app.clock.now()) });
    client.post(SECOND, right).await.refused(410, "challenge_ended");
}

#[tokio::test]
async fn one_code_at_the_same_moment_signs_in_one() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let (totp, _) = enrol(&app, &mut root).await;
    let code = totp.code(app.clock.now());
    let mut attempts = Vec::new();
    for _ in 0..4 {
        let mut client = app.visitor();
        let token = first_step(&mut client, "root").await;
        let body = json!({ "challenge": token, "code": code });
        attempts.push(tokio::spawn(async move { client.post(SECOND, body).await.status }));
    }
    let mut in_ = 0;
    for attempt in attempts {
        in_ += usize::from(attempt.await.unwrap() == 200);
    }
    assert_eq!(in_, 1);
}

#[tokio::test]
async fn changing_how_one_signs_in_needs_a_fresh_proof() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    app.clock.advance(Duration::from_secs(601));
    for path in ["/api/v1/me/totp", "/api/v1/me/recovery-codes", "/api/v1/me/passkeys/options"] {
        root.post(path, json!({})).await.refused(403, "reauthentication_required");
    }
    let wrong = json!({ "password": "wrong password" });
    root.post("/api/v1/me/confirm", wrong).await.refused(422, "wrong_password");
    root.post("/api/v1/me/confirm", json!({})).await.refused_field("password");
    root.post("/api/v1/me/totp", json!({})).await.refused(403, "reauthentication_required");
    root.post("/api/v1/me/confirm", json!({ "password": PASSWORD })).await.expect(204);
    root.post("/api/v1/me/recovery-codes", json!({})).await.refused(409, "no_second_factor");
    let (totp, _) = enrol(&app, &mut root).await;
    root.post("/api/v1/me/totp", json!({})).await.refused(409, "totp_on");

    let disable = "/api/v1/me/totp/disable";
    root.post(disable, json!({ "code": "000000" })).await.refused(422, "wrong_code");
    let code = json!({ "code": totp.code(app.clock.now()) });
    root.post(disable, code).await.expect(204);
    let left = root.get("/api/v1/me/second-factors").await.expect(200);
    let none = json!({ "totp": false, "passkeys": 0, "recovery_codes": 0, "required": false });
    assert_eq!(left, none);
    app.visitor().sign_in("root").await.expect(200);
    root.post(disable, json!({ "password": PASSWORD })).await.refused(409, "totp_off");
    // A key signs nobody in, so it may not change how one does.
    let key = json!({ "name": "k", "permissions": ["profile:*"] });
    let key = root.post("/api/v1/api-keys", key).await.expect(201);
    let mut program = app.visitor();
    program.bearer = Some(key["key"].as_str().unwrap().to_owned());
    program.post("/api/v1/me/totp", json!({})).await.refused(403, "session_required");
}

#[tokio::test]
async fn who_must_have_a_second_factor_sets_one_up_before_anything_else() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    require(&mut root, &app, "administrators").await;
    ada.sign_in("ada").await.expect(200);
    ada.get("/api/v1/api-keys").await.expect(200);

    let me = root.sign_in("root").await.expect(200);
    assert!(!me["permissions"].to_string().contains("*:*"), "{me}");
    root.get("/api/v1/api-keys").await.refused(403, "forbidden");
    root.get("/api/v1/users").await.refused(403, "forbidden");
    root.patch("/api/v1/me", json!({ "display_name": "x" })).await.refused(403, "forbidden");
    assert_eq!(root.get("/api/v1/me/second-factors").await.expect(200)["required"], true);
    root.post("/api/v1/auth/refresh", json!({})).await.expect(204);
    root.get("/api/v1/users").await.refused(403, "forbidden");
    let (_, codes) = enrol(&app, &mut root).await;
    root.get("/api/v1/users").await.expect(200);
    let last = json!({ "code": codes[0] });
    root.post("/api/v1/me/totp/disable", last).await.refused(409, "second_factor_required");
    root.get("/api/v1/users").await.expect(200);

    require(&mut root, &app, "everyone").await;
    ada.sign_in("ada").await.expect(200);
    ada.get("/api/v1/api-keys").await.refused(403, "forbidden");
}

#[tokio::test]
async fn an_administrator_resets_what_somebody_lost_and_it_is_recorded() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let ada_id = id(&ada.get("/api/v1/me").await.expect(200));
    enrol(&app, &mut ada).await;
    let path = format!("/api/v1/users/{ada_id}/second-factors");
    let mut bob = app.user(&mut root, "bob").await;
    bob.delete(&path).await.refused(403, "forbidden");
    first_step(&mut app.visitor(), "ada").await;
    root.delete(&path).await.expect(204);
    ada.get("/api/v1/me").await.refused(401, "unauthenticated");
    app.visitor().sign_in("ada").await.expect(200);
    let unknown = format!("/api/v1/users/{}/second-factors", lyceum_core::new_id());
    root.delete(&unknown).await.refused(404, "not_found");

    let root_id = id(&root.get("/api/v1/me").await.expect(200));
    let mut tx = app.test.db.begin_as(root_id).await.unwrap();
    let by: Vec<(Option<Uuid>, Option<Uuid>)> = sqlx::query_as(
        "SELECT user_id, resource_id FROM ops.audit_logs WHERE action = 'reset_second_factors'",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    assert_eq!(by, [(Some(root_id), Some(ada_id))]);
}

#[tokio::test]
async fn a_suspended_person_does_not_get_past_the_second_step() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let ada_id = id(&ada.get("/api/v1/me").await.expect(200));
    let (totp, _) = enrol(&app, &mut ada).await;
    let mut client = app.visitor();
    let token = first_step(&mut client, "ada").await;
    let path = format!("/api/v1/users/{ada_id}");
    root.patch(&path, json!({ "status": "suspended" })).await.expect(200);
    let right = json!({ "challenge": token, "code": totp.code(app.clock.now()) });
    client.post(SECOND, right).await.refused(410, "challenge_ended");
    let both = json!({ "login": "ada", "password": PASSWORD, "code": "000000" });
    let refused: Value = client.post(SIGN_IN, both).await.refused(422, "invalid_field");
    assert!(refused["detail"].as_str().unwrap().contains("code"));
}

#[tokio::test]
async fn the_mark_of_a_second_factor_that_is_gone_does_not_count() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let (_, codes) = enrol(&app, &mut ada).await;
    let mut tablet = app.visitor();
    let token = first_step(&mut tablet, "ada").await;
    let body = json!({ "challenge": token, "code": codes[0] });
    tablet.post(SECOND, body).await.expect(200);
    ada.post("/api/v1/me/totp/disable", json!({ "password": PASSWORD })).await.expect(204);
    ada.get("/api/v1/api-keys").await.expect(200);
    require(&mut root, &app, "everyone").await;
    // As long as a session is believed at most.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for client in [&mut ada, &mut tablet] {
        client.get("/api/v1/api-keys").await.refused(403, "forbidden");
    }
    enrol(&app, &mut ada).await;
    ada.get("/api/v1/api-keys").await.expect(200);
}

#[tokio::test]
async fn a_wrong_confirmation_is_in_the_audit_log() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let me = id(&root.get("/api/v1/me").await.expect(200));
    let confirm = "/api/v1/me/confirm";
    root.post(confirm, json!({ "password": "wrong password" }))
        .await
        .refused(422, "wrong_password");
    root.post(confirm, json!({ "code": "000000" })).await.refused(422, "wrong_code");
    root.post(confirm, json!({ "password": PASSWORD })).await.expect(204);
    let sessions = root.get("/api/v1/me/sessions").await.expect(200);
    let session = id(&sessions["items"][0]);
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    let rows: Vec<(Option<Uuid>, Option<Uuid>, Value)> = sqlx::query_as(
        "SELECT user_id, resource_id, new_values FROM ops.audit_logs
         WHERE action = 'confirm_failed' ORDER BY created_at, id",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    let row = |step: &str| (Some(me), Some(session), json!({ "step": step }));
    assert_eq!(rows, [row("password"), row("second_factor")]);
}
