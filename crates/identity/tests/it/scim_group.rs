//! Groups by SCIM, as Entra ID and Okta send them.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, Client, id};
use crate::scim_token::{directory, refused};

const GROUPS: &str = "/scim/v2/Groups";

async fn person(directory: &mut Client, name: &str) -> Uuid {
    let person = json!({ "userName": name, "displayName": name.to_uppercase(),
                         "emails": [{ "value": format!("{name}@example.org") }] });
    id(&directory.post("/scim/v2/Users", person).await.expect(201))
}

fn patch(operations: Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations })
}

fn members(group: &Value) -> Vec<&str> {
    let mut members: Vec<_> = group["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member["display"].as_str().unwrap())
        .collect();
    members.sort();
    members
}

#[tokio::test]
async fn groups_and_their_members_follow_the_directory() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut directory = directory(&app, &mut root).await;
    let ada = person(&mut directory, "ada").await;
    let bob = person(&mut directory, "bob").await;
    let eve = person(&mut directory, "eve").await;
    let group = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                        "displayName": "Readers", "externalId": "g-1",
                        "members": [{ "value": ada, "display": "whatever" }] });
    let made = directory.post(GROUPS, group.clone()).await.expect(201);
    let path = format!("{GROUPS}/{}", id(&made));
    assert_eq!(members(&made), ["ADA"]);
    assert_eq!(made["members"][0]["$ref"], format!("https://lyceum.example/scim/v2/Users/{ada}"));
    refused(directory.post(GROUPS, group).await, 409, Some("uniqueness"));
    // It is a group like any other.
    let here = root.get(&format!("/api/v1/users/{ada}/groups")).await.expect(200);
    assert_eq!(
        (&here["items"][0]["name"], &here["items"][0]["member_count"]),
        (&json!("Readers"), &json!(1))
    );
    let user = directory.get(&format!("/scim/v2/Users/{ada}")).await.expect(200);
    assert_eq!(user["groups"][0]["display"], "Readers");

    for (operations, expected) in [
        // Entra ID adds, also one by one, and removes by a list or by a filter.
        (
            json!([{ "op": "Add", "path": "members", "value": [{ "value": bob }, { "value": eve }] }]),
            vec!["ADA", "BOB", "EVE"],
        ),
        (
            json!([{ "op": "Add", "path": "members", "value": { "value": bob } }]),
            vec!["ADA", "BOB", "EVE"],
        ),
        (
            json!([{ "op": "Remove", "path": "members", "value": [{ "value": eve }] }]),
            vec!["ADA", "BOB"],
        ),
        (json!([{ "op": "remove", "path": format!("members[value eq \"{ada}\"]") }]), vec!["BOB"]),
        // Okta replaces the whole list, or names the members without a path.
        (
            json!([{ "op": "replace", "path": "members", "value": [{ "value": ada }, { "value": eve }] }]),
            vec!["ADA", "EVE"],
        ),
        (
            json!([{ "op": "add", "value": { "members": [{ "value": bob }] } }]),
            vec!["ADA", "BOB", "EVE"],
        ),
        (
            json!([{ "op": "remove",
                  "path": format!("members[value eq \"{ada}\" or value eq \"{bob}\"]") }]),
            vec!["EVE"],
        ),
        // Whom nobody knows was never in it.
        (json!([{ "op": "remove", "path": "members[value eq \"nobody\"]" }]), vec!["EVE"]),
        (json!([{ "op": "remove", "path": "members" }]), vec![]),
        (
            json!([{ "op": "add", "path": "members", "value": [{ "value": ada }] },
                { "op": "replace", "path": "displayName", "value": "Writers" },
                { "op": "replace", "path": "externalId", "value": "g-2" },
                { "op": "replace", "path": "description", "value": "not kept" }]),
            vec!["ADA"],
        ),
        // As Okta renames.
        (
            json!([{ "op": "replace", "value": { "id": "x", "displayName": "Scribes" } }]),
            vec!["ADA"],
        ),
    ] {
        let answer = directory.patch(&path, patch(operations.clone())).await;
        assert_eq!(answer.status, 204, "{operations}: {}", answer.body);
        let group = directory.get(&path).await.expect(200);
        assert_eq!(members(&group), expected, "{operations}");
    }
    let group = directory.get(&path).await.expect(200);
    assert_eq!((&group["displayName"], &group["externalId"]), (&json!("Scribes"), &json!("g-2")));
    let without = directory.get(&format!("{path}?excludedAttributes=members")).await.expect(200);
    assert!(without.get("members").is_none() && without["displayName"] == "Scribes", "{without}");

    let nobody = Uuid::from_u128(7);
    for (operations, scim_type) in [
        (
            json!([{ "op": "add", "path": "members", "value": [{ "value": nobody }] }]),
            "invalidValue",
        ),
        (json!([{ "op": "add", "path": "members", "value": [{ "value": "x" }] }]), "invalidValue"),
        (json!([{ "op": "remove", "path": "displayName" }]), "invalidValue"),
        (json!([{ "op": "replace", "path": "displayName", "value": "" }]), "invalidValue"),
        (json!([{ "op": "remove", "path": "members[display eq \"ADA\"]" }]), "invalidPath"),
    ] {
        let answer = directory.patch(&path, patch(operations)).await;
        refused(answer, 400, Some(scim_type));
    }
    assert_eq!(members(&directory.get(&path).await.expect(200)), ["ADA"], "all or nothing");

    let whole = json!({ "displayName": "Scribes", "members": [{ "value": eve }] });
    let replaced = directory.put(&path, whole).await.expect(200);
    assert_eq!(members(&replaced), ["EVE"]);
    assert!(replaced.get("externalId").is_none());
    // Whoever is gone is in no group.
    directory.delete(&format!("/scim/v2/Users/{eve}")).await.expect(204);
    assert_eq!(directory.get(&path).await.expect(200)["members"], json!([]));
    directory.delete(&path).await.expect(204);
    refused(directory.get(&path).await, 404, None);
    refused(directory.delete(&path).await, 404, None);
    refused(directory.patch(&path, patch(json!([]))).await, 404, None);
    root.get(&format!("/api/v1/groups/{}", id(&made))).await.refused(404, "not_found");
}

