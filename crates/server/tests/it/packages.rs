//! The official `openai` and `anthropic` Python packages against `/v1`.

use std::process::Command;

use serde_json::{Value, json};

use crate::world::World;

/// The interpreter with the packages, made by `script/bootstrap --test`.
fn python() -> String {
    std::env::var("LYCEUM_TEST_PYTHON").expect("LYCEUM_TEST_PYTHON is not set; run script/test")
}

/// Runs a program with a key of Alice's; every call that it made is in her usage, with the tokens
/// that it saw.
async fn run(program: &str, address: &str, key_in: &str, path: &str) {
    let world = World::new().await.unwrap();
    world.model(&world.alice, "ok").await.unwrap();
    let key = world.alice.post("/api/v1/api-keys", json!({ "name": "python" })).await.unwrap();
    let output = Command::new(python())
        // From the crate's folder, in which tests run.
        .arg(format!("tests/{program}"))
        .env(address, format!("{}{path}", world.server.base_url))
        .env(key_in, key["key"].as_str().unwrap())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_str(&printed).unwrap();
    let calls = world.alice.get("/api/v1/usage/calls?limit=200").await.unwrap();
    let calls = calls["items"].as_array().unwrap();
    let recorded: i64 = calls.iter().filter_map(|call| call["completion_tokens"].as_i64()).sum();
    assert_eq!(recorded, seen["completion_tokens"].as_i64().unwrap(), "{calls:#?}");
    assert_eq!(calls.len() as i64, seen["calls"].as_i64().unwrap(), "{calls:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn openais_surfaces_by_the_official_package() {
    run("openai_client.py", "OPENAI_BASE_URL", "OPENAI_API_KEY", "/v1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_by_anthropics_official_package() {
    run("anthropic_client.py", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "").await;
}
