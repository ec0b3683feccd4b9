//! What a program that was killed may leave behind: a server that still runs, its processes, or
//! its lock files.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::ClusterError;
use super::layout::{Layout, PORT};

/// In the folder of the data.
const PID_FILE: &str = "postmaster.pid";
/// How long each kind of request to stop is given.
const PATIENCE: [(Signal, Duration); 3] = [
    (Signal::SIGINT, Duration::from_secs(30)),
    (Signal::SIGQUIT, Duration::from_secs(10)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];

/// The server that runs on `data`, if one does.
pub(super) fn running(data: &Path) -> Option<u32> {
    let pid = recorded(&data.join(PID_FILE))?;
    let pid = u32::try_from(pid).ok()?;
    servers(data).contains(&pid).then_some(pid)
}

/// The folder of the socket of the server that runs on `data`, if one does.
pub(super) fn sockets(data: &Path) -> Option<PathBuf> {
    running(data)?;
    let text = fs::read_to_string(data.join(PID_FILE)).ok()?;
    text.lines().nth(4).filter(|line| !line.is_empty()).map(PathBuf::from)
}

/// Stops whatever still runs on the data, and removes lock files that name a stranger. The caller
/// holds the lock of the data folder, so whatever runs belongs to nobody.
pub(super) fn settle(layout: &Layout) -> Result<(), ClusterError> {
    let data = &layout.data;
    if let Some(pid) = running(data) {
        tracing::warn!(pid, "a PostgreSQL of an earlier run is still there; stopping it");
        stop(pid, data)?;
    }
    // PostgreSQL takes any living process of that number for its predecessor. In a container the
    // numbers come again soon.
    for lock in [data.join(PID_FILE), layout.sockets.join(format!(".s.PGSQL.{PORT}.lock"))] {
        if recorded(&lock).is_some_and(is_alive) && servers(data).is_empty() {
            fs::remove_file(&lock).map_err(ClusterError::file(&lock))?;
        }
    }
    Ok(())
}

fn stop(pid: u32, data: &Path) -> Result<(), ClusterError> {
    let process = Pid::from_raw(pid.cast_signed());
    for (signal, patience) in PATIENCE {
        let _gone = kill(process, signal);
        let begin = Instant::now();
        while begin.elapsed() < patience {
            if servers(data).is_empty() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
    Err(ClusterError::Start(format!("process {pid} still runs on {}", data.display())))
}

/// The process that a lock file names.
fn recorded(lock: &Path) -> Option<i32> {
    let text = fs::read_to_string(lock).ok()?;
    text.lines().next()?.trim().parse().ok().filter(|pid| *pid > 0)
}

fn is_alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None) != Err(nix::errno::Errno::ESRCH)
}

/// The processes of a server on `data`: all of them have it as their working folder.
fn servers(data: &Path) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let data: PathBuf = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    processes
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data))
        .filter(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.trim().starts_with("postgres")
        })
        .collect()
}
