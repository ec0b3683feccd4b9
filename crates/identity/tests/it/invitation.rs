use std::time::Duration;

use lyceum_identity::MailSecurity;
use serde_json::{Value, json};

use crate::app::{App, Client, PASSWORD, id, token_of};
use crate::post_office::PostOffice;

const ACCEPT: &str = "/api/v1/auth/invitation/accept";

async fn invite(client: &mut Client, body: Value) -> (Value, String) {
    let made = client.post("/api/v1/invitations", body).await.expect(201);
    let token = token_of(made["link"].as_str().unwrap());
    (made, token)
}

fn acceptance(token: &str, name: &str) -> Value {
    json!({ "token": token, "username": name, "email": format!("{name}@example.org"),
            "password": PASSWORD })
}

#[tokio::test]
async fn an_invitation_makes_one_account_with_its_roles_and_groups() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let group = lyceum_core::new_id();
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    sqlx::query("INSERT INTO identity.groups (id, name) VALUES ($1, 'Physics')")
        .bind(group)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let body = json!({ "email": "Ada@example.org", "roles": ["tester"], "groups": [group] });
    let (made, token) = invite(&mut root, body).await;
    assert_eq!(made["status"], "open");
    assert_eq!(made["is_mailed"], false);
    assert!(made["link"].as_str().unwrap().contains("/invitation#token="));
    let listed = root.get("/api/v1/invitations").await.expect(200);
    assert_eq!(listed["items"][0]["id"], made["id"]);
    assert!(!listed.to_string().contains(&token), "the link is shown once");

    let mut visitor = app.visitor();
    let seen = visitor.post("/api/v1/auth/invitation", json!({ "token": token })).await.expect(200);
    let names: Vec<_> = seen.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["email", "expires_at", "groups", "invited_by", "roles"]);
    assert_eq!((&seen["invited_by"], &seen["groups"]), (&json!("root"), &json!(["Physics"])));

    let mut other = acceptance(&token, "ada");
    other["email"] = "eve@example.org".into();
    visitor.post(ACCEPT, other).await.refused_field("email");
    let mut short = acceptance(&token, "ada");
    short["password"] = "short".into();
    visitor.post(ACCEPT, short).await.refused_field("password");
    let taken = visitor
        .post(ACCEPT, json!({ "token": token, "username": "root", "password": PASSWORD }))
        .await;
    taken.refused(409, "username_taken");

    let body = json!({ "token": token, "username": "ada", "password": PASSWORD });
    let me = visitor.post(ACCEPT, body).await.expect(201);
    assert_eq!((&me["roles"], &me["email"]), (&json!(["tester"]), &json!("Ada@example.org")));
    assert_eq!(me["email_verified"], false, "the link was not sent to the address");
    assert_eq!(visitor.get("/api/v1/me").await.expect(200)["username"], "ada");
    let user = root.get(&format!("/api/v1/users/{}", id(&me))).await.expect(200);
    assert!(user["last_login_at"].is_string(), "accepting signs in: {user}");
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    let members: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM identity.group_members m JOIN identity.users u ON u.id = m.user_id
         WHERE m.group_id = $1 AND u.username = 'ada'",
    )
    .bind(group)
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert_eq!(members, 1);

    let again = app.visitor().post(ACCEPT, acceptance(&token, "bob")).await;
    again.refused(410, "link_used");
    let listed = root.get("/api/v1/invitations").await.expect(200);
    assert_eq!(listed["items"][0]["status"], "accepted");
    let path = format!("/api/v1/invitations/{}", id(&made));
    root.delete(&path).await.refused(404, "not_found");
}

