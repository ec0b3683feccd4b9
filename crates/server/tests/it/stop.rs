//! The program that is asked to stop.

use serde_json::json;

use crate::telemetry::logging_to;
use crate::world::World;

#[tokio::test]
async fn a_program_that_is_stopped_after_calls_warns_of_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (program, log) = logging_to(folder.path());
    let world = World::with(&program, &[]).await.unwrap();
    world.model(&world.alice, "ok").await.unwrap();
    // The ledger's connection, which is not one of the pool, is open from the first call on.
    let body = json!({ "model": "ok", "messages": [{ "role": "user", "content": "Hello" }] });
    world.alice.post("/v1/chat/completions", body).await.unwrap();
    assert!(world.server.stop().await.unwrap().success());
    let text = std::fs::read_to_string(log).unwrap();
    let (_, end) = text.split_once("stopping").unwrap();
    assert!(!end.contains("WARN") && !end.contains("ERROR"), "{end}");
}
