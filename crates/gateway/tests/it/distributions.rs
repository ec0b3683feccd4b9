//! Who may use the organisation's providers, and whose personal ones are.

use axum::http::StatusCode;
use lyceum_core::new_id;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{KEY, World};

/// A provider of the organisation, for those it is given to, with one model; its id.
async fn selected(world: &World, name: &str) -> String {
    let body = json!({"provider": "custom", "name": name, "scope": "organization",
        "audience": "selected", "base_url": world.upstream.base_url, "api_key": KEY});
    let (status, view) = world.send("root", "POST", "/api/v1/providers", body).await;
    assert_eq!(status, StatusCode::CREATED, "{view}");
    assert_eq!(view["audience"], "selected");
    let provider = view["id"].as_str().unwrap().to_owned();
    world.model("root", &provider, "ok", "chat").await;
    provider
}

/// Whether the person can call the provider's model.
async fn calls(world: &World, who: &str) -> bool {
    let body = json!({"model": "ok", "messages": [{"role": "user", "content": "hi"}]});
    let (status, answer) = world.send(who, "POST", "/v1/chat/completions", body).await;
    assert!(status == StatusCode::OK || status == StatusCode::NOT_FOUND, "{answer}");
    status == StatusCode::OK
}

/// By which ways the person has the provider, as they are told.
async fn ways(world: &World, who: &str) -> Vec<String> {
    let (status, view) = world.send(who, "GET", "/api/v1/providers/available", Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{view}");
    let items = view["items"].as_array().unwrap();
    let reasons = items.iter().flat_map(|item| item["reasons"].as_array().unwrap());
    reasons.map(|reason| reason["via"].as_str().unwrap().to_owned()).collect()
}

async fn group(world: &World, members: &[Uuid]) -> Uuid {
    let id = new_id();
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    sqlx::query("INSERT INTO identity.groups (id, name) VALUES ($1, $1::text)")
        .bind(id)
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO identity.group_members (group_id, user_id) SELECT $1, unnest($2::uuid[])",
    )
    .bind(id)
    .bind(members)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    id
}

/// Changes rows past every right, as another node would.
async fn elsewhere(world: &World, sql: &'static str, id: &str) {
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    let id: Uuid = id.parse().unwrap();
    assert_eq!(sqlx::query(sql).bind(id).execute(&mut *tx).await.unwrap().rows_affected(), 1);
    tx.commit().await.unwrap();
    world.gateway.forget_access();
}

