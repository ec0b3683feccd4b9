use std::time::Duration;

use http::header;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{Answer, App, Client, PASSWORD, id};
use crate::issuer::{CLIENT_ID, CLIENT_SECRET, Fault, Issuer};

const PROVIDERS: &str = "/api/v1/oidc-providers";
const MINE: &str = "/api/v1/me/oidc-accounts";

/// A platform with one issuer, configured by its administrator.
struct World {
    app: App,
    root: Client,
    issuer: Issuer,
    provider: Uuid,
}

impl World {
    /// With more settings of the issuer than its address and client.
    async fn with(more: Value) -> Self {
        Self::on(App::new().await, more).await
    }

    async fn on(app: App, more: Value) -> Self {
        let mut root = app.set_up().await;
        let issuer = Issuer::start(&app.clock).await;
        let mut body = json!({ "name": "Work", "issuer": issuer.url(), "client_id": CLIENT_ID,
                               "client_secret": CLIENT_SECRET });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = root.post(PROVIDERS, body).await.expect(201);
        assert!(!made.to_string().contains(CLIENT_SECRET));
        let provider = id(&made);
        issuer.says(json!({ "sub": "subject-1", "email": "ada@example.org",
                            "email_verified": true, "name": "Ada Lovelace",
                            "preferred_username": "ada" }));
        Self { app, root, issuer, provider }
    }

    async fn open() -> Self {
        Self::with(json!({ "allow_sign_up": true })).await
    }

    async fn start(&self, client: &mut Client) -> Value {
        let path = format!("/api/v1/auth/oidc/{}/start", self.provider);
        client.post(&path, json!({ "return_to": "/chat" })).await.expect(200)["redirect_to"].clone()
    }

    /// From the button to the page of the web app where it leads.
    async fn sign_in(&self, client: &mut Client) -> String {
        let start = self.start(client).await;
        let back = self.issuer.visit(&start).await;
        page(client.get(&back).await)
    }
}

