//! Redis (or Valkey) as the memory that all nodes share, where one is configured. It is never
//! needed: while it is away every question is answered by `None` at once, and whoever asks has
//! another way. Nothing lies in it that could not be lost.

mod error;
mod link;
mod tls;
mod trial;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinHandle;

pub use ::redis::{Cmd, FromRedisValue, Pipeline, Script, ScriptInvocation, cmd, pipe};
pub use error::RedisError;

use link::Link;

/// How long Redis may take for an answer where nobody says otherwise.
pub const PATIENCE: Duration = Duration::from_millis(250);

/// Stands before every key, so that others can use the same server.
const PREFIX: &str = "lyceum:";

/// Where Redis is.
#[derive(Clone)]
pub struct RedisSettings {
    /// `redis://`, `rediss://` (TLS) or `unix://`; may hold a password.
    pub url: String,
    /// Certificates in PEM of the authorities that are trusted over TLS instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How long one question may take; then Redis counts as away.
    pub patience: Duration,
}

/// How Redis is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RedisStatus {
    /// Where it is, without a password.
    pub address: String,
    /// What it says of itself while it answers; absent while it is away.
    pub health: Option<RedisHealth>,
    /// Why it is away.
    pub reason: Option<String>,
    /// For how long it has been as it is.
    pub for_seconds: u64,
    /// The command that it refused last while it answered, as of a user who lacks a right. Absent an
    /// hour later, and after it was connected to again and refused none.
    pub refused: Option<RedisRefusal>,
}

/// A command that Redis refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RedisRefusal {
    /// Which, as far as Redis says, and why.
    pub reason: String,
    /// How long ago.
    pub seconds_ago: u64,
}

/// What Redis says of itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RedisHealth {
    /// `redis 7.0.15` or the like.
    pub version: String,
    /// How long the last look took.
    pub latency_ms: f64,
}

/// A Redis that is connected, or will be again. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Redis {
    link: Arc<Link>,
    _keeper: Arc<Keeper>,
}

impl Redis {
    /// Connects. One that cannot be reached is no error, it is tried again until it answers; one
    /// that refuses us (a wrong password or certificate, say, or no Redis at all) is.
    pub async fn connect(settings: RedisSettings) -> Result<Self, RedisError> {
        let link = Arc::new(Link::new(&settings)?);
        link.open().await?;
        let keeping = link.clone();
        let keeper = Keeper(tokio::spawn(async move { keeping.keep().await }));
        Ok(Self { link, _keeper: Arc::new(keeper) })
    }

    /// The full key of `name`.
    pub fn key(name: impl std::fmt::Display) -> String {
        format!("{PREFIX}{name}")
    }

    /// What Redis answers; nothing where it is away or refuses. A refusal of this one question is told
    /// in the log, once an hour at most, and is in nobody else's way.
    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Option<T> {
        self.link.ask(async |connection| command.query_async(connection).await).await
    }

    /// What Redis answers to several commands in one round trip.
    pub async fn ask_all<T: FromRedisValue>(&self, commands: &Pipeline) -> Option<T> {
        self.link.ask(async |connection| commands.query_async(connection).await).await
    }

    /// What a script answers, in one round trip where Redis knows it already.
    pub async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Option<T> {
        self.link.ask(async |connection| script.invoke_async(connection).await).await
    }

    /// Whether it answered when it was last asked.
    pub fn is_up(&self) -> bool {
        self.link.is_up()
    }

    /// How it is, from memory.
    pub fn status(&self) -> RedisStatus {
        self.link.status(Instant::now())
    }
}

/// The task that looks after the connection; it ends with the last handle.
struct Keeper(JoinHandle<()>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}
