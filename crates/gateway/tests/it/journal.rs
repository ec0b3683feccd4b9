//! Rows that stand in files until they are committed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::StatusCode;
use futures::StreamExt as _;
use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, PgConnection};
use tokio::task::JoinHandle;

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
async fn a_line_brings_whom_its_call_was_for_and_an_older_one_comes_in_without() {
    let (world, journal, folder) = world().await;
    let owner = take_away(&world).await;
    let body = json!({"model": "local-chat", "safety_identifier": "customer-1",
        "messages": [{"role": "user", "content": "one two"}]});
    let (status, answer) = world.send("ada", "POST", "/v1/chat/completions", body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let line = fs::read_to_string(&files(&journal)[0]).unwrap();
    let mut older: Value = serde_json::from_str(&line).unwrap();
    let removed = older.as_object_mut().unwrap().remove("end_user");
    assert_eq!(removed, Some(json!("customer-1")));
    older["id"] = json!(lyceum_core::new_id());
    let left = folder.path().join("left");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("a.jsonl"), format!("{line}{older}\n")).unwrap();
    bring_back(owner).await;
    world.node().await.open_journal(&left).await.unwrap();
    assert_eq!(files(&left), [] as [PathBuf; 0]);
    let mut named: Vec<_> = world.ledger().await.into_iter().map(|row| row.end_user).collect();
    named.sort();
    assert_eq!(named, [None, Some("customer-1".to_owned())]);
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

/// Models of a provider with much patience, whose tokens have a price.
async fn patient_models(world: &World, models: &[&str]) {
    let patience = json!({"first_byte_timeout_seconds": 300, "idle_timeout_seconds": 300});
    let url = world.upstream.base_url.clone();
    let provider = world.provider_of("ada", "custom", "patient", &url, patience).await;
    for model in models {
        let body = json!({"provider_config_id": provider, "model": model, "kind": "chat",
            "input_price": 2, "output_price": 3});
        let (status, view) = world.send("ada", "POST", "/api/v1/models", body).await;
        assert_eq!(status, StatusCode::CREATED, "{view}");
    }
}

/// Asks a model and reads its answer to the end.
fn reading(world: &World, model: &str, stream: bool) -> JoinHandle<()> {
    let node = world.as_node();
    let body = json!({"model": model, "stream": stream, "user": "customer-1",
        "messages": [{"role": "user", "content": "one two three"}]});
    tokio::spawn(async move {
        let answer = node.open("ada", "POST", "/v1/chat/completions", body).await;
        let mut pieces = answer.into_body().into_data_stream();
        while let Some(piece) = pieces.next().await {
            piece.unwrap();
        }
    })
}

/// What the node notes of the calls that run, once it is as `wanted`.
async fn noted(journal: &Path, wanted: impl Fn(&[Value]) -> bool) -> String {
    for _ in 0..1_000 {
        let is_note = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "running");
        let note = files(journal).into_iter().find(is_note);
        let text = note.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let rows: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        if wanted(&rows) {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it is not noted");
}

/// The next process starts on what this one would leave if it were killed with these notes.
async fn start_after_kill(world: &World, folder: &Path, notes: &str) {
    let left = folder.join("left");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("a.running"), notes).unwrap();
    world.node().await.open_journal(&left).await.unwrap();
    assert_eq!(files(&left), [] as [PathBuf; 0]);
}

fn is_answered(row: &Value) -> bool {
    row["completion_tokens"].as_i64() > Some(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_ran_when_their_process_was_killed_have_one_row_each_that_says_so() {
    let (world, journal, folder) = world().await;
    patient_models(&world, &["gated", "hang"]).await;
    let answering = reading(&world, "gated", true);
    world.upstream.release(2);
    let waiting = reading(&world, "hang", false);
    let both = |rows: &[Value]| rows.len() == 2 && rows.iter().any(is_answered);
    let notes = noted(&journal, both).await;
    for _start in 0..2 {
        start_after_kill(&world, folder.path(), &notes).await;
    }
    let rows = world.ledger().await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    for row in &rows {
        assert_eq!(
            (row.status.as_str(), row.error_code.as_deref()),
            ("failed", Some("interrupted"))
        );
        assert!(row.estimated && row.prompt_tokens > 0, "{row:?}");
        assert_eq!(row.served_model.as_deref(), Some(row.model.as_str()));
        assert_eq!(row.end_user.as_deref(), Some("customer-1"));
        let cost = (2 * row.prompt_tokens + 3 * row.completion_tokens) as f64 / 1e6;
        let noted: f64 = row.cost.as_deref().unwrap().parse().unwrap();
        assert!((noted - cost).abs() < 1e-9, "{row:?}");
        let is_begun = row.model == "gated";
        assert_eq!((row.completion_tokens > 0, row.first_token_ms.is_some()), (is_begun, is_begun));
    }
    let (_, sums) = world.send("ada", "GET", "/api/v1/usage/summary", Value::Null).await;
    assert_eq!((&sums["total"]["calls"], &sums["total"]["errors"]), (&json!(2), &json!(2)));
    // The process lived after all: its calls end, and nothing of them is left.
    world.upstream.release(100);
    answering.await.unwrap();
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert_eq!(world.ledger().await.len(), 2);
    world.gateway.close().await;
    assert_eq!(files(&journal), [] as [PathBuf; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_ended_after_it_was_noted_is_as_it_ended() {
    let (world, journal, folder) = world().await;
    patient_models(&world, &["gated"]).await;
    let answering = reading(&world, "gated", true);
    world.upstream.release(2);
    let notes = noted(&journal, |rows| rows.iter().any(is_answered)).await;
    world.upstream.release(100);
    answering.await.unwrap();
    noted(&journal, <[Value]>::is_empty).await;
    let before = world.ledger().await;
    start_after_kill(&world, folder.path(), &notes).await;
    let after = world.ledger().await;
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_eq!((after[0].status.as_str(), after[0].estimated), ("completed", false));
}