#[tokio::test]
async fn two_changes_of_members_at_the_same_moment_both_count() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut directory = directory(&app, &mut root).await;
    let made = directory.post(GROUPS, json!({ "displayName": "All" })).await.expect(201);
    let path = format!("{GROUPS}/{}", id(&made));
    let mut people = Vec::new();
    for number in 0..8 {
        people.push(person(&mut directory, &format!("person{number}")).await);
    }
    let joining = people.iter().map(|person| {
        let (mut client, path) = (directory.clone(), path.clone());
        let operation = json!([{ "op": "add", "path": "members", "value": [{ "value": person }] }]);
        async move { client.patch(&path, patch(operation)).await.expect(204) }
    });
    futures::future::join_all(joining).await;
    assert_eq!(members(&directory.get(&path).await.expect(200)).len(), 8);
}

#[tokio::test]
async fn the_groups_of_a_person_are_for_those_who_may_read_groups() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let me = id(&ada.get("/api/v1/me").await.expect(200));
    for name in ["one", "two", "three"] {
        let group = id(&root.post("/api/v1/groups", json!({ "name": name })).await.expect(201));
        if name != "two" {
            root.put(&format!("/api/v1/groups/{group}/members/{me}"), Value::Null)
                .await
                .expect(204);
        }
    }
    let path = format!("/api/v1/users/{me}/groups");
    let first = root.get(&format!("{path}?limit=1")).await.expect(200);
    assert_eq!(first["items"][0]["name"], "three");
    let next = first["next_cursor"].as_str().unwrap();
    let rest = root.get(&format!("{path}?cursor={next}")).await.expect(200);
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert_eq!(rest["items"][0]["name"], "one");
    ada.get(&path).await.refused(403, "forbidden");
    let nobody = format!("/api/v1/users/{}/groups", Uuid::from_u128(7));
    root.get(&nobody).await.refused(404, "not_found");
}
