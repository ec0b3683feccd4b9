//! Rows that stand in files until they are committed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::StatusCode;
use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, PgConnection};

use crate::world::World;

/// A world with a journal, and who calls there.
async fn world() -> (World, PathBuf, tempfile::TempDir) {
    let world = World::new().await;
    world.user("ada").await;
    let (journal, folder) = open_journal(&world).await;
    (world, journal, folder)
}

async fn open_journal(world: &World) -> (PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("ledger");
    world.gateway.open_journal(&journal).await.unwrap();
    (journal, folder)
}

async fn call(world: &World) -> (StatusCode, Value) {
    let body = json!({"model": "local-chat", "messages": [{"role": "user", "content": "one two"}]});
    world.send("ada", "POST", "/v1/chat/completions", body).await
}

async fn answered(world: &World) {
    let (status, answer) = call(world).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

fn files(journal: &Path) -> Vec<PathBuf> {
    fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Takes the ledger's table away, as a database that is gone would.
async fn take_away(world: &World) -> PgConnection {
    let mut owner = world.test.owner.connect().await.unwrap();
    let away = "ALTER TABLE gateway.usage_statistics RENAME TO elsewhere";
    sqlx::query(away).execute(&mut owner).await.unwrap();
    owner
}

async fn bring_back(mut owner: PgConnection) {
    let back = "ALTER TABLE gateway.elsewhere RENAME TO usage_statistics";
    sqlx::query(back).execute(&mut owner).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_does_not_wait_for_the_database_and_its_row_is_kept() {
    let (world, journal, _folder) = world().await;
    let owner = take_away(&world).await;
    join_all((0..8).map(|_| answered(&world))).await;
    let kept: Vec<String> =
        files(&journal).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(kept.concat().lines().count(), 8);
    bring_back(owner).await;
    let rows = world.ledger().await;
    assert_eq!(rows.len(), 8);
    assert!(rows.iter().all(|row| row.status == "completed" && row.completion_tokens == 4));
    world.gateway.close().await;
    assert_eq!(files(&journal), [] as [PathBuf; 0], "what is committed is in no file");
    // Who calls after that waits for the database.
    answered(&world).await;
    assert_eq!(world.number("SELECT count(*) FROM gateway.usage_statistics").await, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_left_comes_in_once() {
    let (world, journal, folder) = world().await;
    let owner = take_away(&world).await;
    join_all((0..5).map(|_| answered(&world))).await;
    // Its files as they would be after kill -9, the last line half written.
    let left = folder.path().join("left");
    fs::create_dir(&left).unwrap();
    for path in files(&journal) {
        let mut text = fs::read_to_string(&path).unwrap();
        let half = text[..text.len() / 7].to_owned();
        text.push_str(&half);
        fs::write(left.join(path.file_name().unwrap()), text).unwrap();
    }
    fs::write(left.join("empty.jsonl"), "").unwrap();
    bring_back(owner).await;
    let next = world.node().await;
    next.open_journal(&left).await.unwrap();
    assert_eq!(world.number("SELECT count(*) FROM gateway.usage_statistics").await, 5);
    assert_eq!(files(&left), [] as [PathBuf; 0]);
    // The first process lived after all, and writes the same rows.
    assert_eq!(world.ledger().await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_version_wrote_is_kept() {
    let (world, journal, folder) = world().await;
    let owner = take_away(&world).await;
    answered(&world).await;
    let left = folder.path().join("left");
    fs::create_dir(&left).unwrap();
    let row = fs::read_to_string(&files(&journal)[0]).unwrap();
    let text = format!("{{\"of\": \"tomorrow\"}}\n{row}");
    fs::write(left.join("a.jsonl"), &text).unwrap();
    bring_back(owner).await;
    let next = world.node().await;
    next.open_journal(&left).await.unwrap();
    assert_eq!(world.number("SELECT count(*) FROM gateway.usage_statistics").await, 1);
    assert_eq!(files(&left), [left.join("a.unread")]);
    assert_eq!(fs::read_to_string(left.join("a.unread")).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_wait_come_in_while_others_keep_coming() {
    let (world, _journal, _folder) = world().await;
    let owner = take_away(&world).await;
    join_all((0..3).map(|_| answered(&world))).await;
    // The first try fails.
    tokio::time::sleep(Duration::from_millis(500)).await;
    bring_back(owner).await;
    let answers = "SELECT count(*) FROM gateway.usage_statistics WHERE completion_tokens > 0";
    let mut later = 0;
    let all_in = async {
        while world.number(answers).await < 3 {
            let other = json!({"model": "local-embedding", "input": "one"});
            let (status, answer) = world.send("ada", "POST", "/v1/embeddings", other).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            later += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all_in).await.unwrap();
    assert_eq!(world.ledger().await.len(), 3 + later);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_process_that_lives_are_its_own() {
    let (world, journal, _folder) = world().await;
    let owner = take_away(&world).await;
    answered(&world).await;
    let before = files(&journal);
    let other = world.node().await;
    other.open_journal(&journal).await.unwrap();
    assert_eq!(files(&journal), before);
    bring_back(owner).await;
    assert_eq!(world.ledger().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_table_refuses_stays_in_a_file_and_can_be_put_back() {
    let (world, journal, _folder) = world().await;
    let mut owner = world.test.owner.connect().await.unwrap();
    sqlx::raw_sql(
        "CREATE FUNCTION gateway.hinder() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF NEW.requested_model = 'local-chat' THEN
                 RAISE EXCEPTION 'how odd' USING ERRCODE = '23514';
             END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER hinder BEFORE INSERT ON gateway.usage_statistics
             FOR EACH ROW EXECUTE FUNCTION gateway.hinder();",
    )
    .execute(&mut owner)
    .await
    .unwrap();
    answered(&world).await;
    let other = json!({"model": "local-embedding", "input": "one"});
    let (status, answer) = world.send("ada", "POST", "/v1/embeddings", other).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(world.ledger().await.len(), 1, "the others are not held up");
    let refused = journal.join("refused.jsonl");
    let text = fs::read_to_string(&refused).unwrap();
    let line: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(line["refused"], "how odd (23514)");
    assert_eq!(
        (&line["status"], &line["completion_tokens"]),
        (&json!("completed"), &json!(4)),
        "{line}"
    );
    // The next start leaves it alone, and what comes back in vain is kept anew.
    world.node().await.open_journal(&journal).await.unwrap();
    assert_eq!(fs::read_to_string(&refused).unwrap(), text);
    let again = journal.join("again.jsonl");
    fs::rename(&refused, &again).unwrap();
    world.node().await.open_journal(&journal).await.unwrap();
    assert_eq!((fs::read_to_string(&refused).unwrap(), again.exists()), (text, false));
    sqlx::raw_sql("DROP TRIGGER hinder ON gateway.usage_statistics")
        .execute(&mut owner)
        .await
        .unwrap();
    fs::rename(&refused, &again).unwrap();
    world.node().await.open_journal(&journal).await.unwrap();
    assert_eq!(world.ledger().await.len(), 2);
    assert!(!refused.exists() && !again.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_for_files_calls_wait_for_the_database() {
    let (world, journal, _folder) = world().await;
    fs::remove_dir_all(&journal).unwrap();
    answered(&world).await;
    // Not flushed: it was committed before the answer.
    assert_eq!(world.number("SELECT count(*) FROM gateway.usage_statistics").await, 1);
    let owner = take_away(&world).await;
    let (status, answer) = call(&world).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    bring_back(owner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_used_to_its_last_call_while_rows_are_on_their_way() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    world.admin("root").await;
    let _journal = open_journal(&world).await;
    let path = format!("/api/v1/quotas/users/{ada}");
    for round in 1..=10 {
        let limit = json!({"max_api_calls": round * 4});
        let (status, view) = world.send("root", "PUT", &path, limit).await;
        assert_eq!(status, StatusCode::OK, "{view}");
        for _ in 0..4 {
            answered(&world).await;
        }
        let (status, refused) = call(&world).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{refused}");
    }
    assert_eq!(world.ledger().await.len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_at_usage_sees_what_was_just_answered() {
    let (world, ..) = world().await;
    for calls in 1..=3 {
        answered(&world).await;
        let (_, list) = world.send("ada", "GET", "/api/v1/usage/calls", Value::Null).await;
        assert_eq!(list["items"].as_array().unwrap().len(), calls);
        let (_, sums) = world.send("ada", "GET", "/api/v1/usage/summary", Value::Null).await;
        assert_eq!(sums["total"]["calls"], calls);
    }
}
