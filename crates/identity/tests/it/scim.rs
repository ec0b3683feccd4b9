//! People by SCIM, as Entra ID and Okta send them.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, Client, id};
use crate::scim_token::{directory, refused};

const USERS: &str = "/scim/v2/Users";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// As Entra ID writes a new person.
fn ada() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
        "userName": "Ada@Example.org", "active": true, "displayName": "Ada Lovelace",
        "emails": [{ "primary": true, "type": "work", "value": "ada@example.org" }],
        "meta": { "resourceType": "User" },
        "name": { "formatted": "Ada Lovelace", "familyName": "Lovelace", "givenName": "Ada" },
        "title": "Countess", "preferredLanguage": "en",
        (ENTERPRISE): { "department": "Engines", "organization": "Analytical" },
    })
}

fn patch(operations: Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations })
}

async fn audit(app: &App, user: Uuid) -> Vec<(Option<Uuid>, String)> {
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    sqlx::query_as(
        "SELECT user_id, action FROM ops.audit_logs
         WHERE resource_type = 'user' AND resource_id = $1 ORDER BY created_at, id",
    )
    .bind(user)
    .fetch_all(&mut *tx)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_person_is_made_read_and_found() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut directory = directory(&app, &mut root).await;
    let answer = directory.post(USERS, ada()).await;
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(answer.headers["content-type"], "application/scim+json");
    let made = answer.expect(201);
    assert_eq!(location, format!("https://lyceum.example{USERS}/{}", id(&made)));
    assert_eq!(made["meta"]["location"], location);
    for name in ["userName", "externalId", "active", "displayName", "emails", "title", ENTERPRISE] {
        assert_eq!(made[name], ada()[name], "{name}");
    }
    assert_eq!(made["name"], json!({ "givenName": "Ada", "familyName": "Lovelace" }));
    let path = format!("{USERS}/{}", id(&made));
    assert_eq!(directory.get(&path).await.expect(200), made);
    let some = directory.get(&format!("{path}?attributes=userName,name.givenName")).await;
    let some = some.expect(200);
    let names: Vec<_> = some.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["id", "name", "schemas", "userName"]);

    // Here they are a person like any other, without a password.
    let user = root.get(&format!("/api/v1/users/{}", id(&made))).await.expect(200);
    let shown = ["username", "email", "department", "position", "status", "email_verified"];
    let shown = shown.map(|name| user[name].clone());
    let expected: [Value; 6] = [
        "Ada".into(),
        "ada@example.org".into(),
        "Engines".into(),
        "Countess".into(),
        "active".into(),
        true.into(),
    ];
    assert_eq!(shown, expected);
    assert_eq!(user["roles"], json!(["user"]));
    app.visitor().sign_in("ada@example.org").await.refused(401, "invalid_credentials");

    // Neither name nor address twice; the name as the directory knows it.
    refused(directory.post(USERS, ada()).await, 409, Some("uniqueness"));
    let mut other = ada();
    other["userName"] = "ada@example.net".into();
    refused(directory.post(USERS, other.clone()).await, 409, Some("uniqueness"));
    other["emails"][0]["value"] = "ada@example.net".into();
    let other = directory.post(USERS, other).await.expect(201);
    let user = root.get(&format!("/api/v1/users/{}", id(&other))).await.expect(200);
    assert_eq!(user["username"], "ada-2");
    let taken = json!({ "userName": "root", "emails": [{ "value": "r@b" }] });
    refused(directory.post(USERS, taken).await, 409, Some("uniqueness"));
    for (field, value) in [
        ("userName", json!("")),
        ("emails", json!([{ "value": "nonsense" }])),
        ("active", json!("maybe")),
        ("displayName", json!("x".repeat(101))),
        ("externalId", json!("x".repeat(256))),
    ] {
        let mut bad = ada();
        bad[field] = value;
        refused(directory.post(USERS, bad).await, 400, Some("invalidValue"));
    }
    let nul = json!({ "userName": "a\0b" });
    refused(directory.post(USERS, nul).await, 400, Some("invalidSyntax"));
    refused(directory.post(USERS, json!("x")).await, 400, Some("invalidSyntax"));
    for missing in [Uuid::from_u128(7).to_string(), "nonsense".to_owned()] {
        refused(directory.get(&format!("{USERS}/{missing}")).await, 404, None);
    }
}