#[tokio::test]
async fn revoked_expired_and_guessed_invitations_are_refused() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut visitor = app.visitor();
    let (made, revoked) = invite(&mut root, json!({})).await;
    root.delete(&format!("/api/v1/invitations/{}", id(&made))).await.expect(204);
    visitor.post(ACCEPT, acceptance(&revoked, "ada")).await.refused(404, "link_invalid");

    let (_, token) = invite(&mut root, json!({ "expires_in_days": 1 })).await;
    let guess = |change: fn(&mut String)| {
        let mut guess = token.clone();
        change(&mut guess);
        guess
    };
    for guess in [
        guess(|text| text.truncate(10)),
        guess(|text| {
            let last = text.pop().unwrap();
            text.push(if last == 'A' { 'B' } else { 'A' });
        }),
        "nonsense".to_owned(),
        String::new(),
    ] {
        visitor.post(ACCEPT, acceptance(&guess, "ada")).await.refused(404, "link_invalid");
    }
    app.clock.advance(Duration::from_secs(24 * 3600));
    visitor.post(ACCEPT, acceptance(&token, "ada")).await.refused(410, "link_expired");
    root.sign_in("root").await.expect(200);
    let listed = root.get("/api/v1/invitations").await.expect(200);
    assert_eq!(listed["items"][0]["status"], "expired");
    assert_eq!(listed["items"][1]["status"], "revoked");

    root.post("/api/v1/invitations", json!({ "expires_in_days": 31 }))
        .await
        .refused_field("expires_in_days");
    root.post("/api/v1/invitations", json!({ "roles": ["emperor"] })).await.refused_field("roles");
    root.post("/api/v1/invitations", json!({ "groups": [lyceum_core::new_id()] }))
        .await
        .refused_field("groups");
    root.post("/api/v1/invitations", json!({ "send": true, "email": "a@example.org" }))
        .await
        .refused(409, "mail_not_configured");
}

#[tokio::test]
async fn of_two_acceptances_at_the_same_moment_one_wins() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let (_, token) = invite(&mut root, json!({})).await;
    let attempts = (0..3).map(|number| {
        let mut visitor = app.visitor();
        let body = acceptance(&token, &format!("ada{number}"));
        tokio::spawn(async move { visitor.post(ACCEPT, body).await.status.as_u16() })
    });
    let mut statuses = Vec::new();
    for attempt in attempts.collect::<Vec<_>>() {
        statuses.push(attempt.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 410, 410]);
}

#[tokio::test]
async fn nobody_invites_to_more_than_they_have_then_or_later() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut host = app.user(&mut root, "host").await;
    host.post("/api/v1/invitations", json!({})).await.refused(403, "forbidden");
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO identity.roles (id, name, permissions)
         VALUES (app.new_id(), 'inviter', '[\"user:invite\"]');
         INSERT INTO identity.user_roles (user_id, role_id)
         SELECT u.id, r.id FROM identity.users u, identity.roles r
         WHERE u.username = 'host' AND r.name = 'inviter';
         INSERT INTO identity.groups (id, name) VALUES
             ('00000000-0000-0000-0000-00000000000a', 'not the host''s')",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    host.sign_in("host").await.expect(200);
    host.post("/api/v1/invitations", json!({ "roles": ["admin"] }))
        .await
        .refused(403, "permission_not_held");
    host.post("/api/v1/invitations", json!({ "groups": ["00000000-0000-0000-0000-00000000000a"] }))
        .await
        .refused_field("groups");

    let (by_root, _) = invite(&mut root, json!({})).await;
    let (own, token) = invite(&mut host, json!({ "roles": ["inviter", "user"] })).await;
    let listed = host.get("/api/v1/invitations").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "their own alone");
    assert_eq!(listed["items"][0]["id"], own["id"]);
    let foreign = format!("/api/v1/invitations/{}", id(&by_root));
    host.delete(&foreign).await.refused(404, "not_found");
    let page = root.get("/api/v1/invitations?limit=1").await.expect(200);
    assert_eq!(page["items"][0]["id"], own["id"]);
    let next = page["next_cursor"].as_str().unwrap();
    let page = root.get(&format!("/api/v1/invitations?limit=1&cursor={next}")).await.expect(200);
    assert_eq!(page["items"][0]["id"], by_root["id"]);

    // The host loses the right to give what the invitation gives.
    let host_id = id(&host.get("/api/v1/me").await.expect(200));
    let path = format!("/api/v1/users/{host_id}");
    root.patch(&path, json!({ "roles": ["user"] })).await.expect(200);
    app.visitor().post(ACCEPT, acceptance(&token, "ada")).await.refused(404, "link_invalid");
    root.patch(&path, json!({ "roles": ["inviter", "user"], "status": "suspended" }))
        .await
        .expect(200);
    app.visitor().post(ACCEPT, acceptance(&token, "ada")).await.refused(404, "link_invalid");
    root.patch(&path, json!({ "status": "active" })).await.expect(200);
    app.set("registration.mode", "closed".into()).await;
    app.visitor().post(ACCEPT, acceptance(&token, "ada")).await.refused(403, "registration_closed");
    app.set("registration.mode", "invitation".into()).await;
    app.visitor().post(ACCEPT, acceptance(&token, "ada")).await.expect(201);
}

