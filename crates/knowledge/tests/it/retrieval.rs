//! Questions and what they find.

use std::time::Duration;

use axum::http::StatusCode;
use lyceum_knowledge::Asker;
use serde_json::json;
use uuid::Uuid;

use crate::world::{World, id};

#[tokio::test]
async fn passages_are_found_in_both_languages_with_their_places_and_scores() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let base = world.base("ann", "b").await;
    let text = "The kettle is in the kitchen on the second floor.\n\n\
                Bicycles may be parked behind the northern building.\n\n\
                年假需要提前两周向主管申请。\n\n\
                打印机的纸张放在三楼的储藏室里。\n\n";
    let filler: String =
        (0..80).map(|n| format!("Unrelated line {n} about topic{n}.\n\n")).collect();
    world.ingest("ann", ann, base, "handbook.txt", format!("{text}{filler}").as_bytes()).await;
    let path = format!("/knowledge-bases/{base}/search");
    for (question, answer) in [
        ("Where do I park my bicycle?", "Bicycles may be parked"),
        ("年假怎么申请？", "年假需要提前两周"),
        ("打印纸放在哪里", "打印机的纸张"),
        ("second floor kettle", "The kettle is"),
    ] {
        let body = json!({"query": question, "limit": 2});
        let (status, found) = world.send("ann", "POST", &path, Some(body)).await;
        assert_eq!(status, StatusCode::OK, "{found}");
        let first = &found["items"][0];
        assert!(first["content"].as_str().unwrap().contains(answer), "{question}: {found}");
        assert_eq!((&first["kept"], &first["page"]), (&json!(true), &json!(null)));
        assert_eq!(first["text_rank"], 1);
        assert!(first["dense_score"].as_f64().unwrap() > 0.0);
        let kept = found["items"].as_array().unwrap().iter().filter(|c| c["kept"] == true).count();
        assert_eq!(kept, 2);
        assert!(found["items"].as_array().unwrap().len() > 2, "dropped ones are told, too");
    }
    let (status, problem) = world.send("ann", "POST", &path, Some(json!({"query": " "}))).await;
    assert_eq!((status.as_u16(), &problem["code"]), (422, &json!("invalid_field")));
    // Marks that mean something to a query language are only marks.
    let body = json!({"query": "'kettle & | ! ( :* \\ <->"});
    let (status, found) = world.send("ann", "POST", &path, Some(body)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(found["items"][0]["content"].as_str().unwrap().contains("kettle"));
}

#[tokio::test]
async fn several_bases_are_asked_at_once_and_unknown_ones_refused() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let bob = world.user("bob").await;
    let (one, two) = (world.base("ann", "one").await, world.base("ann", "two").await);
    world.ingest("ann", ann, one, "a.txt", b"Apples grow on trees.").await;
    world.ingest("ann", ann, two, "b.txt", b"Apples are sold in the market.").await;
    let ask = async |user_id, bases: &[Uuid]| {
        let asker = Asker { user_id, api_key_id: None, request_id: lyceum_core::new_id() };
        world.knowledge.retrieve(asker, bases, "apples", None).await
    };
    assert_eq!(ask(ann, &[one, two]).await.unwrap().chunks.len(), 2);
    assert_eq!(ask(ann, &[two]).await.unwrap().chunks.len(), 1);
    assert!(ask(bob, &[one]).await.is_err());
    let unknown = lyceum_core::new_id();
    assert!(ask(ann, &[one, unknown]).await.is_err());
    let called = "SELECT count(*) FROM gateway.usage_statistics WHERE purpose = 'retrieval'";
    assert_eq!(world.number(called).await, 2);
}

#[tokio::test]
async fn documents_that_cannot_be_found_yet_are_counted() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let (base, other) = (world.base("ann", "b").await, world.base("ann", "other").await);
    let ask = async || {
        let asker = Asker { user_id: ann, api_key_id: None, request_id: lyceum_core::new_id() };
        let found = world.knowledge.retrieve(asker, &[base], "apples", None).await.unwrap();
        (found.chunks.len(), found.being_read)
    };
    world.upload("ann", other, "elsewhere.txt", b"Not asked.").await;
    assert_eq!(ask().await, (0, 0));
    let (_, waiting) = world.upload("ann", base, "waiting.txt", b"Apples, later.").await;
    world.upload("ann", base, "deleted.txt", b"Apples, never.").await;
    assert_eq!(ask().await, (0, 2));
    world.write("UPDATE knowledge.documents SET deleted_at = now() WHERE title = 'deleted'").await;
    world.ingest("ann", ann, base, "empty.pdf", &crate::files::pdf(&[""])).await;
    world.ingest("ann", ann, base, "ready.txt", b"Apples grow on trees.").await;
    assert_eq!(ask().await, (1, 1), "neither what failed nor what was deleted");
    world.attempt(ann, id(&waiting), 1).await.unwrap();
    assert_eq!(ask().await, (2, 0));
}

