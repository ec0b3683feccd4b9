//! The official packages of OpenAI and Anthropic for Python and Node against every surface, with a
//! model of every kind of provider behind it. `script/bootstrap --test` installs them.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use serde_json::{Value, json};

use crate::kinds::kinds;
use crate::quotas::limit;
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
async fn run(app: Router, program: &str, models: Value) -> Value {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
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
    let models = models(&world).await;
    let seen = run(world.app.clone(), program, models).await;
    check(&world, &seen).await;
}

/// The package asks again by itself where that helps, and at once gives up where it does not.
async fn retried(program: &str) {
    let world = World::new().await;
    world.admin("root").await;
    let spent = world.user("spent").await;
    limit(&world, "users", spent, json!({"max_api_calls": 1})).await;
    let question = json!({"model": "local-chat", "messages": [{"role": "user", "content": "one"}]});
    let (status, answer) = world.send("spent", "POST", "/v1/chat/completions", question).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    // As long as the quota does not know what the call took, another may do in a second.
    world.gateway.flush().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    for model in ["status-401", "limited-1"] {
        world.model("ada", &provider, model, "chat").await;
    }
    let requests = Arc::new(AtomicU64::new(0));
    let counted = requests.clone();
    let count = from_fn(move |request: Request, next: Next| {
        counted.fetch_add(1, Ordering::SeqCst);
        next.run(request)
    });
    run(world.app.clone().layer(count), program, Value::Null).await;
    let calls = |model| world.upstream.calls_of(model);
    assert_eq!((calls("local-chat"), calls("status-401"), calls("limited-1")), (1, 1, 2));
    // One that the quota refused, one that the provider did, and one that was busy at first.
    assert_eq!(requests.load(Ordering::SeqCst), 4);
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

#[tokio::test(flavor = "multi_thread")]
async fn openais_package_for_python_asks_again_only_where_it_helps() {
    retried("openai_retries.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropics_package_for_python_asks_again_only_where_it_helps() {
    retried("anthropic_retries.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openais_package_for_node_asks_again_only_where_it_helps() {
    retried("openai_retries.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropics_package_for_node_asks_again_only_where_it_helps() {
    retried("anthropic_retries.mjs").await;
}
