//! The official `openai` Python package against `/v1`.

use std::process::Command;

use serde_json::json;

use crate::world::World;

/// The interpreter with the package, made by `script/bootstrap --test`.
fn python() -> String {
    std::env::var("LYCEUM_TEST_PYTHON").expect("LYCEUM_TEST_PYTHON is not set; run script/test")
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_embeddings_and_models_by_the_official_package() {
    let world = World::new().await.unwrap();
    world.model(&world.alice, "ok").await.unwrap();
    let key = world.alice.post("/api/v1/api-keys", json!({ "name": "python" })).await.unwrap();
    let output = Command::new(python())
        // From the crate's folder, in which tests run.
        .arg("tests/openai_client.py")
        .env("OPENAI_BASE_URL", format!("{}/v1", world.server.base_url))
        .env("OPENAI_API_KEY", key["key"].as_str().unwrap())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let seen: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let calls = world.alice.get("/api/v1/usage/calls?limit=200").await.unwrap();
    let calls = calls["items"].as_array().unwrap();
    let recorded: i64 = calls.iter().filter_map(|call| call["completion_tokens"].as_i64()).sum();
    assert_eq!(recorded, seen["completion_tokens"].as_i64().unwrap(), "{calls:#?}");
    assert_eq!(calls.len() as i64, seen["calls"].as_i64().unwrap(), "{calls:#?}");
}
