use lyceum_identity::{Subject, explain_access};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, Client, id};

async fn explain(client: &mut Client, query: &str) -> Value {
    client.get(&format!("/api/v1/access/explain?{query}")).await.expect(200)
}

fn sentences(step: &Value) -> Vec<&str> {
    let reasons = step["reasons"].as_array().unwrap().iter();
    reasons.map(|reason| reason["detail"].as_str().unwrap()).collect()
}

/// A knowledge base of `owner`.
async fn base(app: &App, owner: Uuid) -> Uuid {
    let base = lyceum_core::new_id();
    let mut tx = app.test.db.begin_as(owner).await.unwrap();
    sqlx::query(
        "INSERT INTO knowledge.knowledge_bases
           (id, owner_id, name, collection_name, embedding_model, vector_dimension)
         VALUES ($1, $2, 'Handbook', $3, 'm', 8)",
    )
    .bind(base)
    .bind(owner)
    .bind(format!("kb_{}", base.simple()))
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    base
}

async fn write(app: &App, sql: &'static str, first: Uuid, second: Uuid) {
    let mut tx = app.test.db.begin_maintenance().await.unwrap();
    sqlx::query(sql).bind(first).bind(second).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_right_is_explained_by_the_roles_that_give_it() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let ada_id = id(&ada.get("/api/v1/me").await.expect(200));
    let told = explain(&mut root, "user=ada&action=document:write").await;
    assert_eq!((&told["allowed"], &told["user_id"]), (&json!(true), &json!(ada_id)));
    assert_eq!(sentences(&told["steps"][1]), ["The role user gives document:*."]);
    let held = json!({ "code": "right_held", "right": "document:write" });
    assert_eq!(told["steps"][1]["finding"], held);
    let role = json!({ "code": "role", "role": "user", "pattern": "document:*" });
    assert_eq!(told["steps"][1]["reasons"][0]["way"], role);
    let told = explain(&mut root, "user=ada%40example.org&action=user:read").await;
    assert_eq!(told["allowed"], false);
    let detail = told["steps"][1]["detail"].as_str().unwrap();
    assert_eq!(detail, "No role that counts gives user:read; ada has user.");
    let missing = json!({ "code": "right_missing", "right": "user:read", "roles": ["user"] });
    assert_eq!(told["steps"][1]["finding"], missing);

    let path = format!("/api/v1/users/{ada_id}");
    root.patch(&path, json!({ "status": "suspended" })).await.expect(200);
    let told = explain(&mut root, &format!("user={ada_id}&action=document:write")).await;
    assert_eq!(told["allowed"], false);
    assert_eq!(told["steps"][0]["detail"], "ada: the account is suspended.");
    let blocked = json!({ "code": "person_blocked", "block": "person_suspended" });
    assert_eq!(told["steps"][0]["finding"], blocked);
    let reason = &told["steps"][1]["reasons"][0];
    assert_eq!((&reason["counts"], &reason["blocked_by"]), (&json!(false), &blocked["block"]));
}

#[tokio::test]
async fn an_object_is_explained_by_every_way_to_it() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let (mut ada, mut bob) = (app.user(&mut root, "ada").await, app.user(&mut root, "bob").await);
    let ada_id = id(&ada.get("/api/v1/me").await.expect(200));
    let bob_id = id(&bob.get("/api/v1/me").await.expect(200));
    let base = base(&app, ada_id).await;
    let about = |user: &str, level: &str| {
        format!("user={user}&action={level}&object_type=knowledge_base&object_id={base}")
    };
    let told = explain(&mut root, &about("ada", "own")).await;
    assert_eq!(told["allowed"], true, "{told}");
    assert_eq!(sentences(&told["steps"][2]), ["Owns it."]);
    let told = explain(&mut root, &about("bob", "view")).await;
    assert_eq!(told["allowed"], false);
    let nothing = "'Handbook' is private, of ada; nothing gives bob a way to it.";
    assert_eq!(told["steps"][2]["detail"], nothing);
    let no_way =
        json!({ "code": "no_way", "object": "Handbook", "audience": "private", "owner": "ada" });
    assert_eq!(told["steps"][2]["finding"], no_way);

    let group = json!({ "name": "Readers" });
    let group = id(&root.post("/api/v1/groups", group).await.expect(201));
    root.put(&format!("/api/v1/groups/{group}/members/{bob_id}"), Value::Null).await.expect(204);
    let grant = "INSERT INTO knowledge.knowledge_base_grants
                   (id, knowledge_base_id, group_id, permission, granted_by)
                 SELECT app.new_id(), $1, $2, 'use', owner_id
                 FROM knowledge.knowledge_bases WHERE id = $1";
    write(&app, grant, base, group).await;
    let told = explain(&mut root, &about("bob", "use")).await;
    assert_eq!(told["allowed"], true, "{told}");
    let told = explain(&mut root, &about("bob", "edit")).await;
    assert_eq!(told["allowed"], false);
    let sentence = sentences(&told["steps"][2])[0].to_owned();
    assert!(
        sentence.starts_with("Was given the level use as a member of Readers, by ada on ")
            && sentence.ends_with("That is less than edit."),
        "{sentence}"
    );
    let reason = &told["steps"][2]["reasons"][0];
    assert_eq!((&reason["short_of"], &reason["way"]["code"]), (&json!("edit"), &json!("group")));
    assert_eq!(reason["way"]["granted_by"], "ada");
    root.delete(&format!("/api/v1/groups/{group}")).await.expect(204);
    let told = explain(&mut root, &about("bob", "use")).await;
    assert_eq!(told["allowed"], false);
    assert!(sentences(&told["steps"][2])[0].ends_with("Does not count: the group was deleted."));
    assert_eq!(told["steps"][2]["reasons"][0]["blocked_by"], "group_deleted");

    // The command line asks the same function.
    let object = Some(("knowledge_base", base));
    let subject = Subject { user: "bob", action: "use", object };
    let told = explain_access(&app.test.db, &subject).await.unwrap();
    assert!(!told.allowed && told.steps.len() == 3);
}