#[track_caller]
fn page(answer: Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.body);
    answer.headers[header::LOCATION].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_stranger_gets_an_account_and_the_same_one_again() {
    let world = World::open().await;
    let mut client = world.app.visitor();
    let methods = client.get("/api/v1/auth/methods").await.expect(200);
    assert_eq!(methods["providers"], json!([{ "id": world.provider, "name": "Work" }]));
    assert_eq!(world.sign_in(&mut client).await, "/chat");
    assert!(!client.cookies.contains_key("lyceum_oidc"), "the flow's cookie is gone");
    let me = client.get("/api/v1/me").await.expect(200);
    assert_eq!((&me["username"], &me["display_name"]), (&json!("ada"), &json!("Ada Lovelace")));
    assert_eq!(me["roles"], json!(["user"]));

    // The subject decides, whatever becomes of the address.
    world.issuer.says(json!({ "sub": "subject-1", "email": "lovelace@example.org" }));
    let mut again = world.app.visitor();
    assert_eq!(world.sign_in(&mut again).await, "/chat");
    assert_eq!(id(&again.get("/api/v1/me").await.expect(200)), id(&me));
    // Another subject with the same name and another address is another person.
    world.issuer.says(json!({ "sub": "subject-2", "email": "ada@example.net",
                              "email_verified": true, "preferred_username": "ada" }));
    let mut other = world.app.visitor();
    assert_eq!(world.sign_in(&mut other).await, "/chat");
    assert_eq!(other.get("/api/v1/me").await.expect(200)["username"], "ada-2");

    let out = again.post("/api/v1/auth/sign-out", json!({})).await.expect(200);
    let expected = format!("{}/logout?client_id=", world.issuer.url());
    assert!(out["redirect_to"].as_str().unwrap().starts_with(&expected), "{out}");
    again.get("/api/v1/me").await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn tokens_that_are_wrong_in_any_respect_are_refused() {
    let world = World::open().await;
    let mut client = world.app.visitor();
    for elliptic in [false, true] {
        world.issuer.set(|issuer| issuer.elliptic = elliptic);
        let mut faults = vec![
            Fault::Signature,
            Fault::AlgorithmNone,
            Fault::PublicKeyAsSecret,
            Fault::UnknownKey,
            Fault::Issuer,
            Fault::Audience,
            Fault::SecondAudience,
            Fault::AuthorizedParty,
            Fault::Nonce,
            Fault::NoNonce,
            Fault::NoSubject,
            Fault::Expired(61),
            Fault::Expired(60),
            Fault::Early(61),
        ];
        if !elliptic {
            faults.push(Fault::KeyOfAnotherKind);
        }
        for fault in faults {
            world.issuer.set(|issuer| issuer.fault = fault);
            let page = world.sign_in(&mut client).await;
            assert_eq!(page, "/sign-in?error=oidc_bad_token", "{fault:?}");
            client.get("/api/v1/me").await.refused(401, "unauthenticated");
        }
        // Clocks may differ by a minute.
        for fault in [Fault::None, Fault::Expired(59), Fault::Early(60)] {
            world.issuer.set(|issuer| issuer.fault = fault);
            assert_eq!(world.sign_in(&mut client).await, "/chat", "{fault:?}");
            client.post("/api/v1/auth/sign-out", json!({})).await.expect(200);
        }
    }
}

#[tokio::test]
async fn an_answer_is_taken_once_from_the_browser_that_asked_and_soon() {
    let world = World::open().await;
    let mut client = world.app.visitor();
    let start = world.start(&mut client).await;
    let back = world.issuer.visit(&start).await;
    // Another's browser, into which somebody put their own answer.
    let mut victim = world.app.visitor();
    assert_eq!(page(victim.get(&back).await), "/sign-in?error=oidc_state_invalid");
    // It was used up by that, so that nobody tries secrets.
    assert_eq!(page(client.get(&back).await), "/sign-in?error=oidc_state_invalid");

    let start = world.start(&mut client).await;
    let back = world.issuer.visit(&start).await;
    let mut replaying = client.clone();
    assert_eq!(page(client.get(&back).await), "/chat");
    assert_eq!(page(replaying.get(&back).await), "/sign-in?error=oidc_state_invalid");
    assert!(!replaying.cookies.contains_key("lyceum_access"));

    let start = world.start(&mut client).await;
    let back = world.issuer.visit(&start).await;
    world.app.clock.advance(Duration::from_secs(900));
    assert_eq!(page(client.get(&back).await), "/sign-in?error=oidc_state_invalid");

    let start = world.start(&mut client).await;
    let back = world.issuer.visit(&start).await;
    let mixed_up = back.replace("iss=http", "iss=https");
    assert_eq!(page(client.get(&mixed_up).await), "/sign-in?error=oidc_bad_answer");
    world.issuer.set(|issuer| issuer.refuse = true);
    assert_eq!(world.sign_in(&mut client).await, "/sign-in?error=oidc_denied");
}

#[tokio::test]
async fn new_keys_are_fetched_when_a_token_names_one_but_not_at_every_whim() {
    let world = World::open().await;
    let mut client = world.app.visitor();
    assert_eq!(world.sign_in(&mut client).await, "/chat");
    assert_eq!(world.issuer.keys_asked(), 1);
    assert_eq!(world.sign_in(&mut client).await, "/chat");
    assert_eq!(world.issuer.keys_asked(), 1, "they are remembered");

    world.app.clock.advance(Duration::from_secs(11));
    world.issuer.set(|issuer| issuer.kid = "key-2".to_owned());
    assert_eq!(world.sign_in(&mut client).await, "/chat");
    assert_eq!(world.issuer.keys_asked(), 2);
    world.issuer.set(|issuer| issuer.fault = Fault::UnknownKey);
    for _ in 0..3 {
        assert_eq!(world.sign_in(&mut client).await, "/sign-in?error=oidc_bad_token");
    }
    assert_eq!(world.issuer.keys_asked(), 2);
}

#[tokio::test]
async fn the_same_address_is_linked_only_by_its_person_after_signing_in() {
    let mut world = World::open().await;
    let mut ada = world.app.user(&mut world.root, "ada").await;
    let mut client = world.app.visitor();
    // Unverified, it is no better than any other.
    world.issuer.says(json!({ "sub": "subject-1", "email": "ADA@example.org" }));
    assert_eq!(world.sign_in(&mut client).await, "/sign-in?error=oidc_not_linked");

    world.issuer.says(json!({ "sub": "subject-1", "email": "ADA@example.org",
                              "email_verified": true }));
    let page = world.sign_in(&mut client).await;
    let token = page.strip_prefix("/sign-in#link=").unwrap().to_owned();
    client.get("/api/v1/me").await.refused(401, "unauthenticated");
    let confirm = format!("{MINE}/confirm");
    let body = json!({ "token": token });
    client.post(&confirm, body.clone()).await.refused(401, "unauthenticated");
    ada.post(&confirm, body.clone()).await.expect(204);
    ada.post(&confirm, body).await.refused(410, "challenge_ended");
    assert_eq!(world.sign_in(&mut client).await, "/chat");
    let me = client.get("/api/v1/me").await.expect(200);
    assert_eq!(id(&me), id(&ada.get("/api/v1/me").await.expect(200)));

    // Somebody else's token does not link.
    world.issuer.says(json!({ "sub": "subject-2", "email": "ada@example.org",
                              "email_verified": true }));
    let page = world.sign_in(&mut world.app.visitor()).await;
    let token = page.strip_prefix("/sign-in#link=").unwrap().to_owned();
    let mut bob = world.app.user(&mut world.root, "bob").await;
    bob.post(&confirm, json!({ "token": token })).await.refused(410, "challenge_ended");
}

#[tokio::test]
async fn who_is_signed_in_links_and_unlinks_but_never_the_last_way_in() {
    let mut world = World::with(json!({})).await;
    let mut ada = world.app.user(&mut world.root, "ada").await;
    let mut bob = world.app.user(&mut world.root, "bob").await;
    world.issuer.says(json!({ "sub": "subject-1", "email": "someone@example.net" }));
    let mut client = world.app.visitor();
    assert_eq!(world.sign_in(&mut client).await, "/sign-in?error=oidc_not_linked");

    let body = json!({ "provider_id": world.provider, "return_to": "/settings" });
    let started = ada.post(MINE, body.clone()).await.expect(200);
    let back = world.issuer.visit(&started["redirect_to"]).await;
    assert_eq!(page(ada.get(&back).await), "/settings");
    let started = bob.post(MINE, body.clone()).await.expect(200);
    let back = world.issuer.visit(&started["redirect_to"]).await;
    assert_eq!(page(bob.get(&back).await), "/sign-in?error=oidc_linked_elsewhere");
    assert_eq!(world.sign_in(&mut client).await, "/chat");

    let mine = ada.get(MINE).await.expect(200);
    assert_eq!(mine["items"][0]["email"], "someone@example.net");
    assert_eq!(bob.get(MINE).await.expect(200)["items"], json!([]));
    let path = format!("{MINE}/{}", id(&mine["items"][0]));
    bob.delete(&path).await.refused(404, "not_found");
    let mut tx = world.app.test.db.begin_maintenance().await.unwrap();
    let without = "UPDATE identity.users SET password_hash = NULL WHERE username = 'ada'";
    sqlx::query(without).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    ada.delete(&path).await.refused(409, "last_way_in");
    let me = id(&ada.get("/api/v1/me").await.expect(200));
    let user = format!("/api/v1/users/{me}");
    world.root.patch(&user, json!({ "password": PASSWORD })).await.expect(200);
    ada.sign_in("ada").await.expect(200);
    ada.delete(&path).await.expect(204);
    assert_eq!(world.sign_in(&mut client).await, "/sign-in?error=oidc_not_linked");
    world.app.clock.advance(Duration::from_secs(601));
    ada.post(MINE, body).await.refused(403, "reauthentication_required");
}

#[tokio::test]
async fn roles_and_groups_follow_the_claims_at_each_sign_in() {
    let mut world = World::with(json!({
        "allow_sign_up": true, "groups_claim": "realm.groups",
        "roles": { "devs": "developer", "qa": "tester", "qa-leads": "tester" },
        "groups": { "devs": "Engineering", "qa": "Quality" },
    }))
    .await;
    let mut tx = world.app.test.db.begin_maintenance().await.unwrap();
    for name in ["Engineering", "Quality", "Choir"] {
        sqlx::query("INSERT INTO identity.groups (id, name) VALUES ($1, $2::text::citext)")
            .bind(lyceum_core::new_id())
            .bind(name)
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let mut client = world.app.visitor();
    let says = |groups: Value| {
        json!({ "sub": "subject-1", "email": "ada@example.org", "email_verified": true,
                "realm": { "groups": groups } })
    };
    for (groups, roles, members) in [
        (json!(["devs", "qa-leads"]), json!(["developer", "tester", "user"]), "Engineering"),
        (json!("qa"), json!(["tester", "user"]), "Quality"),
        (json!(["unheard of"]), json!(["user"]), ""),
        (json!(null), json!(["user"]), ""),
    ] {
        world.issuer.says(says(groups));
        assert_eq!(world.sign_in(&mut client).await, "/chat");
        assert_eq!(client.get("/api/v1/me").await.expect(200)["roles"], roles);
        assert_eq!(groups_of(&world.app, "ada").await, members);
    }
    // What an administrator gave besides stays.
    let me = id(&client.get("/api/v1/me").await.expect(200));
    let mut tx = world.app.test.db.begin_maintenance().await.unwrap();
    let join = "INSERT INTO identity.group_members (group_id, user_id)
                SELECT id, $1 FROM identity.groups WHERE name = 'Choir'";
    sqlx::query(join).bind(me).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    world.issuer.says(says(json!(["qa"])));
    world.sign_in(&mut client).await;
    assert_eq!(groups_of(&world.app, "ada").await, "Choir,Quality");

    // An issuer does not take the last administrator's role.
    let path = format!("{PROVIDERS}/{}", world.provider);
    let admins = json!({ "roles": { "admins": "admin", "devs": "developer", "qa": "tester" } });
    world.root.patch(&path, admins).await.expect(200);
    let body = json!({ "provider_id": world.provider });
    world.issuer.says(json!({ "sub": "subject-9", "realm": { "groups": ["devs"] } }));
    let started = world.root.post(MINE, body).await.expect(200);
    let back = world.issuer.visit(&started["redirect_to"]).await;
    let mut root = world.root.clone();
    assert_eq!(page(root.get(&back).await), "/");
    assert_eq!(world.sign_in(&mut root).await, "/chat");
    assert_eq!(root.get("/api/v1/me").await.expect(200)["roles"], json!(["admin", "developer"]));
    assert_eq!(groups_of(&world.app, "root").await, "Engineering", "the rest is given and taken");
    world.issuer.says(json!({ "sub": "subject-9", "realm": { "groups": ["qa"] } }));
    assert_eq!(world.sign_in(&mut root).await, "/chat");
    assert_eq!(root.get("/api/v1/me").await.expect(200)["roles"], json!(["admin", "tester"]));
    assert_eq!(groups_of(&world.app, "root").await, "Quality");
}

#[tokio::test]
async fn who_was_deleted_and_comes_again_signs_in_at_the_issuer() {
    let mut world = World::open().await;
    let mut client = world.app.visitor();
    assert_eq!(world.sign_in(&mut client).await, "/chat");
    let before = id(&client.get("/api/v1/me").await.expect(200));
    world.root.delete(&format!("/api/v1/users/{before}")).await.expect(204);
    assert_eq!(world.sign_in(&mut client).await, "/chat");
    let after = id(&client.get("/api/v1/me").await.expect(200));
    assert_ne!(before, after);
    assert_eq!(client.get(MINE).await.expect(200)["items"].as_array().unwrap().len(), 1);

    // The account that is brought back has no link, until its person confirms one.
    world.root.delete(&format!("/api/v1/users/{after}")).await.expect(204);
    let restore = format!("/api/v1/users/{before}/restore");
    world.root.post(&restore, json!({})).await.expect(200);
    let landed = world.sign_in(&mut client).await;
    assert!(landed.starts_with("/sign-in#link="), "{landed}");
    let mut tx = world.app.test.db.begin_maintenance().await.unwrap();
    let links: i64 = sqlx::query_scalar("SELECT count(*) FROM identity.oidc_accounts")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    assert_eq!(links, 0);
}

async fn groups_of(app: &App, name: &str) -> String {
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    sqlx::query_scalar(
        "SELECT coalesce(string_agg(g.name::text, ',' ORDER BY g.name::text), '')
         FROM identity.group_members m JOIN identity.groups g ON g.id = m.group_id
         JOIN identity.users u ON u.id = m.user_id WHERE u.username = $1::text::citext",
    )
    .bind(name)
    .fetch_one(&mut *tx)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_second_factor_follows_unless_the_issuer_is_trusted_with_it() {
    let mut world = World::with(json!({})).await;
    let mut ada = world.app.user(&mut world.root, "ada").await;
    let body = json!({ "provider_id": world.provider });
    let started = ada.post(MINE, body).await.expect(200);
    let back = world.issuer.visit(&started["redirect_to"]).await;
    assert_eq!(page(ada.get(&back).await), "/");
    let mut device = crate::authenticator::Authenticator::new();
    let options = ada.post("/api/v1/me/passkeys/options", json!({})).await.expect(200);
    let made = json!({ "name": "laptop", "credential": device.create(&options) });
    let made = ada.post("/api/v1/me/passkeys", made).await.expect(201);

    let mut client = world.app.visitor();
    let landed = world.sign_in(&mut client).await;
    let token = landed.strip_prefix("/sign-in#challenge=").unwrap();
    client.get("/api/v1/me").await.refused(401, "unauthenticated");
    let body = json!({ "challenge": token, "code": made["recovery_codes"][0] });
    client.post("/api/v1/auth/sign-in/second-factor", body).await.expect(200);
    let sessions = client.get("/api/v1/me/sessions").await.expect(200);
    assert_eq!(
        sessions["items"].as_array().unwrap().iter().filter(|s| s["method"] == "oidc").count(),
        1
    );

    let path = format!("{PROVIDERS}/{}", world.provider);
    world.root.patch(&path, json!({ "trust_second_factor": true })).await.expect(200);
    assert_eq!(world.sign_in(&mut world.app.visitor()).await, "/chat");

    let user = format!("/api/v1/users/{}", id(&ada.get("/api/v1/me").await.expect(200)));
    world.root.patch(&user, json!({ "status": "suspended" })).await.expect(200);
    let landed = world.sign_in(&mut world.app.visitor()).await;
    assert_eq!(landed, "/sign-in?error=account_not_active");
}

#[tokio::test]
async fn what_the_token_leaves_out_is_asked_for_and_must_be_of_the_same_person() {
    let world = World::open().await;
    world.issuer.says(json!({ "sub": "subject-1" }));
    let mut client = world.app.visitor();
    assert_eq!(world.sign_in(&mut client).await, "/sign-in?error=oidc_no_email");
    let of_another = json!({ "sub": "subject-2", "email": "ada@example.org" });
    world.issuer.set(|issuer| issuer.userinfo = Some(of_another));
    assert_eq!(world.sign_in(&mut client).await, "/sign-in?error=oidc_bad_answer");
    // Somebody else's address would lead its owner into an account that others enter, too.
    let claimed = json!({ "sub": "subject-1", "email": "ada@example.org" });
    world.issuer.set(|issuer| issuer.userinfo = Some(claimed));
    assert_eq!(world.sign_in(&mut client).await, "/sign-in?error=oidc_email_not_verified");
    let own = json!({ "sub": "subject-1", "email": "ada@example.org", "email_verified": true });
    world.issuer.set(|issuer| issuer.userinfo = Some(own));
    assert_eq!(world.sign_in(&mut client).await, "/chat");
    assert_eq!(client.get("/api/v1/me").await.expect(200)["email"], "ada@example.org");
}

#[tokio::test]
async fn issuers_are_an_administrators_affair_and_judged() {
    let mut world = World::with(json!({})).await;
    let mut ada = world.app.user(&mut world.root, "ada").await;
    let path = format!("{PROVIDERS}/{}", world.provider);
    ada.get(PROVIDERS).await.refused(403, "forbidden");
    ada.patch(&path, json!({ "is_active": false })).await.refused(403, "forbidden");
    let root = &mut world.root;
    let mut make = async |issuer: &str, more: Value| {
        let mut body = json!({ "name": "Other", "issuer": issuer, "client_id": "c" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        root.post(PROVIDERS, body).await
    };
    make("http://issuer.example", json!({})).await.refused_field("issuer");
    make("not an address", json!({})).await.refused_field("issuer");
    make("https://10.0.0.1", json!({})).await.refused(422, "private_address");
    let bad = json!({ "roles": { "x": "no_such_role" } });
    make("https://issuer.example", bad).await.refused_field("roles");
    make("https://issuer.example", json!({ "scopes": "email" })).await.refused_field("scopes");
    make("https://issuer.example", json!({ "name": "Work" })).await.refused_field("name");

    root.patch(&path, json!({ "is_active": false })).await.expect(200);
    assert_eq!(root.get(&path).await.expect(200)["has_client_secret"], true);
    let mut client = world.app.visitor();
    let start = format!("/api/v1/auth/oidc/{}/start", world.provider);
    client.post(&start, json!({})).await.refused(404, "not_found");
    let methods = client.get("/api/v1/auth/methods").await.expect(200);
    assert_eq!(methods["providers"], json!([]));
    root.delete(&path).await.expect(204);
    root.delete(&path).await.refused(404, "not_found");
}

#[tokio::test]
async fn an_issuers_word_for_a_second_factor_counts_while_it_is_trusted() {
    let world = World::with(json!({ "allow_sign_up": true, "trust_second_factor": true })).await;
    let mut client = world.app.visitor();
    assert_eq!(world.sign_in(&mut client).await, "/chat");
    world.app.set("identity.require_second_factor", "everyone".into()).await;
    let keys = "/api/v1/api-keys";
    client.get(keys).await.expect(200);
    let distrust = async |world: &World, sets: &str| {
        let mut tx = world.app.test.db.begin_maintenance().await.unwrap();
        let sql = format!("UPDATE identity.oidc_providers SET {sets}");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        // As long as a session is believed at most.
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    distrust(&world, "trust_second_factor = false").await;
    client.get(keys).await.refused(403, "forbidden");
    distrust(&world, "trust_second_factor = true").await;
    client.get(keys).await.expect(200);
    distrust(&world, "is_active = false").await;
    client.get(keys).await.refused(403, "forbidden");
    distrust(&world, "is_active = true").await;
    client.get(keys).await.expect(200);
}

#[tokio::test]
async fn an_issuer_that_is_down_is_not_asked_at_each_try() {
    let world = World::open().await;
    let mut client = world.app.visitor();
    let path = format!("/api/v1/auth/oidc/{}/start", world.provider);
    world.issuer.set(|issuer| issuer.down = true);
    for _ in 0..3 {
        client.post(&path, json!({})).await.refused(502, "oidc_unreachable");
    }
    assert_eq!(world.issuer.asked(), 1);
    world.issuer.set(|issuer| issuer.down = false);
    world.app.clock.advance(Duration::from_secs(10));
    assert_eq!(world.sign_in(&mut client).await, "/chat");
    assert_eq!(world.issuer.asked(), 2);
}

#[tokio::test]
async fn beginnings_are_counted_by_address_until_they_lead_to_a_sign_in() {
    let attempts = lyceum_identity::AttemptLimits { address: 4, ..Default::default() };
    let config = lyceum_identity::IdentityConfig { attempts, ..crate::app::config() };
    let world = World::on(App::with(config).await, json!({ "allow_sign_up": true })).await;
    let mut client = world.app.visitor();
    for _ in 0..6 {
        assert_eq!(world.sign_in(&mut client).await, "/chat");
    }
    let start = format!("/api/v1/auth/oidc/{}/start", world.provider);
    let options = "/api/v1/auth/passkey/options";
    for _ in 0..2 {
        client.post(&start, json!({})).await.expect(200);
        client.post(options, json!({})).await.expect(200);
    }
    client.post(&start, json!({})).await.refused(429, "too_many_attempts");
    let refused = client.post(options, json!({})).await;
    assert_eq!(refused.headers["retry-after"], "30");
    refused.refused(429, "too_many_attempts");
    // Neither passwords nor other addresses are locked by it.
    world.app.visitor().sign_in("root").await.expect(200);
    let mut elsewhere = world.app.visitor();
    elsewhere.address = ([192, 0, 2, 2], 1).into();
    elsewhere.post(options, json!({})).await.expect(200);
    world.app.clock.advance(Duration::from_secs(30));
    client.post(options, json!({})).await.expect(200);
}

/// The first sign-in of people whom the issuer's own directory provisioned.
#[tokio::test]
async fn whoever_was_provisioned_signs_in_at_the_directorys_issuer() {
    let mut world = World::with(json!({})).await;
    let tokens = crate::scim_token::TOKENS;
    let elsewhere = world.root.post(tokens, json!({ "name": "Other" })).await.expect(201);
    let body = json!({ "name": "Entra ID", "oidc_provider_id": world.provider });
    let token = world.root.post(tokens, body).await.expect(201);
    let mut directory = crate::scim_token::with(&world.app, &token["token"]);
    let mut stranger = crate::scim_token::with(&world.app, &elsewhere["token"]);
    let person = |name: &str, external: &str| json!({ "userName": format!("{name}@example.org"), "externalId": external });
    let users = "/scim/v2/Users";
    let ada = id(&directory.post(users, person("ada", "object-1")).await.expect(201));
    let bob = id(&directory.post(users, person("bob", "object-2")).await.expect(201));
    stranger.post(users, person("eve", "object-3")).await.expect(201);

    // By an id that the issuer gives to nobody else, though it says nothing of an address.
    world.issuer.says(json!({ "sub": "pairwise", "oid": "object-1" }));
    let mut client = world.app.visitor();
    assert_eq!(world.sign_in(&mut client).await, "/chat");
    assert_eq!(id(&client.get("/api/v1/me").await.expect(200)), ada);
    // By an address that it has verified, and by no other.
    world.issuer.says(json!({ "sub": "s-2", "email": "bob@example.org" }));
    let mut client = world.app.visitor();
    assert_eq!(world.sign_in(&mut client).await, "/sign-in?error=oidc_not_linked");
    let verified = json!({ "sub": "s-2", "email": "bob@example.org", "email_verified": true });
    world.issuer.says(verified);
    assert_eq!(world.sign_in(&mut client).await, "/chat");
    assert_eq!(id(&client.get("/api/v1/me").await.expect(200)), bob);
    // Once linked, the subject alone decides.
    world.issuer.says(json!({ "sub": "another", "oid": "object-1" }));
    assert_eq!(world.sign_in(&mut world.app.visitor()).await, "/sign-in?error=oidc_not_linked");
    // Not whom another directory provisioned, nor who has a way in already.
    world.issuer.says(json!({ "sub": "object-3" }));
    assert_eq!(world.sign_in(&mut world.app.visitor()).await, "/sign-in?error=oidc_not_linked");
    let carl = id(&directory.post(users, person("carl", "object-4")).await.expect(201));
    let password = json!({ "password": PASSWORD });
    world.root.patch(&format!("/api/v1/users/{carl}"), password).await.expect(200);
    world.issuer.says(json!({ "sub": "object-4" }));
    assert_eq!(world.sign_in(&mut world.app.visitor()).await, "/sign-in?error=oidc_not_linked");
    // Nor whoever is not active, nor after the token was revoked.
    let off = json!({ "userName": "dan@example.org", "externalId": "object-5", "active": false });
    directory.post(users, off).await.expect(201);
    world.issuer.says(json!({ "sub": "object-5" }));
    let landed = world.sign_in(&mut world.app.visitor()).await;
    assert_eq!(landed, "/sign-in?error=account_not_active");
    directory.post(users, person("fay", "object-6")).await.expect(201);
    world.root.delete(&format!("{tokens}/{}", id(&token))).await.expect(204);
    world.issuer.says(json!({ "sub": "object-6" }));
    assert_eq!(world.sign_in(&mut world.app.visitor()).await, "/sign-in?error=oidc_not_linked");
}