#[tokio::test]
async fn a_letter_carries_the_link_and_proves_the_address() {
    let office = PostOffice::open().await;
    let app = App::with(office.config()).await;
    let mut root = app.set_up().await;
    root.patch("/api/v1/me", json!({ "display_name": "校长" })).await.expect(200);
    let working = app.work().await;
    let body = json!({ "email": "ada@example.org", "language": "zh" });
    let made = root.post("/api/v1/invitations", body).await.expect(201);
    assert!(made.get("link").is_none(), "the link is for the address alone");
    let mail = office.next().await;
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), ("ada@example.org", "邀请您加入 Lyceum"));
    assert!(mail.text.contains("校长 邀请您加入"), "{}", mail.text);
    let mut visitor = app.visitor();
    let body =
        json!({ "token": mail.token("invitation"), "username": "ada", "password": PASSWORD });
    assert_eq!(visitor.post(ACCEPT, body).await.expect(201)["email_verified"], true);

    // Handed over by hand although it could be sent; then nothing is proved.
    let body = json!({ "email": "bob@example.org", "send": false });
    let (_, token) = invite(&mut root, body).await;
    let body = json!({ "token": token, "username": "bob", "password": PASSWORD });
    assert_eq!(app.visitor().post(ACCEPT, body).await.expect(201)["email_verified"], false);
    root.post("/api/v1/invitations", json!({ "send": true })).await.refused_field("email");
    working.shutdown().await;
    office.expect_empty();
}

#[tokio::test]
async fn a_letter_that_is_refused_for_now_is_sent_later_and_one_for_good_is_given_up() {
    let office = PostOffice::open().await;
    let app = App::with(office.config()).await;
    let mut root = app.set_up().await;
    let working = app.work().await;
    office.refuse("451 come back later");
    let body = json!({ "email": "ada@example.org" });
    root.post("/api/v1/invitations", body.clone()).await.expect(201);
    assert_eq!(office.next().await.to, "ada@example.org");
    office.refuse("550 nobody of that name");
    root.post("/api/v1/invitations", body).await.expect(201);
    let failed = failed_job(&app).await;
    assert!(failed.contains("550"), "{failed}");
    working.shutdown().await;
    office.expect_empty();
}

/// Waits for a job that is given up, and answers why.
async fn failed_job(app: &App) -> String {
    for _ in 0..600 {
        let mut tx = app.test.db.begin_maintenance().await.unwrap();
        if let Some(job) = lyceum_jobs::failed(&mut tx, 1).await.unwrap().first() {
            return format!("{job:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no job was given up within half a minute");
}

#[tokio::test]
async fn no_letter_leaves_without_the_protection_that_was_asked_for() {
    let office = PostOffice::open().await;
    let app = App::with(office.config_with(MailSecurity::Starttls, "smtp password 4711")).await;
    let mut root = app.set_up().await;
    let working = app.work().await;
    let body = json!({ "email": "ada@example.org" });
    root.post("/api/v1/invitations", body).await.expect(201);
    let failed = last_error(&app).await;
    assert!(failed.contains("STARTTLS"), "{failed}");
    assert!(!failed.contains("4711") && !failed.contains("token="), "{failed}");
    working.shutdown().await;
    office.expect_empty();
}

/// Waits for an attempt that failed, and answers why.
async fn last_error(app: &App) -> String {
    use sqlx::ConnectOptions as _;
    let mut owner = app.test.owner.connect().await.unwrap();
    for _ in 0..600 {
        let error: Option<String> = sqlx::query_scalar(
            "SELECT last_error FROM graphile_worker._private_jobs WHERE last_error IS NOT NULL",
        )
        .fetch_optional(&mut owner)
        .await
        .unwrap();
        if let Some(error) = error {
            return error;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no attempt failed within half a minute");
}
