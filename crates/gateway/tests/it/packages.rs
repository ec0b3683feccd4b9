//! The official packages of OpenAI and Anthropic for Python and Node against every surface, with a
//! model of every kind of provider behind it. `script/bootstrap --test` installs them.

use std::process::Command;

use serde_json::{Value, json};

use crate::kinds::kinds;
use crate::world::World;

/// What runs a program: Node, or the Python that has the packages.
fn interpreter(program: &str) -> String {
    match program.ends_with(".mjs") {
        true => "node".to_owned(),
        false => std::env::var("LYCEUM_TEST_PYTHON")
            .unwrap_or_else(|_| panic!("LYCEUM_TEST_PYTHON is not set; run script/test")),
    }
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
            let mut command = Command::new(interpreter(&program));
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

/// The rows are those of the calls that the program saw, with the tokens that it saw.
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

/// Every answer that the program saw has its row.
async fn answered(program: &str) {
    let world = World::new().await;
    world.user("ada").await;
    let seen = run(&world, program).await;
    check(&world, &seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openais_package_for_python() {
    answered("openai_client.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropics_package_for_python() {
    answered("anthropic_client.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openais_package_for_node() {
    answered("openai_client.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropics_package_for_node() {
    answered("anthropic_client.mjs").await;
}
