//! Sharing knowledge bases: who may do what at which level, and who may share.

use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{World, id};

async fn share(world: &World, who: &str, base: Uuid, grant: Value) -> (StatusCode, Value) {
    world.send(who, "PUT", &format!("/knowledge-bases/{base}/grants"), Some(grant)).await
}

/// The level that the person is told of, if they see the base at all.
async fn level(world: &World, who: &str, base: Uuid) -> Option<String> {
    let (status, view) = world.send(who, "GET", &format!("/knowledge-bases/{base}"), None).await;
    let (_, list) = world.send(who, "GET", "/knowledge-bases", None).await;
    let listed = list["items"].as_array().unwrap().iter().find(|item| id(item) == base);
    assert_eq!(listed.is_some(), status == StatusCode::OK, "{who} {view}");
    let level = listed?["level"].as_str().unwrap().to_owned();
    assert_eq!(view["level"], level);
    assert_eq!(view["editable"], json!(level == "edit" || level == "own"));
    Some(level)
}

/// What each level opens, as the statuses of searching, uploading and changing the base.
async fn tried(world: &World, who: &str, base: Uuid) -> [u16; 3] {
    let path = format!("/knowledge-bases/{base}");
    let question = Some(json!({"query": "bees"}));
    let (search, _) = world.send(who, "POST", &format!("{path}/search"), question).await;
    let (upload, _) = world.upload(who, base, &format!("{who}.txt"), who.as_bytes()).await;
    let change = Some(json!({"description": who}));
    let (change, _) = world.send(who, "PATCH", &path, change).await;
    [search.as_u16(), upload.as_u16(), change.as_u16()]
}

