//! The engine process: an OpenAI-compatible server on a Unix socket, in front of the models' threads.

mod api;
mod chat;
mod embed;
mod failure;
pub(crate) mod inbox;
mod models;
mod queue;
mod template;
pub(crate) mod text;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::catalogue::Catalogue;
use models::Models;

pub use api::{Health, LoadedModel};
pub(crate) use api::{TokenizeRequest, TokenizeResponse};
pub(crate) use chat::USER_HEADER;
pub(crate) use embed::{EmbedRequest, Input};

/// The variable in which the supervisor hands over the child's configuration, as JSON.
pub const CONFIG_VARIABLE: &str = "LYCEUM_ENGINE_CONFIG";

/// How the engine process runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChildConfig {
    /// The Unix socket to listen on; whatever is there is replaced.
    pub socket: PathBuf,
    /// The models folder.
    pub models: PathBuf,
    /// Threads of one decoding; all physical cores that the process may use but one, where absent.
    #[serde(default)]
    pub threads: Option<usize>,
    /// Answers that one model generates at the same time.
    #[serde(default = "default_slots")]
    pub slots: usize,
    /// Tokens that all answers of one model share as cache, thus also the longest conversation.
    #[serde(default = "default_context_tokens")]
    pub context_tokens: usize,
    /// Requests that may wait for one model.
    #[serde(default = "default_queue")]
    pub queue: usize,
    /// A model that nobody has used for so long is unloaded; 0 keeps it.
    #[serde(default = "default_idle_seconds")]
    pub idle_seconds: u64,
    /// Whether the end of standard input (the parent is gone) ends the process.
    #[serde(default)]
    pub watch_stdin: bool,
}

pub(crate) fn default_slots() -> usize {
    8
}

pub(crate) fn default_context_tokens() -> usize {
    16_384
}

pub(crate) fn default_queue() -> usize {
    64
}

pub(crate) fn default_idle_seconds() -> u64 {
    900
}

/// Why the engine process could not start.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The configuration is missing or not understood.
    #[error("{CONFIG_VARIABLE}: {0}")]
    Config(String),
    /// The socket cannot be used.
    #[error("{}: {source}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The runtime failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl ChildConfig {
    /// The configuration that the supervisor handed over.
    pub fn from_env() -> Result<Self, ChildError> {
        let text = std::env::var(CONFIG_VARIABLE).map_err(|_| {
            ChildError::Config("not set; the server starts this process".to_owned())
        })?;
        serde_json::from_str(&text).map_err(|error| ChildError::Config(error.to_string()))
    }
}

/// The whole program of the engine process, with the configuration from the environment: makes a
/// small runtime and serves until it is stopped.
pub fn main() -> Result<(), ChildError> {
    let config = ChildConfig::from_env()?;
    // In lists of processes; else it were `exe`, by the link that started it.
    let _ = std::fs::write("/proc/self/comm", "lyceum-engine");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let served = runtime.block_on(run(config));
    // Threads inside native code are not waited for.
    runtime.shutdown_background();
    served
}

/// Serves until the process is stopped.
pub async fn run(config: ChildConfig) -> Result<(), ChildError> {
    if config.watch_stdin {
        end_with_parent();
    }
    let failed = |source| ChildError::Socket { path: config.socket.clone(), source };
    match std::fs::remove_file(&config.socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = tokio::net::UnixListener::bind(&config.socket).map_err(failed)?;
    let models = Arc::new(Models::new(Catalogue::built_in(), &config));
    if config.idle_seconds > 0 {
        unload_idle(&models, Duration::from_secs(config.idle_seconds));
    }
    tracing::info!(socket = %config.socket.display(), "engine ready");
    axum::serve(listener, api::router(models)).await?;
    Ok(())
}

/// Ends the process when standard input ends, which it does when the parent is gone, however it
/// went. (A parent-death signal would come when the thread that spawned the child ends.)
fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        std::process::exit(0);
    });
}

fn unload_idle(models: &Arc<Models>, idle: Duration) {
    let models = Arc::downgrade(models);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(idle.min(Duration::from_secs(30)));
        loop {
            ticks.tick().await;
            let Some(models) = models.upgrade() else { return };
            models.unload_idle(idle);
        }
    });
}
