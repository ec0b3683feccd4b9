//! `lyceum ledger reconcile` beside the running program: how it ends, and what it prints.

use std::process::Output;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::world::{World, program};

/// Compares the ledger with a file of these lines.
async fn reconcile(world: &World, lines: &str, further: &[&str]) -> Output {
    let file = world.data.path().join("bill.csv");
    std::fs::write(&file, lines).unwrap();
    Command::new(program())
        .args(["ledger", "reconcile"])
        .arg(&file)
        .args(further)
        .arg("--data-dir")
        .arg(world.data.path())
        .env_remove("DATABASE_URL")
        .kill_on_drop(true)
        .output()
        .await
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn the_command_says_by_its_end_whether_the_bill_is_right() {
    let world = World::new().await.unwrap();
    world.model(&world.alice, "ok").await.unwrap();
    let key = json!({ "name": "k", "permissions": ["inference:create"] });
    let key = world.alice.post("/api/v1/api-keys", key).await.unwrap();
    let key = world.alice.with_key(key["key"].as_str().unwrap());
    let body =
        json!({ "model": "ok", "messages": [{ "role": "user", "content": "one two three" }] });
    key.send(Method::POST, "/v1/chat/completions", body).await.unwrap();
    let calls = world.alice.get("/api/v1/usage/calls").await.unwrap();
    let day = &calls["items"][0]["created_at"].as_str().unwrap()[..10];
    let head = "date,model,input_tokens,output_tokens";

    let agrees =
        reconcile(&world, &format!("{head}\n{day},ok,3,5\n"), &["--provider", "custom"]).await;
    assert_eq!(agrees.status.code(), Some(0), "{agrees:?}");
    let said = text(&agrees.stdout);
    assert!(said.contains("1 models and days compared") && said.contains("0 of them"), "{said}");

    let differs = format!("{head}\n{day},ok,4,5\n");
    let table = reconcile(&world, &differs, &[]).await;
    assert_eq!(table.status.code(), Some(1), "{table:?}");
    assert!(text(&table.stdout).contains("prompt_tokens"), "{table:?}");
    let csv = reconcile(&world, &differs, &["--format", "csv"]).await;
    assert_eq!(csv.status.code(), Some(1), "{csv:?}");
    let lines: Vec<&str> = text(&csv.stdout).lines().collect();
    assert_eq!(lines[0], "day,model,figure,ledger,provider,difference,difference_percent,kind");
    assert!(lines[1].starts_with(&format!("{day},ok,prompt_tokens,3,4,1,")), "{csv:?}");
    assert!(lines.len() == 2 && lines[1].ends_with(",different"), "{csv:?}");
    let document = reconcile(&world, &differs, &["--format", "json"]).await;
    assert_eq!(document.status.code(), Some(1), "{document:?}");
    let found: Value = serde_json::from_slice(&document.stdout).unwrap();
    assert_eq!(found["differences"][0]["kind"], "different");
    let within = reconcile(&world, &differs, &["--tolerance-tokens", "1"]).await;
    assert_eq!(within.status.code(), Some(0), "{within:?}");

    for (lines, further, words) in [
        ("when,what\n1,2\n", ["--provider", "custom"], "bill.csv"),
        (differs.as_str(), ["--provider", "nobody"], "nobody"),
        (differs.as_str(), ["--timezone", "Nowhere/Town"], "Nowhere/Town"),
    ] {
        let refused = reconcile(&world, lines, &further).await;
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(refused.stdout.is_empty(), "{refused:?}");
        assert!(text(&refused.stderr).contains(words), "{refused:?}");
    }
}
