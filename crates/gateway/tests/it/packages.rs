//! The official Python packages `openai` and `anthropic` against every surface, with a model of
//! every kind of provider behind it.

use std::process::Command;

use serde_json::{Value, json};

use crate::kinds::kinds;
use crate::world::World;

/// The interpreter with the packages, made by `script/bootstrap --test`.
fn python() -> String {
    std::env::var("LYCEUM_TEST_PYTHON").expect("LYCEUM_TEST_PYTHON is not set; run script/test")
}

/// Models of every kind of provider: one that thinks, and one that calls a tool where it can.
async fn models(world: &World) -> Value {
    let mut models = Vec::new();
    for (number, kind) in kinds().iter().enumerate() {
        let name = format!("{}-{number}", kind.provider);
        let provider = world.at_kind(kind, &name).await;
        world.model_at(&provider, &name, "think").await;
        for behaviour in ["tools", "cut"] {
            world.model_at(&provider, &format!("{name}-{behaviour}"), behaviour).await;
        }
        let (cached, reasons) = kind.counts;
        models.push(json!({"name": name, "cached": u64::from(cached),
            "reasoning": if reasons { 3 } else { 0 }, "calls_tools": kind.calls_tools}));
    }
    json!(models)
}

/// Runs a program with the gateway behind a port; what it printed.
async fn run(world: &World, program: &str) -> Value {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let app = world.app.clone();
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let models = models(world).await;
    let run = tokio::task::spawn_blocking({
        // From the crate's folder, in which tests run.
        let program = format!("tests/packages/{program}");
        move || {
            let mut command = Command::new(python());
            command.arg(program).env("ORIGIN", origin).env("MODELS", models.to_string());
            command.output().unwrap()
        }
    });
    let output = run.await.unwrap();
    serving.abort();
    let printed = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{complaints}");
    serde_json::from_str(&printed).unwrap()
}

/// Every answer that the program saw has its row, and the rows have the tokens that it saw.
async fn check(world: &World, seen: &Value) {
    let rows = world.ledger().await;
    let completed = rows.iter().filter(|row| row.status == "completed");
    assert_eq!(completed.clone().count() as u64, seen["calls"].as_u64().unwrap());
    let tokens: i64 = completed.map(|row| row.completion_tokens).sum();
    assert_eq!(tokens, seen["completion_tokens"].as_i64().unwrap());
    let failed = rows.iter().filter(|row| row.status == "failed").count();
    assert_eq!(failed as u64, seen["failures"].as_u64().unwrap());
    assert_eq!(rows.iter().filter(|row| row.status == "cancelled").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_and_completions_by_the_official_openai_package() {
    let world = World::new().await;
    world.user("ada").await;
    let seen = run(&world, "openai_client.py").await;
    check(&world, &seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_by_the_official_anthropic_package() {
    let world = World::new().await;
    world.user("ada").await;
    let seen = run(&world, "anthropic_client.py").await;
    check(&world, &seen).await;
}
