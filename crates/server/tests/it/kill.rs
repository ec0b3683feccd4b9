//! `kill -9` of the whole program in the middle of things: what was acknowledged is there
//! afterwards, and nothing half-done is shown as done.

use serde_json::json;

use crate::world::{World, ask, finished, id, knowledge_base, processed, upload};

#[tokio::test]
async fn an_ingestion_goes_on_after_a_kill() {
    let world = World::new().await.unwrap();
    let base = knowledge_base(&world.alice, "long").await.unwrap();
    let line = |n: usize| format!("Entry {n}: the lighthouse keeper wrote {} letters.\n\n", n * 7);
    let text: String = (0..1500).map(line).collect();
    let (status, document) =
        upload(&world.alice, &base, "letters.txt", text.into_bytes()).await.unwrap();
    assert_eq!(status, 202);
    let document = id(&document).unwrap();
    // Let it get into the middle of the work.
    for _ in 0..600 {
        let found = world.alice.get(&format!("/api/v1/documents/{document}")).await.unwrap();
        assert_ne!(found["status"], "failed", "{found}");
        if found["stage"] == "embedding" && found["progress"].as_i64() > Some(0) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let world = world.crash_and_restart().await.unwrap();
    let found = processed(&world.alice, &document).await.unwrap();
    assert_eq!(found["status"], "completed", "{found}");
    let chunks = found["chunk_count"].as_i64().unwrap();
    let mut listed = 0;
    let mut after = String::new();
    loop {
        let path = format!("/api/v1/documents/{document}/chunks?limit=200{after}");
        let page = world.alice.get(&path).await.unwrap();
        listed += page["items"].as_array().unwrap().len() as i64;
        match page["next_after"].as_i64() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(listed, chunks, "rows and count disagree");
    let path = format!("/api/v1/knowledge-bases/{base}/search");
    let query = json!({ "query": "Entry 1499 lighthouse keeper" });
    let answer = world.alice.post(&path, query).await.unwrap();
    assert!(answer["items"][0]["content"].as_str().unwrap().contains("1499"), "{answer}");
}

#[tokio::test]
async fn a_stream_cut_by_a_kill_is_shown_as_interrupted_and_can_be_made_anew() {
    let world = World::new().await.unwrap();
    let model = world.model(&world.alice, "slow").await.unwrap().model;
    let conversation =
        world.alice.post("/api/v1/conversations", json!({ "model_config_id": model })).await;
    let conversation = id(&conversation.unwrap()).unwrap();
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let sent = world.alice.post(&path, json!({ "content": "Tell me a story" })).await.unwrap();
    let message = id(&sent["assistant_message"]).unwrap();
    let mut events = world
        .alice
        .request(reqwest::Method::GET, &format!("/api/v1/messages/{message}/events"))
        .send()
        .await
        .unwrap();
    while let Some(bytes) = events.chunk().await.unwrap() {
        if String::from_utf8_lossy(&bytes).contains("event: delta") {
            break;
        }
    }
    let world = world.crash_and_restart().await.unwrap();
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let found = world.alice.get(&path).await.unwrap();
    let items = found["items"].as_array().unwrap();
    assert_eq!(items[0]["content"], "Tell me a story");
    assert_eq!(items[1]["status"], "error", "{found}");
    assert_eq!(items[1]["error"]["code"], "interrupted", "{found}");
    let again =
        world.alice.post(&format!("/api/v1/messages/{message}/regenerate"), json!({})).await;
    let again = finished(&world.alice, &id(&again.unwrap()["assistant_message"]).unwrap()).await;
    assert_eq!(again.unwrap()["status"], "completed");
}

#[tokio::test]
async fn every_answered_call_has_its_ledger_row_after_a_kill() {
    let world = World::new().await.unwrap();
    world.model(&world.alice, "ok").await.unwrap();
    let key = world.alice.post("/api/v1/api-keys", json!({ "name": "load" })).await.unwrap();
    let key = world.alice.with_key(key["key"].as_str().unwrap());
    let mut workers = Vec::new();
    for _ in 0..16 {
        let key = key.clone();
        workers.push(tokio::spawn(async move {
            let mut answered = 0i64;
            let body = json!({ "model": "ok", "messages": [{ "role": "user", "content": "hi" }] });
            while key.post("/v1/chat/completions", body.clone()).await.is_ok() {
                answered += 1;
            }
            answered
        }));
    }
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let world = world.crash_and_restart().await.unwrap();
    let mut answered = 0;
    for worker in workers {
        answered += worker.await.unwrap();
    }
    assert!(answered > 100, "only {answered} calls were answered");
    let summary = world.alice.get("/api/v1/usage/summary?group_by=purpose").await.unwrap();
    let recorded = summary["total"]["calls"].as_i64().unwrap();
    assert!(recorded >= answered, "{answered} answered, {recorded} recorded");
    assert!(recorded <= answered + 16, "{answered} answered, {recorded} recorded");
    assert!(world.upstream.calls_of("ok") >= u64::try_from(recorded).unwrap());
}

#[tokio::test]
async fn a_finished_answer_survives_a_kill() {
    let world = World::new().await.unwrap();
    let model = world.model(&world.alice, "ok").await.unwrap().model;
    let conversation =
        world.alice.post("/api/v1/conversations", json!({ "model_config_id": model })).await;
    let conversation = id(&conversation.unwrap()).unwrap();
    let said = ask(&world.alice, &conversation, json!({ "content": "Hello" })).await.unwrap();
    assert_eq!(said["status"], "completed", "{said}");
    let world = world.crash_and_restart().await.unwrap();
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let found = world.alice.get(&path).await.unwrap();
    assert_eq!(found["items"][1]["content"], said["content"]);
    assert_eq!(found["items"][1]["status"], "completed");
}
