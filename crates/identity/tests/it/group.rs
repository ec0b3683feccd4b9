use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, Client, id};

async fn group(client: &mut Client, name: &str) -> Uuid {
    id(&client.post("/api/v1/groups", json!({ "name": name })).await.expect(201))
}

fn names(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn groups_are_made_changed_and_deleted() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let path = format!("/api/v1/groups/{}", group(&mut root, " Research ").await);
    let found = root.get(&path).await.expect(200);
    assert_eq!((&found["name"], &found["member_count"]), (&json!("Research"), &json!(0)));
    root.post("/api/v1/groups", json!({ "name": "RESEARCH" })).await.refused(409, "name_taken");
    for name in ["", " ", &"x".repeat(101), "two\nlines"] {
        root.post("/api/v1/groups", json!({ "name": name })).await.refused_field("name");
    }
    let long = json!({ "name": "a", "description": "x".repeat(1001) });
    root.post("/api/v1/groups", long).await.refused_field("description");
    let changed = root.patch(&path, json!({ "description": "Reads." })).await.expect(200);
    assert_eq!((&changed["name"], &changed["description"]), (&json!("Research"), &json!("Reads.")));
    root.delete(&path).await.expect(204);
    for answer in [
        root.get(&path).await,
        root.patch(&path, json!({ "name": "x" })).await,
        root.delete(&path).await,
        root.get(&format!("{path}/members")).await,
    ] {
        answer.refused(404, "not_found");
    }
    // The name is free again.
    group(&mut root, "research").await;
}

#[tokio::test]
async fn the_lists_go_page_by_page() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    for name in ["one", "two", "three"] {
        group(&mut root, name).await;
    }
    let page = root.get("/api/v1/groups?limit=2").await.expect(200);
    assert_eq!(names(&page), ["three", "two"]);
    let next = format!("/api/v1/groups?limit=2&cursor={}", page["next_cursor"].as_str().unwrap());
    let page = root.get(&next).await.expect(200);
    assert_eq!(names(&page), ["one"]);
    assert!(page.get("next_cursor").is_none());
    root.get("/api/v1/groups?cursor=nonsense").await.refused(400, "invalid_cursor");
}

#[tokio::test]
async fn members_come_and_go_and_see_their_own_groups() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let (mut ada, mut bob) = (app.user(&mut root, "ada").await, app.user(&mut root, "bob").await);
    let ada_id = id(&ada.get("/api/v1/me").await.expect(200));
    let bob_id = id(&bob.get("/api/v1/me").await.expect(200));
    let readers = group(&mut root, "Readers").await;
    group(&mut root, "Others").await;
    let members = format!("/api/v1/groups/{readers}/members");
    for person in [ada_id, bob_id, bob_id] {
        root.put(&format!("{members}/{person}"), Value::Null).await.expect(204);
    }
    let first = root.get(&format!("{members}?limit=1")).await.expect(200);
    let next = first["next_cursor"].as_str().unwrap();
    let second = root.get(&format!("{members}?limit=1&cursor={next}")).await.expect(200);
    let mut seen = [&first["items"][0]["username"], &second["items"][0]["username"]]
        .map(|name| name.as_str().unwrap());
    seen.sort();
    assert_eq!(seen, ["ada", "bob"]);
    assert!(second.get("next_cursor").is_none());
    assert_eq!(names(&ada.get("/api/v1/me/groups").await.expect(200)), ["Readers"]);
    assert_eq!(names(&root.get("/api/v1/me/groups").await.expect(200)), Vec::<&str>::new());

    let nobody = lyceum_core::new_id();
    root.put(&format!("{members}/{nobody}"), Value::Null).await.refused(404, "not_found");
    root.delete(&format!("{members}/{nobody}")).await.refused(404, "not_found");
    let missing = format!("/api/v1/groups/{nobody}/members/{ada_id}");
    root.put(&missing, Value::Null).await.refused(404, "not_found");
    root.delete(&missing).await.refused(404, "not_found");
    root.delete(&format!("{members}/{bob_id}")).await.expect(204);
    assert_eq!(bob.get("/api/v1/me/groups").await.expect(200)["items"], json!([]));
    root.delete(&format!("/api/v1/groups/{readers}")).await.expect(204);
    assert_eq!(ada.get("/api/v1/me/groups").await.expect(200)["items"], json!([]));

    // Others' groups and their members are nobody's business, nor are one's own to change.
    let path = format!("/api/v1/groups/{readers}");
    for answer in [
        ada.get("/api/v1/groups").await,
        ada.get(&path).await,
        ada.get(&members).await,
        ada.post("/api/v1/groups", json!({ "name": "mine" })).await,
        ada.patch(&path, json!({ "name": "mine" })).await,
        ada.delete(&path).await,
        ada.put(&format!("{members}/{ada_id}"), Value::Null).await,
        ada.delete(&format!("{members}/{ada_id}")).await,
    ] {
        answer.refused(403, "forbidden");
    }
    let mut tx = app.test.db.begin_as(ada_id).await.unwrap();
    let join = "INSERT INTO identity.group_members (group_id, user_id)
                SELECT id, app.current_user_id() FROM identity.groups RETURNING user_id";
    let seen: Vec<Uuid> = sqlx::query_scalar(join).fetch_all(&mut *tx).await.unwrap();
    assert!(seen.is_empty(), "a group of others was seen");
}

#[tokio::test]
async fn whoever_has_the_right_manages_groups_without_being_an_administrator() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut eve = app.user(&mut root, "eve").await;
    let eve_id = id(&eve.get("/api/v1/me").await.expect(200));
    let body = json!({ "name": "librarian", "permissions": ["group:*"] });
    let role = id(&root.post("/api/v1/roles", body).await.expect(201));
    root.put(&format!("/api/v1/users/{eve_id}/roles/{role}"), Value::Null).await.expect(204);
    let readers = group(&mut eve, "Readers").await;
    let member = format!("/api/v1/groups/{readers}/members/{eve_id}");
    eve.put(&member, Value::Null).await.expect(204);
    let listed = eve.get("/api/v1/groups").await.expect(200);
    assert_eq!(listed["items"][0]["member_count"], 1);
    eve.delete(&format!("/api/v1/groups/{readers}")).await.expect(204);
}
