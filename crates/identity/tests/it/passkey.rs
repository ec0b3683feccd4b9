use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{App, Client, id};
use crate::authenticator::{Authenticator, PRESENT, VERIFIED, encode};

const OPTIONS: &str = "/api/v1/auth/passkey/options";
const SIGN_IN: &str = "/api/v1/auth/passkey";
const SECOND: &str = "/api/v1/auth/sign-in/second-factor";
const MINE: &str = "/api/v1/me/passkeys";

async fn register(client: &mut Client, device: &mut Authenticator) -> Value {
    let options = client.post("/api/v1/me/passkeys/options", json!({})).await.expect(200);
    let body = json!({ "name": "laptop", "credential": device.create(&options) });
    client.post(MINE, body).await.expect(201)
}

/// A sign-in by the passkey alone.
async fn sign_in(client: &mut Client, device: &mut Authenticator) -> crate::app::Answer {
    let options = client.post(OPTIONS, json!({})).await.expect(200);
    client.post(SIGN_IN, json!({ "credential": device.get(&options) })).await
}

#[tokio::test]
async fn a_passkey_alone_signs_in_and_counts_as_both_factors() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut device = Authenticator::new();
    let made = register(&mut root, &mut device).await;
    assert_eq!(made["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!(made["passkey"]["backed_up"], true);

    let mut client = app.visitor();
    let me = sign_in(&mut client, &mut device).await.expect(200);
    assert_eq!(me["username"], "root");
    let sessions = client.get("/api/v1/me/sessions").await.expect(200);
    let here = sessions["items"].as_array().unwrap().iter().find(|s| s["current"] == true).unwrap();
    assert_eq!((&here["method"], &here["second_factor"]), (&json!("passkey"), &json!("passkey")));
    let mine = client.get(MINE).await.expect(200);
    assert!(mine["items"][0]["last_used_at"].is_string());
    assert!(!mine.to_string().contains(&encode(&device.id)));
}

#[tokio::test]
async fn a_passkey_follows_a_password_as_the_second_factor() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let (mut device, mut adas) = (Authenticator::new(), Authenticator::new());
    register(&mut root, &mut device).await;
    register(&mut ada, &mut adas).await;

    let mut client = app.visitor();
    let begun = client.sign_in("root").await.expect(202);
    assert_eq!(begun["methods"], json!(["recovery_code", "passkey"]));
    assert_eq!(begun["passkey"]["allowCredentials"][0]["id"], encode(&device.id));
    // A password has been shown, so the device need not ask for a PIN as well.
    device.flags &= !VERIFIED;
    let shown = device.get(&begun["passkey"]);
    let body = json!({ "challenge": begun["challenge"], "passkey": shown });
    client.post(SECOND, body.clone()).await.expect(200);
    app.visitor().post(SECOND, body).await.refused(410, "challenge_ended");

    // Somebody else's passkey does not do, and ends the step.
    let begun = client.sign_in("root").await.expect(202);
    let shown = adas.get(&begun["passkey"]);
    let body = json!({ "challenge": begun["challenge"], "passkey": shown });
    client.post(SECOND, body).await.refused(401, "invalid_second_factor");
    let shown = device.get(&begun["passkey"]);
    let body = json!({ "challenge": begun["challenge"], "passkey": shown });
    client.post(SECOND, body).await.refused(410, "challenge_ended");
}

#[tokio::test]
async fn what_is_meant_for_another_page_or_lacks_its_person_is_refused() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut device = Authenticator::new();
    register(&mut root, &mut device).await;
    type Fault = fn(&mut Authenticator);
    let faults: [(&str, Fault); 7] = [
        ("another origin", |d| d.origin = "https://lyceum.example.evil".to_owned()),
        ("another port", |d| d.origin = "https://lyceum.example:8443".to_owned()),
        ("another platform", |d| d.rp_id = "evil.example".to_owned()),
        ("nobody there", |d| d.flags &= !PRESENT),
        ("nobody verified", |d| d.flags &= !VERIFIED),
        ("cannot be backed up any more", |d| d.flags &= !0x18),
        ("names nobody", |d| d.user_handle = None),
    ];
    let mut client = app.visitor();
    for (name, fault) in faults {
        let before = (device.origin.clone(), device.rp_id.clone(), device.flags);
        let handle = device.user_handle.clone();
        fault(&mut device);
        let answer = sign_in(&mut client, &mut device).await;
        assert_eq!(answer.status, 401, "{name}");
        answer.refused(401, "invalid_passkey");
        (device.origin, device.rp_id, device.flags) = before;
        device.user_handle = handle;
    }
    let mut stranger = Authenticator::new();
    stranger.user_handle.clone_from(&device.user_handle);
    sign_in(&mut client, &mut stranger).await.refused(401, "invalid_passkey");
    // Another key under the same id.
    stranger.id.clone_from(&device.id);
    sign_in(&mut client, &mut stranger).await.refused(401, "invalid_passkey");
    sign_in(&mut client, &mut device).await.expect(200);

    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    let mut recorded: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT new_values ->> 'step' FROM ops.audit_logs
         WHERE action = 'sign_in_failed'",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    recorded.sort();
    assert_eq!(
        recorded,
        [
            "passkey_backup_changed",
            "passkey_unknown",
            "passkey_without_presence",
            "passkey_without_verification",
            "passkey_wrong_origin",
            "passkey_wrong_relying_party",
            "passkey_wrong_signature",
        ]
    );
}