#[tokio::test]
async fn a_key_is_explained_by_its_rights_models_and_addresses() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let body = json!({ "name": "ci", "permissions": ["inference:create"],
                       "models": ["gpt-5", "best"], "allowed_addresses": ["192.0.2.0/24"] });
    let made = ada.post("/api/v1/api-keys", body).await.expect(201);
    let (key, hint) = (id(&made), made["hint"].as_str().unwrap());
    let about = |user: &str, action: &str| {
        format!("user={user}&action={action}&object_type=api_key&object_id={key}")
    };
    let told = explain(&mut root, &about("ada", "inference:create")).await;
    assert_eq!(told["allowed"], true, "{told}");
    let sentence = format!(
        "The key ci ({hint}) has the right inference:create, for the models gpt-5, best only, from \
         192.0.2.0/24 only."
    );
    assert_eq!(told["steps"][2]["detail"], sentence);
    let finding = &told["steps"][2]["finding"];
    assert_eq!(finding["code"], "key_holds");
    assert_eq!(finding["models"], json!(["gpt-5", "best"]));
    // Its owner may do this; the key may not.
    let told = explain(&mut root, &about("ada", "document:write")).await;
    assert_eq!((&told["allowed"], &told["steps"][1]["passed"]), (&json!(false), &json!(true)));
    assert_eq!(told["steps"][2]["finding"]["code"], "key_lacks");
    // It is nobody else's.
    let told = explain(&mut root, &about("root", "inference:create")).await;
    assert_eq!(told["steps"][2]["detail"], "There is no api_key of this id.");

    let path = format!("/api/v1/api-keys/{key}");
    let change = json!({ "models": null, "allowed_addresses": [] });
    ada.patch(&path, change).await.expect(200);
    let told = explain(&mut root, &about("ada", "inference:create")).await;
    let sentence = format!("The key ci ({hint}) has the right inference:create.");
    assert_eq!(told["steps"][2]["detail"], sentence);
    ada.delete(&path).await.expect(204);
    let told = explain(&mut root, &about("ada", "inference:create")).await;
    assert_eq!(told["allowed"], false);
    assert_eq!(told["steps"][2]["finding"]["block"], "key_revoked");
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused() {
    let app = App::new().await;
    let mut root = app.set_up().await;
    let mut ada = app.user(&mut root, "ada").await;
    let nobody = lyceum_core::new_id();
    let object = format!("object_id={nobody}");
    for (query, status, code) in [
        ("user=nobody&action=user:read".to_owned(), 404, "not_found"),
        (format!("user={nobody}&action=user:read"), 404, "not_found"),
        ("user=ada".to_owned(), 400, "invalid_query"),
        ("user=ada&action=use".to_owned(), 422, "invalid_field"),
        ("user=ada&action=user:*".to_owned(), 422, "invalid_field"),
        (format!("user=ada&action=use&{object}"), 422, "invalid_field"),
        (format!("user=ada&action=use&object_type=planet&{object}"), 422, "invalid_field"),
        (format!("user=ada&action=user:read&object_type=provider&{object}"), 422, "invalid_field"),
    ] {
        root.get(&format!("/api/v1/access/explain?{query}")).await.refused(status, code);
    }
    let refused = root.get("/api/v1/access/explain?user=ada&action=user:*").await;
    assert_eq!(
        (&refused.body["field"], &refused.body["rule"]),
        (&json!("action"), &json!("one_right"))
    );
    let missing = format!("user=root&action=use&object_type=provider&{object}");
    let told = explain(&mut root, &missing).await;
    assert_eq!(told["steps"][2]["detail"], "There is no provider of this id.");
    ada.get("/api/v1/access/explain?user=ada&action=user:read").await.refused(403, "forbidden");
}