#[tokio::test]
async fn people_are_changed_as_entra_and_okta_write_it() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut directory = directory(&app, &mut root).await;
    let made = directory.post(USERS, ada()).await.expect(201);
    let path = format!("{USERS}/{}", id(&made));
    let changed = directory
        .patch(
            &path,
            patch(json!([
                { "op": "Replace", "path": "emails[type eq \"work\"].value",
                  "value": "lovelace@example.org" },
                { "op": "Add", "path": format!("{ENTERPRISE}:department"), "value": "Looms" },
                { "op": "Replace", "path": "userName", "value": "lovelace@example.org" },
                { "op": "remove", "path": "title" },
                { "op": "Add", "path": "phoneNumbers[type eq \"work\"].value", "value": "1" },
                { "op": "replace", "value": { "name": { "familyName": "King" }, "active": true } },
            ])),
        )
        .await
        .expect(200);
    assert_eq!(changed["emails"][0]["value"], "lovelace@example.org");
    assert_eq!(changed["userName"], "lovelace@example.org");
    assert_eq!(changed[ENTERPRISE]["department"], "Looms");
    assert_eq!(changed[ENTERPRISE]["organization"], "Analytical");
    assert_eq!(changed["name"], json!({ "givenName": "Ada", "familyName": "King" }));
    assert!(changed.get("title").is_none());
    let user = root.get(&format!("/api/v1/users/{}", id(&made))).await.expect(200);
    assert_eq!(user["username"], "Ada", "an address is no username");

    // Okta replaces the whole.
    let whole = json!({ "userName": "countess", "externalId": "00u1", "active": true,
                        "name": { "givenName": "Augusta" } });
    let replaced = directory.put(&path, whole).await.expect(200);
    assert_eq!(replaced["name"], json!({ "givenName": "Augusta" }));
    assert_eq!(replaced["emails"][0]["value"], "lovelace@example.org");
    assert!(replaced.get("displayName").is_none());
    assert_eq!(replaced[ENTERPRISE], json!({}));
    let user = root.get(&format!("/api/v1/users/{}", id(&made))).await.expect(200);
    assert_eq!(user["username"], "countess");

    for (operations, scim_type) in [
        (json!([{ "op": "replace", "path": "userName", "value": "root" }]), "uniqueness"),
        (json!([{ "op": "replace", "path": "active", "value": "x" }]), "invalidValue"),
        (json!([{ "op": "remove", "path": "emails" }]), "invalidValue"),
        (json!([{ "op": "remove", "path": "emails[" }]), "invalidPath"),
        (json!([{ "op": "remove" }]), "noTarget"),
        (json!([{ "op": "twist", "path": "title" }]), "invalidSyntax"),
    ] {
        let status = if scim_type == "uniqueness" { 409 } else { 400 };
        refused(directory.patch(&path, patch(operations)).await, status, Some(scim_type));
    }
    assert_eq!(directory.get(&path).await.expect(200)["userName"], "countess");
}

/// Signs somebody in who was provisioned: they have set a password by recovery.
async fn signed_in(app: &App, root: &mut Client, user: Uuid, login: &str) -> Client {
    let path = format!("/api/v1/users/{user}/password-reset");
    let link = root.post(&path, json!({})).await.expect(201);
    let token = crate::app::token_of(link["link"].as_str().unwrap());
    let body = json!({ "token": token, "password": crate::app::PASSWORD });
    let mut client = app.visitor();
    client.post("/api/v1/auth/password-reset/confirm", body).await.expect(204);
    client.sign_in(login).await.expect(200);
    client
}

#[tokio::test]
async fn whoever_the_directory_shuts_out_is_out_at_once_with_every_credential() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let token = root.post(crate::scim_token::TOKENS, json!({ "name": "Okta" })).await.expect(201);
    let mut directory = crate::scim_token::with(&app, &token["token"]);
    let ada = id(&directory.post(USERS, ada()).await.expect(201));
    let path = format!("{USERS}/{ada}");
    let mut client = signed_in(&app, &mut root, ada, "ada@example.org").await;
    let key = client.post("/api/v1/api-keys", json!({ "name": "k" })).await.expect(201);
    let key_path = format!("/api/v1/api-keys/{}", id(&key));
    let key = json!({ "name": "all", "permissions": ["profile:*"] });
    let key = client.post("/api/v1/api-keys", key).await.expect(201);
    let mut program = crate::scim_token::with(&app, &key["key"]);
    program.get("/api/v1/me").await.expect(200);
    client.delete(&key_path).await.expect(204);

    // As Entra ID writes it.
    let off = patch(json!([{ "op": "Replace", "path": "active", "value": "False" }]));
    let shut = directory.patch(&path, off.clone()).await.expect(200);
    assert_eq!(shut["active"], false);
    client.get("/api/v1/me").await.refused(401, "unauthenticated");
    program.get("/api/v1/me").await.refused(401, "unauthenticated");
    app.visitor().sign_in("ada@example.org").await.refused(403, "account_not_active");

    // As Okta lets them in again: the key works again, the session has ended.
    let on = patch(json!([{ "op": "replace", "value": { "active": true } }]));
    assert_eq!(directory.patch(&path, on.clone()).await.expect(200)["active"], true);
    program.get("/api/v1/me").await.expect(200);
    client.get("/api/v1/me").await.refused(401, "unauthenticated");

    // Whom an administrator suspended is not let in by the directory.
    let suspend = json!({ "status": "suspended" });
    root.patch(&format!("/api/v1/users/{ada}"), suspend).await.expect(200);
    for operation in [&on, &off, &on] {
        let answer = directory.patch(&path, operation.clone()).await.expect(200);
        assert_eq!(answer["active"], false);
    }
    let user = root.get(&format!("/api/v1/users/{ada}")).await.expect(200);
    assert_eq!(user["status"], "suspended");

    directory.delete(&path).await.expect(204);
    refused(directory.get(&path).await, 404, None);
    refused(directory.delete(&path).await, 404, None);
    root.get(&format!("/api/v1/users/{ada}")).await.refused(404, "not_found");
    // The deletion is the soft one, and name and address are free again.
    root.post(&format!("/api/v1/users/{ada}/restore"), json!({})).await.expect(200);
    directory.delete(&path).await.expect(204);
    let again = directory.post(USERS, self::ada()).await.expect(201);
    assert_ne!(id(&again), ada);

    // Each entry of what the directory did names its token.
    let by_directory =
        audit(&app, ada).await.into_iter().filter(|entry| entry.0 == Some(id(&token)));
    let actions: Vec<_> = by_directory.map(|(_, action)| action).collect();
    assert_eq!(actions, ["create", "update", "update", "update", "update", "update"]);
    let logs = root.get(&format!("/api/v1/users/{ada}")).await;
    logs.refused(404, "not_found");
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let root_id = id(&root.get("/api/v1/me").await.expect(200));
    let mut directory = directory(&app, &mut root).await;
    let path = format!("{USERS}/{root_id}");
    let off = patch(json!([{ "op": "replace", "path": "active", "value": false }]));
    let whole = json!({ "userName": "root", "active": false });
    for answer in [
        directory.patch(&path, off.clone()).await,
        directory.put(&path, whole).await,
        directory.delete(&path).await,
    ] {
        let body = refused(answer, 409, None);
        assert!(body["detail"].as_str().unwrap().contains("administrator"), "{body}");
    }
    root.get("/api/v1/me").await.expect(200);
    // Where another one remains, the directory decides.
    app.user(&mut root, "ada").await;
    let ada = root.get("/api/v1/users?q=ada").await.expect(200)["items"][0].clone();
    let admin = json!({ "roles": ["admin"] });
    root.patch(&format!("/api/v1/users/{}", id(&ada)), admin).await.expect(200);
    directory.patch(&path, off).await.expect(200);
    root.get("/api/v1/me").await.refused(401, "unauthenticated");
}

