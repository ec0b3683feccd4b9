//! LiteLLM's proxy, without its database, with as many workers as there are cores.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use lyceum_testkit::http_client;

use super::group::Group;

/// The key that it asks for.
pub const KEY: &str = "sk-bench";

/// The longest that it may take to start.
const PATIENCE: Duration = Duration::from_secs(180);

/// Starts it in `folder` and waits until it answers; answers its address.
pub async fn start(
    program: &Path,
    upstream: &str,
    granian: bool,
    folder: &Path,
) -> anyhow::Result<(Group, String)> {
    let config = folder.join(if granian { "granian.yaml" } else { "uvicorn.yaml" });
    std::fs::write(&config, configuration(upstream))?;
    let port = free_port()?.to_string();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    let config = config.to_string_lossy();
    let mut arguments = vec!["--config", &config, "--host", "127.0.0.1", "--port", &port];
    arguments.extend(["--num_workers", &workers]);
    if granian {
        arguments.push("--run_granian");
    } else {
        // By default uvicorn kills workers that need more than 5 s to start, on a busy machine all.
        arguments.extend(["--timeout_worker_healthcheck", "120"]);
    }
    let environment = [
        // The prices that it carries, instead of those on its site.
        ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
        ("LITELLM_LOG", "ERROR"),
        ("LITELLM_MODE", "PRODUCTION"),
        ("LITELLM_TELEMETRY", "False"),
        ("NO_DOCS", "True"),
    ];
    let mut group = Group::start(program, &arguments, &environment, folder)?;
    // Read, so that it never blocks on a full pipe.
    let mut output = group.output().context("no standard output")?;
    tokio::spawn(async move { tokio::io::copy(&mut output, &mut tokio::io::sink()).await });
    let address = format!("http://127.0.0.1:{port}");
    let (client, ready) = (http_client()?, format!("{address}/health/liveliness"));
    let waiting = async {
        loop {
            anyhow::ensure!(!group.has_ended(), "LiteLLM ended before it was ready");
            match client.get(&ready).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.context("LiteLLM was not ready in time")??;
    Ok((group, address))
}

fn configuration(upstream: &str) -> String {
    format!(
        "model_list:\n  - model_name: ok\n    litellm_params:\n      model: openai/ok\n      \
         api_base: {upstream}\n      api_key: upstream\ngeneral_settings:\n  master_key: {KEY}\n"
    )
}

/// A port that was free a moment ago; it takes none of its own choice.
fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
