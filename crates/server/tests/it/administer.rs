//! The commands of an administrator beside the running program: a change of the master key that is
//! killed and done again, and the verification of the audit log.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use lyceum_testkit::ServerProcess;
use reqwest::Method;
use serde_json::json;
use tokio::process::Command;

use crate::world::{SETTINGS, World, ask, id, program};

fn command(data: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(words).arg("--data-dir").arg(data).env_remove("DATABASE_URL").kill_on_drop(true);
    command
}

/// What the command prints, and whether it ended well.
async fn run(data: &Path, words: &[&str]) -> anyhow::Result<(bool, String)> {
    let output = command(data, words).output().await?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8(text)?))
}

#[tokio::test]
async fn a_master_key_is_changed_while_the_program_serves() {
    let world = World::new().await.unwrap();
    let model = world.model(&world.alice, "ok").await.unwrap().model;
    let data = world.data.path();
    let file = data.join("secret.key");
    let old = std::fs::read_to_string(&file).unwrap();
    let generated = Command::new(program()).args(["secrets", "generate"]).output().await.unwrap();
    let new = String::from_utf8(generated.stdout).unwrap();
    let new_id = new.split(' ').next().unwrap().to_owned();
    std::fs::write(&file, [&*old, &*new].concat()).unwrap();

    let mut killed = command(data, &["secrets", "rotate"]).stderr(Stdio::piped()).spawn().unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    killed.kill().await.unwrap();
    let (done, said) = loop {
        let (done, said) = run(data, &["secrets", "rotate"]).await.unwrap();
        if !said.contains("another rotation") {
            break (done, said);
        }
    };
    assert!(done && said.contains("going on with a rotation"), "{said}");
    let old_id = old.split(' ').next().unwrap();
    assert!(said.contains(&new_id) && said.contains(old_id), "which key can be removed: {said}");

    // The running program still opens the provider's key, and so does one that has only the new
    // master key.
    let (status, text) = chat(&world, &model).await;
    assert_eq!(status, "completed", "{text}");
    std::fs::write(&file, &new).unwrap();
    let world = world.crash_and_restart().await.unwrap();
    let (status, text) = chat(&world, &model).await;
    assert_eq!(status, "completed", "{text}");

    // With the old one alone it says why it does not start.
    std::fs::write(&file, &old).unwrap();
    let World { server, data, .. } = world;
    server.stop().await.unwrap();
    assert!(ServerProcess::start(program(), data.path(), &SETTINGS).await.is_err());
    let words = ["serve", "--listen", "127.0.0.1:0"];
    let (done, said) = run(data.path(), &words).await.unwrap();
    assert!(!done && said.contains("sealed under the master key"), "{said}");
    assert!(said.contains(&new_id), "{said}");
}

async fn chat(world: &World, model: &str) -> (String, String) {
    let conversation = json!({ "model_config_id": model });
    let conversation = world.alice.post("/api/v1/conversations", conversation).await.unwrap();
    let content = json!({ "content": "Hello" });
    let answer = ask(&world.alice, &id(&conversation).unwrap(), content).await.unwrap();
    (answer["status"].as_str().unwrap_or_default().to_owned(), answer.to_string())
}

#[tokio::test]
async fn the_audit_log_is_verified_beside_the_program_and_without_it() {
    let world = World::new().await.unwrap();
    let chain = linked(&world).await.unwrap();
    let anchor = chain["anchor"].as_str().unwrap().to_owned();
    let verify = ["audit", "verify", "--anchor", &anchor];
    let (intact, said) = run(world.data.path(), &verify).await.unwrap();
    assert!(intact && said.contains("The audit log is intact, and the anchor holds."), "{said}");
    let shifted = anchor.split_once(':').unwrap().1;
    let shifted = ["1:", shifted].concat();
    let verify = ["audit", "verify", "--anchor", &shifted];
    let (intact, said) = run(world.data.path(), &verify).await.unwrap();
    assert!(!intact && said.contains("BROKEN anchor_differs: link 1"), "{said}");

    let World { server, data, .. } = world;
    server.stop().await.unwrap();
    let (intact, said) = run(data.path(), &["audit", "verify"]).await.unwrap();
    assert!(intact && said.contains("The audit log is intact."), "{said}");
}

#[tokio::test]
async fn an_audited_change_says_from_where_and_with_what_program_it_came() {
    let world = World::new().await.unwrap();
    // Longer than is kept of it.
    let agent = "agent/1 ".repeat(100);
    let made = world
        .admin
        .request(Method::POST, "/api/v1/groups")
        .header("user-agent", &agent)
        .json(&json!({ "name": "Readers" }))
        .send()
        .await
        .unwrap();
    let group = id(&made.json().await.unwrap()).unwrap();
    let path = format!("/api/v1/audit-logs?resource_type=group&resource_id={group}");
    let entries = world.admin.get(&path).await.unwrap();
    let entry = &entries["items"][0];
    assert_eq!((&entry["action"], &entry["ip_address"]), (&json!("create"), &json!("127.0.0.1")));
    assert_eq!(entry["user_agent"], agent[..400]);
    linked(&world).await.unwrap();
    let (intact, said) = run(world.data.path(), &["audit", "verify"]).await.unwrap();
    assert!(intact && said.contains("The audit log is intact."), "{said}");
}

/// The chain once everything is linked.
async fn linked(world: &World) -> anyhow::Result<serde_json::Value> {
    for _ in 0..600 {
        let chain = world.admin.get("/api/v1/audit-chain").await?;
        if chain["pending"] == 0 {
            return Ok(chain);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(anyhow::anyhow!("half a minute is over")).context("the audit log was not linked")
}