#[tokio::test]
async fn a_person_who_was_here_before_is_taken_over() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut bob = app.user(&mut root, "bob").await;
    let mut directory = directory(&app, &mut root).await;
    let filter = "?filter=emails%5Btype%20eq%20%22work%22%5D.value%20eq%20%22BOB@example.org%22";
    let found = directory.get(&format!("{USERS}{filter}")).await.expect(200);
    assert_eq!((&found["totalResults"], &found["itemsPerPage"]), (&json!(1), &json!(1)));
    let found = &found["Resources"][0];
    assert_eq!((&found["userName"], found.get("externalId")), (&json!("bob"), None));
    let change = patch(json!([
        { "op": "add", "path": "externalId", "value": "00u2" },
        { "op": "replace", "path": "userName", "value": "bob@example.org" },
    ]));
    let path = format!("{USERS}/{}", id(found));
    let changed = directory.patch(&path, change).await.expect(200);
    assert_eq!((&changed["externalId"], &changed["active"]), (&json!("00u2"), &json!(true)));
    // Their password and their session are theirs still.
    bob.get("/api/v1/me").await.expect(200);
    app.visitor().sign_in("bob").await.expect(200);
}

#[tokio::test]
async fn the_platform_describes_itself() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut directory = directory(&app, &mut root).await;
    let config = directory.get("/scim/v2/ServiceProviderConfig").await.expect(200);
    assert_eq!(config["patch"]["supported"], true);
    assert_eq!(config["filter"], json!({ "supported": true, "maxResults": 200 }));
    assert_eq!(config["authenticationSchemes"][0]["type"], "oauthbearertoken");
    for (list, ids) in [
        ("ResourceTypes", vec!["User", "Group"]),
        (
            "Schemas",
            vec![
                "urn:ietf:params:scim:schemas:core:2.0:User",
                ENTERPRISE,
                "urn:ietf:params:scim:schemas:core:2.0:Group",
            ],
        ),
    ] {
        let found = directory.get(&format!("/scim/v2/{list}")).await.expect(200);
        let found: Vec<_> = found["Resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|resource| resource["id"].as_str().unwrap())
            .collect();
        assert_eq!(found, ids);
        for one in ids {
            let found = directory.get(&format!("/scim/v2/{list}/{one}")).await.expect(200);
            assert_eq!(found["id"], one);
        }
        refused(directory.get(&format!("/scim/v2/{list}/Nonsense")).await, 404, None);
    }
    // Every attribute of a person is described.
    let made = directory.post(USERS, ada()).await.expect(201);
    let schema = "/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:User";
    let schema = directory.get(schema).await.expect(200);
    let described: Vec<_> =
        schema["attributes"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    for name in made.as_object().unwrap().keys() {
        let common = ["id", "meta", "schemas"].contains(&name.as_str()) || name == ENTERPRISE;
        assert!(common || described.contains(&&json!(name)), "{name}");
    }
    for path in ["ServiceProviderConfig", "ResourceTypes", "Schemas", "Schemas/x"] {
        refused(app.visitor().get(&format!("/scim/v2/{path}")).await, 401, None);
    }
}
