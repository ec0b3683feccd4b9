use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{EngineConfig, EngineStatus};
use crate::child::{CONFIG_VARIABLE, ChildConfig};

/// Until the process listens.
const START_LIMIT: Duration = Duration::from_secs(15);
/// Until it ends when asked to.
const STOP_LIMIT: Duration = Duration::from_secs(2);
/// The pauses before a start after a failure grow from the first to the second.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// A process that lived so long did not fail at starting.
const STEADY: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    phase: Phase,
    starts: u64,
    last_error: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Starting,
    Ready {
        pid: u32,
    },
    Down,
    Stopped,
}

impl State {
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready { .. })
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    pub(super) fn starts(&self) -> u64 {
        self.starts
    }

    pub(super) fn status(&self) -> EngineStatus {
        let (state, pid) = match self.phase {
            Phase::Starting => ("starting", None),
            Phase::Ready { pid } => ("ready", Some(pid)),
            Phase::Down => ("down", None),
            Phase::Stopped => ("stopped", None),
        };
        let restarts = self.starts.saturating_sub(1);
        EngineStatus { state, pid, restarts, last_error: self.last_error.clone() }
    }
}

/// Starts the process again and again until `stop`.
pub(super) async fn supervise(
    config: EngineConfig,
    child: ChildConfig,
    state: watch::Sender<State>,
    stop: CancellationToken,
) {
    let mut pause = BACK_OFF.0;
    while !stop.is_cancelled() {
        state.send_modify(|state| {
            state.phase = Phase::Starting;
            state.starts += 1;
        });
        let begun = Instant::now();
        let Err(reason) = live(&config, &child, &state, &stop).await else { break };
        tracing::error!(reason, "the engine process is down");
        state.send_modify(|state| {
            state.phase = Phase::Down;
            state.last_error = Some(reason);
        });
        pause = if begun.elapsed() > STEADY { BACK_OFF.0 } else { pause };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
        pause = (pause * 2).min(BACK_OFF.1);
    }
    let _ = std::fs::remove_file(&child.socket);
    state.send_modify(|state| state.phase = Phase::Stopped);
}

/// One life of the process. `Ok` when it was stopped on purpose.
async fn live(
    config: &EngineConfig,
    child: &ChildConfig,
    state: &watch::Sender<State>,
    stop: &CancellationToken,
) -> Result<(), String> {
    let _ = std::fs::remove_file(&child.socket);
    let mut process = spawn(config, child)?;
    // Held here, since waiting for a child closes its standard input, which ends it.
    let mut lifeline = process.stdin.take();
    tokio::select! {
        heard = listening(child) => heard?,
        exit = process.wait() => return Err(describe(exit)),
        () = stop.cancelled() => {
            end(process, lifeline.take()).await;
            return Ok(());
        }
    }
    let pid = process.id().unwrap_or_default();
    tracing::info!(pid, "the engine process is ready");
    state.send_modify(|state| state.phase = Phase::Ready { pid });
    tokio::select! {
        exit = process.wait() => Err(describe(exit)),
        () = stop.cancelled() => {
            end(process, lifeline.take()).await;
            Ok(())
        }
    }
}

/// What the process gets of this program's environment.
const INHERITED: [&str; 5] =
    ["PATH", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "RUST_BACKTRACE", "LYCEUM_ENGINE_NATIVE_LOG"];

fn spawn(config: &EngineConfig, child: &ChildConfig) -> Result<Child, String> {
    let settings = serde_json::to_string(child).map_err(|error| error.to_string())?;
    let mut command = Command::new(&config.program);
    command
        .arg0("lyceum")
        .args(&config.args)
        // Native code has no business with this program's environment, which may hold passwords.
        .env_clear()
        .envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env(CONFIG_VARIABLE, settings)
        // The process ends when this pipe does, even if this program is killed.
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    command.spawn().map_err(|error| format!("{}: {error}", config.program.display()))
}

async fn listening(child: &ChildConfig) -> Result<(), String> {
    let begun = Instant::now();
    while begun.elapsed() < START_LIMIT {
        if UnixStream::connect(&child.socket).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(format!("it did not listen within {START_LIMIT:?}"))
}

async fn end(mut process: Child, lifeline: Option<ChildStdin>) {
    drop(lifeline);
    if tokio::time::timeout(STOP_LIMIT, process.wait()).await.is_err() {
        let _ = process.kill().await;
    }
}

fn describe(exit: std::io::Result<std::process::ExitStatus>) -> String {
    match exit {
        Ok(status) => format!("it ended with {status}"),
        Err(error) => error.to_string(),
    }
}