#[tokio::test]
async fn a_provider_is_given_to_people_and_groups_and_taken_back() {
    let world = World::new().await;
    let (ada, eve) = (world.user("ada").await, world.user("eve").await);
    let root = world.admin("root").await;
    let group = group(&world, &[eve]).await;
    let provider = selected(&world, "Company").await;
    let path = format!("/api/v1/providers/{provider}/distributions");
    assert!(!calls(&world, "ada").await && !calls(&world, "eve").await);
    let body = json!({"user_ids": [ada], "group_ids": [group]});
    let (status, done) = world.send("root", "POST", &path, body.clone()).await;
    assert_eq!((status, &done["added"]), (StatusCode::OK, &json!(2)));
    let (_, again) = world.send("root", "POST", &path, body).await;
    assert_eq!(again["added"], 0);
    assert!(calls(&world, "ada").await && calls(&world, "eve").await);
    assert_eq!(
        (ways(&world, "ada").await, ways(&world, "eve").await),
        (vec!["person".to_owned()], vec!["group".to_owned()])
    );

    let (_, first) = world.send("root", "GET", &format!("{path}?limit=1"), Value::Null).await;
    let next = format!("{path}?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    let (_, second) = world.send("root", "GET", &next, Value::Null).await;
    assert!(second.get("next_cursor").is_none());
    let rows = [&first["items"][0], &second["items"][0]];
    let of = |member: &str| *rows.iter().find(|row| row.get(member).is_some()).unwrap();
    let (person, team) = (of("username"), of("group_name"));
    assert_eq!((&person["username"], &person["user_id"]), (&json!("ada"), &json!(ada)));
    assert_eq!(team["group_id"], json!(group));
    for row in rows {
        assert_eq!((&row["granted_by"], &row["granted_by_name"]), (&json!(root), &json!("root")));
        assert!(row["granted_at"].is_string() && row["is_active"] == true, "{row}");
    }

    // Deactivated, it stays in the list; withdrawn, it goes.
    let row = format!("{path}/{}", person["id"].as_str().unwrap());
    let off = json!({"is_active": false});
    assert_eq!(world.send("root", "PATCH", &row, off.clone()).await.0, StatusCode::NO_CONTENT);
    assert!(!calls(&world, "ada").await && ways(&world, "ada").await.is_empty());
    let body = json!({"user_ids": [ada]});
    assert_eq!(world.send("root", "POST", &path, body).await.1["added"], 1);
    assert!(calls(&world, "ada").await);
    let row = format!("{path}/{}", team["id"].as_str().unwrap());
    assert_eq!(world.send("root", "DELETE", &row, Value::Null).await.0, StatusCode::NO_CONTENT);
    assert!(!calls(&world, "eve").await);
    for (method, body) in [("DELETE", Value::Null), ("PATCH", off)] {
        assert_eq!(world.send("root", method, &row, body).await.0, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn what_is_switched_off_is_for_nobody() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    world.admin("root").await;
    let group = group(&world, &[ada]).await.to_string();
    let provider = selected(&world, "Company").await;
    let path = format!("/api/v1/providers/{provider}/distributions");
    let body = json!({"group_ids": [group]});
    assert_eq!(world.send("root", "POST", &path, body).await.0, StatusCode::OK);
    let allowed = async || {
        let mut tx = world.test.db.begin_as(ada).await.unwrap();
        let decision = "SELECT gateway.can_user_access_provider($1, $2)";
        let provider: Uuid = provider.parse().unwrap();
        sqlx::query_scalar::<_, bool>(decision)
            .bind(ada)
            .bind(provider)
            .fetch_one(&mut *tx)
            .await
            .unwrap()
    };
    assert!(calls(&world, "ada").await && allowed().await);
    let user = ada.to_string();
    for (off, on, id) in [
        (
            "UPDATE gateway.provider_configs SET is_active = false WHERE id = $1",
            "UPDATE gateway.provider_configs SET is_active = true WHERE id = $1",
            &provider,
        ),
        (
            "UPDATE gateway.ai_providers SET is_active = false WHERE name = 'custom' AND $1 <> id",
            "UPDATE gateway.ai_providers SET is_active = true WHERE name = 'custom' AND $1 <> id",
            &provider,
        ),
        (
            "UPDATE identity.groups SET deleted_at = now() WHERE id = $1",
            "UPDATE identity.groups SET deleted_at = NULL WHERE id = $1",
            &group,
        ),
        (
            "UPDATE identity.users SET status = 'suspended' WHERE id = $1",
            "UPDATE identity.users SET status = 'active' WHERE id = $1",
            &user,
        ),
    ] {
        elsewhere(&world, off, id).await;
        assert!(!allowed().await && !calls(&world, "ada").await, "{off}");
        elsewhere(&world, on, id).await;
        assert!(allowed().await && calls(&world, "ada").await, "{on}");
    }
    // For everyone, without being given.
    let everyone = json!({"audience": "everyone"});
    world.user("eve").await;
    assert!(!calls(&world, "eve").await);
    let provider = format!("/api/v1/providers/{provider}");
    let (status, view) = world.send("root", "PATCH", &provider, everyone).await;
    assert_eq!((status, &view["audience"]), (StatusCode::OK, &json!("everyone")));
    assert!(calls(&world, "eve").await);
    assert_eq!(ways(&world, "eve").await, ["everyone"]);
    assert_eq!(ways(&world, "ada").await, ["everyone", "group"]);
}

#[tokio::test]
async fn a_personal_provider_is_never_distributed() {
    let world = World::new().await;
    let (ada, root) = (world.user("ada").await, world.admin("root").await);
    let mine = world.provider("root", "mine").await;
    let path = format!("/api/v1/providers/{mine}/distributions");
    let (status, answer) = world.send("root", "POST", &path, json!({"user_ids": [ada]})).await;
    assert_eq!((status, &answer["code"]), (StatusCode::CONFLICT, &json!("personal_provider")));
    let (status, answer) = world
        .send(
            "root",
            "PATCH",
            &format!("/api/v1/providers/{mine}"),
            json!({"audience": "selected"}),
        )
        .await;
    assert_eq!((status.as_u16(), &answer["field"]), (422, &json!("audience")));
    let mine: Uuid = mine.parse().unwrap();
    for (sql, constraint) in [
        (
            "INSERT INTO gateway.provider_distributions
               (id, provider_config_id, user_id, created_at, updated_at)
             VALUES (app.new_id(), $1, $2, now(), now())",
            "provider_distributions_provider",
        ),
        (
            "INSERT INTO gateway.provider_distributions
               (id, provider_config_id, scope, user_id, created_at, updated_at)
             VALUES (app.new_id(), $1, 'personal', $2, now(), now())",
            "provider_distributions_scope_check",
        ),
        (
            "UPDATE gateway.provider_configs SET audience = 'selected' WHERE id = $1 AND $2 <> id",
            "provider_configs_audience",
        ),
    ] {
        // Neither the administrator nor the platform itself.
        for maintenance in [false, true] {
            let mut tx = match maintenance {
                true => world.test.db.begin_maintenance().await.unwrap(),
                false => world.test.db.begin_as(root).await.unwrap(),
            };
            let refused = sqlx::query(sql).bind(mine).bind(ada).execute(&mut *tx).await;
            let refused = refused.unwrap_err();
            assert_eq!(lyceum_store::constraint(&refused), Some(constraint), "{refused}");
        }
    }
    // One that is given cannot become personal either.
    let provider = selected(&world, "Company").await;
    let path = format!("/api/v1/providers/{provider}/distributions");
    assert_eq!(world.send("root", "POST", &path, json!({"user_ids": [ada]})).await.0, 200);
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    let take = "UPDATE gateway.provider_configs
                SET scope = 'personal', owner_id = $2, audience = 'everyone' WHERE id = $1";
    let id: Uuid = provider.parse().unwrap();
    let refused = sqlx::query(take).bind(id).bind(ada).execute(&mut *tx).await.unwrap_err();
    assert_eq!(lyceum_store::constraint(&refused), Some("provider_distributions_provider"));
}

#[tokio::test]
async fn distributing_is_the_administrators_and_all_or_nothing() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    world.admin("root").await;
    let provider = selected(&world, "Company").await;
    let path = format!("/api/v1/providers/{provider}/distributions");
    let row = format!("{path}/{}", new_id());
    let body = json!({"user_ids": [ada]});
    for (method, path, body) in [
        ("GET", &path, Value::Null),
        ("POST", &path, body.clone()),
        ("PATCH", &row, json!({"is_active": true})),
        ("DELETE", &row, Value::Null),
    ] {
        let (status, answer) = world.send("ada", method, path, body).await;
        assert_eq!((status.as_u16(), &answer["code"]), (403, &json!("forbidden")), "{method}");
    }
    let foreign = world.provider("ada", "mine").await;
    for (path, body, code) in [
        (&path, json!({"user_ids": [ada, new_id()]}), 404),
        (&path, json!({"user_ids": [ada], "group_ids": [new_id()]}), 404),
        (&path, json!({}), 422),
        (&path, json!({"user_ids": vec![ada; 501]}), 422),
        (&format!("/api/v1/providers/{foreign}/distributions"), body.clone(), 404),
        (&format!("/api/v1/providers/{}/distributions", new_id()), body, 404),
    ] {
        let (status, answer) = world.send("root", "POST", path, body).await;
        assert_eq!(status.as_u16(), code, "{answer}");
    }
    let (_, listed) = world.send("root", "GET", &path, Value::Null).await;
    assert_eq!(listed["items"], json!([]));
}

#[tokio::test]
async fn names_are_unique_in_the_organisation_and_for_each_person() {
    let world = World::new().await;
    world.user("ada").await;
    world.user("eve").await;
    world.admin("root").await;
    selected(&world, "Same").await;
    for who in ["ada", "eve", "root"] {
        world.provider(who, "Same").await;
    }
    for (who, scope) in [("ada", "personal"), ("root", "organization")] {
        let body = json!({"provider": "custom", "name": "SAME", "scope": scope,
            "base_url": world.upstream.base_url, "api_key": KEY});
        let (status, answer) = world.send(who, "POST", "/api/v1/providers", body).await;
        assert_eq!((status, &answer["code"]), (StatusCode::CONFLICT, &json!("name_taken")));
    }
}