#[tokio::test]
async fn a_challenge_is_answered_once_soon_and_for_its_purpose() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut device = Authenticator::new();
    let creation = root.post("/api/v1/me/passkeys/options", json!({})).await.expect(200);
    let body = json!({ "name": "laptop", "credential": device.create(&creation) });
    root.post(MINE, body.clone()).await.expect(201);
    root.post(MINE, body).await.refused(410, "challenge_ended");

    let mut client = app.visitor();
    let options = client.post(OPTIONS, json!({})).await.expect(200);
    let body = json!({ "credential": device.get(&options) });
    client.post(SIGN_IN, body.clone()).await.expect(200);
    client.post(SIGN_IN, body).await.refused(410, "challenge_ended");

    let options = client.post(OPTIONS, json!({})).await.expect(200);
    app.clock.advance(Duration::from_secs(300));
    let late = json!({ "credential": device.get(&options) });
    client.post(SIGN_IN, late).await.refused(410, "challenge_ended");

    // One that we did not give, and one that we gave for something else.
    let own = json!({ "challenge": encode(b"a challenge of the thief's own making") });
    let made_up = json!({ "credential": device.get(&own) });
    client.post(SIGN_IN, made_up).await.refused(410, "challenge_ended");
    let creation = root.post("/api/v1/me/passkeys/options", json!({})).await.expect(200);
    let other = json!({ "credential": device.get(&creation) });
    client.post(SIGN_IN, other).await.refused(410, "challenge_ended");
}

#[tokio::test]
async fn a_counter_that_does_not_grow_tells_of_a_copy() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut device = Authenticator::new();
    device.counter = 7;
    register(&mut root, &mut device).await;
    let mut client = app.visitor();
    sign_in(&mut client, &mut device).await.expect(200);
    for behind in [6, 7, 2] {
        device.counter = behind;
        sign_in(&mut client, &mut device).await.refused(401, "invalid_passkey");
    }
    // Not even zero is taken from one that counted.
    device.counter = 0;
    sign_in(&mut client, &mut device).await.refused(401, "invalid_passkey");
    device.counter = 8;
    sign_in(&mut client, &mut device).await.expect(200);
}

#[tokio::test]
async fn a_registration_is_judged_like_a_sign_in() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    type Fault = fn(&mut Authenticator);
    let faults: [Fault; 4] = [
        |d| d.origin = "https://evil.example".to_owned(),
        |d| d.rp_id = "evil.example".to_owned(),
        |d| d.flags &= !VERIFIED,
        |d| d.flags = (d.flags & !0x08) | 0x10,
    ];
    for fault in faults {
        let mut device = Authenticator::new();
        fault(&mut device);
        let options = root.post("/api/v1/me/passkeys/options", json!({})).await.expect(200);
        let body = json!({ "name": "laptop", "credential": device.create(&options) });
        root.post(MINE, body).await.refused(422, "passkey_refused");
    }
    // Begun by one, ended by another.
    let mut device = Authenticator::new();
    let options = root.post("/api/v1/me/passkeys/options", json!({})).await.expect(200);
    let body = json!({ "name": "laptop", "credential": device.create(&options) });
    ada.post(MINE, body).await.refused(410, "challenge_ended");

    register(&mut root, &mut device).await;
    let options = ada.post("/api/v1/me/passkeys/options", json!({})).await.expect(200);
    let body = json!({ "name": "laptop", "credential": device.create(&options) });
    ada.post(MINE, body).await.refused(409, "passkey_taken");
    let options = root.post("/api/v1/me/passkeys/options", json!({})).await.expect(200);
    assert_eq!(options["excludeCredentials"][0]["id"], encode(&device.id));
}

#[tokio::test]
async fn passkeys_are_renamed_and_deleted_by_their_owner_alone() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let mut device = Authenticator::new();
    let made = register(&mut ada, &mut device).await;
    let path = format!("{MINE}/{}", id(&made["passkey"]));
    root.patch(&path, json!({ "name": "mine" })).await.refused(404, "not_found");
    root.delete(&path).await.refused(404, "not_found");
    ada.patch(&path, json!({ "name": "" })).await.refused_field("name");
    let renamed = ada.patch(&path, json!({ "name": "phone" })).await.expect(200);
    assert_eq!(renamed["name"], "phone");

    // Without a password it would be the last way in.
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    let without = "UPDATE identity.users SET password_hash = NULL WHERE username = 'ada'";
    sqlx::query(without).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    ada.delete(&path).await.refused(409, "last_way_in");
    register(&mut ada, &mut Authenticator::new()).await;
    ada.delete(&path).await.expect(204);
    ada.delete(&path).await.refused(404, "not_found");
    sign_in(&mut app.visitor(), &mut device).await.refused(401, "invalid_passkey");
}

#[tokio::test]
async fn a_suspended_person_does_not_sign_in_by_passkey() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let mut device = Authenticator::new();
    register(&mut ada, &mut device).await;
    let path = format!("/api/v1/users/{}", id(&ada.get("/api/v1/me").await.expect(200)));
    root.patch(&path, json!({ "status": "suspended" })).await.expect(200);
    sign_in(&mut app.visitor(), &mut device).await.refused(403, "account_not_active");
}