#[tokio::test]
async fn a_group_may_be_let_in() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let bob = world.user("bob").await;
    let base = world.base("ann", "b").await;
    world.ingest("ann", ann, base, "a.txt", b"Shared words.").await;
    let bases = [base];
    let ask = || world.knowledge.check_bases(bob, &bases);
    assert!(ask().await.is_err());
    let group = lyceum_core::new_id();
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    sqlx::query("INSERT INTO identity.groups (id, name) VALUES ($1, 'team')")
        .bind(group)
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query("INSERT INTO identity.group_members (group_id, user_id) VALUES ($1, $2)")
        .bind(group)
        .bind(bob)
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO knowledge.knowledge_base_grants (id, knowledge_base_id, group_id, permission)
         VALUES ($1, $2, $3, 'view')",
    )
    .bind(lyceum_core::new_id())
    .bind(base)
    .bind(group)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    assert!(ask().await.is_err(), "to view is not to use");
    let path = format!("/knowledge-bases/{base}");
    assert_eq!(world.send("bob", "GET", &path, None).await.0, StatusCode::OK);
    let mut tx = world.test.db.begin_as(ann).await.unwrap();
    sqlx::query("UPDATE knowledge.knowledge_base_grants SET permission = 'use'")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    ask().await.unwrap();
}

#[tokio::test]
async fn what_a_key_asks_and_uploads_counts_for_the_key() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let key = world.key(ann, "ann's key").await;
    let base = world.base("ann", "b").await;
    let (status, document) =
        world.upload("ann's key", base, "a.txt", b"Apples grow on trees.").await;
    assert_eq!(status, StatusCode::ACCEPTED, "{document}");
    world.run_queued().await.unwrap();
    let path = format!("/knowledge-bases/{base}/search");
    let ask =
        async |who: &str| world.send(who, "POST", &path, Some(json!({"query": "apples"}))).await;
    assert_eq!(ask("ann's key").await.0, StatusCode::OK);
    assert_eq!(ask("ann").await.0, StatusCode::OK);
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    let calls: Vec<(String, Option<Uuid>)> = sqlx::query_as(
        "SELECT purpose, api_key_id FROM gateway.usage_statistics ORDER BY created_at, id",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    let call = |purpose: &str, key| (purpose.to_owned(), key);
    let expected =
        [call("embedding", Some(key)), call("retrieval", Some(key)), call("retrieval", None)];
    assert_eq!(calls, expected);
    // Two calls are what the key may have, and it has had them.
    sqlx::query(
        "INSERT INTO identity.user_quotas (id, api_key_id, max_api_calls, used_api_calls, period_start)
         VALUES ($1, $2, 2, 2, date_trunc('month', now())::date)",
    )
    .bind(lyceum_core::new_id())
    .bind(key)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    // The news of a quota that came in by SQL takes its way through the database.
    let refused = async {
        while ask("ann's key").await.0 != StatusCode::TOO_MANY_REQUESTS {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), refused).await.expect("the key's quota holds");
    assert_eq!(ask("ann").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_key_makes_no_base_with_a_model_that_it_is_not_limited_to() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    world.key(ann, "ann's key").await;
    world.limit_models("ann's key", "another");
    for body in [json!({"name": "b"}), json!({"name": "b", "embedding_model": "hashing"})] {
        let (status, problem) =
            world.send("ann's key", "POST", "/knowledge-bases", Some(body)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{problem}");
        assert_eq!(problem["code"], "model_not_allowed");
        assert_eq!(problem["models"], json!(["another"]));
    }
    // One that is there asks its own model, whoever searches it.
    let base = world.base("ann", "b").await;
    let path = format!("/knowledge-bases/{base}/search");
    let query = Some(json!({"query": "apples"}));
    assert_eq!(world.send("ann's key", "POST", &path, query).await.0, StatusCode::OK);
    world.limit_models("ann's key", "hashing");
    world.base("ann's key", "c").await;
}

#[tokio::test]
async fn a_text_without_pages_claims_none() {
    let world = World::new().await;
    let ann = world.user("ann").await;
    let base = world.base("ann", "b").await;
    let short = world.ingest("ann", ann, base, "short.txt", b"The kettle is in the kitchen.").await;
    assert_eq!(short["has_pages"], false);
    let filler = "Nothing about kettles stands here, only filler words again and again.\n\n";
    let long = format!("{}The samovar is in the attic.", filler.repeat(2_000));
    let long = world.ingest("ann", ann, base, "long.md", long.as_bytes()).await;
    let sections = long["page_count"].as_i64().unwrap();
    assert!(sections > 1 && long["has_pages"] == false, "{long}");
    let path = format!("/knowledge-bases/{base}/search");
    let first = async |query: &str| {
        let body = json!({"query": query, "limit": 1});
        world.send("ann", "POST", &path, Some(body)).await.1["items"][0].clone()
    };
    let kettle = first("where is the kettle in the kitchen").await;
    assert_eq!((&kettle["page"], &kettle["section"]), (&json!(null), &json!(null)));
    let samovar = first("samovar attic").await;
    assert_eq!((&samovar["page"], &samovar["section"]), (&json!(null), &json!(sections)));
    let text = format!("/documents/{}/text?page={sections}", long["id"].as_str().unwrap());
    let (_, text) = world.send("ann", "GET", &text, None).await;
    assert_eq!(text["has_pages"], false);
    assert!(text["text"].as_str().unwrap().contains("samovar"));
}