async fn group(world: &World, member: Uuid) -> Uuid {
    let group = lyceum_core::new_id();
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    for sql in [
        "INSERT INTO identity.groups (id, name) SELECT $1, 'Readers' WHERE $2::uuid IS NOT NULL",
        "INSERT INTO identity.group_members (group_id, user_id) VALUES ($1, $2)",
    ] {
        sqlx::query(sql).bind(group).bind(member).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    group
}

#[tokio::test]
async fn each_level_opens_what_it_says_and_no_more() {
    let world = World::new().await;
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    let base = world.base("ann", "Bees").await;
    world.ingest("ann", ann, base, "a.txt", b"Alice keeps bees.").await;
    assert_eq!(level(&world, "bob", base).await, None);
    assert_eq!(tried(&world, "bob", base).await, [404, 404, 404]);
    let mut first = None;
    for (wanted, expected) in
        [("view", [404, 403, 403]), ("use", [200, 403, 403]), ("edit", [200, 202, 403])]
    {
        let (status, grant) =
            share(&world, "ann", base, json!({"user": "bob", "level": wanted})).await;
        assert_eq!(status, StatusCode::OK, "{grant}");
        assert_eq!((&grant["user_id"], &grant["level"]), (&json!(bob), &json!(wanted)));
        assert_eq!(*first.get_or_insert(id(&grant)), id(&grant), "one grant a person");
        assert_eq!(level(&world, "bob", base).await.as_deref(), Some(wanted));
        assert_eq!(tried(&world, "bob", base).await, expected, "{wanted}");
        let (status, _) =
            world.send("bob", "GET", &format!("/knowledge-bases/{base}/documents"), None).await;
        assert_eq!(status, StatusCode::OK);
    }
    let delete = format!("/knowledge-bases/{base}");
    let (status, answer) = world.send("bob", "DELETE", &delete, None).await;
    assert_eq!((status, &answer["code"]), (StatusCode::FORBIDDEN, &json!("read_only")));
    assert_eq!(level(&world, "ann", base).await.as_deref(), Some("own"));
    let grant = format!("/knowledge-bases/{base}/grants/{}", first.unwrap());
    assert_eq!(world.send("ann", "DELETE", &grant, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(level(&world, "bob", base).await, None);
    assert_eq!(world.send("ann", "DELETE", &grant, None).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_group_shares_with_its_members_and_the_highest_level_counts() {
    let world = World::new().await;
    let (ann, _) = (world.user("ann").await, world.user("bob").await);
    let cat = world.user("cat").await;
    let base = world.base("ann", "Bees").await;
    let readers = group(&world, cat).await;
    // One shares with groups that one sees.
    let grant = json!({"group_id": readers, "level": "use"});
    let (status, answer) = share(&world, "ann", base, grant.clone()).await;
    assert_eq!((status, &answer["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    let join = "INSERT INTO identity.group_members (group_id, user_id) VALUES ($1, $2)";
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    sqlx::query(join).bind(readers).bind(ann).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let (status, made) = share(&world, "ann", base, grant).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    assert_eq!((&made["group_name"], &made["granted_by_name"]), (&json!("Readers"), &json!("ann")));
    assert_eq!(level(&world, "cat", base).await.as_deref(), Some("use"));
    assert_eq!(level(&world, "bob", base).await, None);
    assert_eq!(share(&world, "ann", base, json!({"user": "cat", "level": "view"})).await.0, 200);
    assert_eq!(level(&world, "cat", base).await.as_deref(), Some("use"));
    world.write("UPDATE identity.groups SET deleted_at = now()").await;
    assert_eq!(level(&world, "cat", base).await.as_deref(), Some("view"));
    let visible = Some(json!({"visibility": "organization"}));
    let path = format!("/knowledge-bases/{base}");
    assert_eq!(world.send("ann", "PATCH", &path, visible).await.0, StatusCode::OK);
    assert_eq!(level(&world, "bob", base).await.as_deref(), Some("use"));
    world.write("UPDATE identity.users SET status = 'inactive' WHERE username = 'bob'").await;
    assert_eq!(level(&world, "bob", base).await, None);
}

#[tokio::test]
async fn who_may_edit_may_share_and_others_may_not() {
    let world = World::new().await;
    world.user("ann").await;
    let (_, cat) = (world.user("bob").await, world.user("cat").await);
    let base = world.base("ann", "Bees").await;
    let path = format!("/knowledge-bases/{base}/grants");
    let to_cat = json!({"user": cat.to_string(), "level": "use"});
    let attempts = async |who: &str| {
        let row = format!("{path}/{}", lyceum_core::new_id());
        [
            world.send(who, "GET", &path, None).await.0.as_u16(),
            share(&world, who, base, to_cat.clone()).await.0.as_u16(),
            world.send(who, "DELETE", &row, None).await.0.as_u16(),
        ]
    };
    assert_eq!(attempts("bob").await, [404, 404, 404]);
    for (level, expected) in [("use", [403, 403, 403]), ("edit", [200, 200, 404])] {
        share(&world, "ann", base, json!({"user": "bob", "level": level})).await;
        assert_eq!(attempts("bob").await, expected, "{level}");
    }
    let (_, first) = world.send("bob", "GET", &format!("{path}?limit=1"), None).await;
    let next = format!("{path}?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    let (_, second) = world.send("bob", "GET", &next, None).await;
    let names = [&first["items"][0]["username"], &second["items"][0]["username"]];
    assert_eq!(names, [&json!("cat"), &json!("bob")]);
    assert!(second.get("next_cursor").is_none());
    for (grant, status, code) in [
        (json!({"user": "ann", "level": "view"}), 422, "invalid_field"),
        (json!({"user": "bob", "level": "own"}), 422, "invalid_field"),
        (json!({"user": "bob", "level": ""}), 422, "invalid_field"),
        (json!({"level": "use"}), 422, "invalid_field"),
        (json!({"user": "bob", "group_id": cat, "level": "use"}), 422, "invalid_field"),
        (json!({"user": "nobody", "level": "use"}), 404, "not_found"),
        (json!({"user": "a\u{0}b", "level": "use"}), 404, "not_found"),
        (json!({"user": lyceum_core::new_id(), "level": "use"}), 404, "not_found"),
        (json!({"group_id": lyceum_core::new_id(), "level": "use"}), 404, "not_found"),
    ] {
        let (found, answer) = share(&world, "ann", base, grant).await;
        assert_eq!((found.as_u16(), &answer["code"]), (status, &json!(code)), "{answer}");
    }
    // A grant of another base is not reached through one's own.
    let other = world.base("bob", "Wasps").await;
    let row = format!("/knowledge-bases/{other}/grants/{}", id(&first["items"][0]));
    assert_eq!(world.send("bob", "DELETE", &row, None).await.0, StatusCode::NOT_FOUND);
}
