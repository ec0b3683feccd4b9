//! The program whose file is replaced under it, as by an update in place or a build.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::world::{World, id, knowledge_base, pdf, processed, program, upload};

/// The engine's process as the status tells it, once it runs and was started again so many times.
async fn engine(world: &World, restarts: u64) -> Value {
    for _ in 0..600 {
        let status = world.admin.get("/api/v1/system/status").await.unwrap();
        let process = &status["parts"]["engine"]["process"];
        if process["state"] == "ready" && process["restarts"] == restarts {
            return process.clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the engine's process was not started {restarts} times again within half a minute")
}

#[tokio::test]
async fn a_program_whose_file_is_gone_still_starts_its_child_processes() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("lyceum");
    std::fs::copy(program(), &copy).unwrap();
    let world = World::with(&copy, &[]).await.unwrap();
    std::fs::remove_file(&copy).unwrap();
    let process = engine(&world, 0).await;
    let pid = i32::try_from(process["pid"].as_i64().unwrap()).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    engine(&world, 1).await;
    let ready = world.admin.get("/api/v1/ready").await.unwrap();
    assert_eq!(ready, json!({ "ready": true, "database": true, "missing": [] }));
    // The document is read by a process of its own, and embedded by the engine's.
    let base = knowledge_base(&world.alice, "updates").await.unwrap();
    let file = pdf("The lighthouse was painted in May.");
    let (_, document) = upload(&world.alice, &base, "lighthouse.pdf", file).await.unwrap();
    let found = processed(&world.alice, &id(&document).unwrap()).await.unwrap();
    assert_eq!(found["status"], "completed", "{found}");
}
