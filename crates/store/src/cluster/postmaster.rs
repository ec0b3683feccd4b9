//! The server process: made, started, watched, started again when it dies, and stopped.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, getppid};
use tracing::Level;

use super::ClusterError;
use super::account::Account;
use super::layout::{Layout, PORT};
use super::orphan;

/// Recovery after a crash may take minutes, so a server that lives is waited for this long.
const START_LIMIT: Duration = Duration::from_secs(600);
/// How long the remains of a killed server may hold their shared memory.
const REMAINS_LIMIT: Duration = Duration::from_secs(20);
/// A fast shutdown writes everything out; longer than this and it is broken off.
const STOP_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);
/// Lines of the server's log that are kept to explain a failed start.
const KEPT_LINES: usize = 20;
/// How a line begins that a client's process wrote.
const CLIENT: &str = "client backend ";
/// What a server says that stops: it ends every session and refuses new ones.
const STOPPING: [&str; 2] =
    ["due to administrator command", "FATAL:  the database system is shutting down"];

/// What is started.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) program: PathBuf,
    pub(super) account: Account,
    pub(super) layout: Layout,
    /// Whether the server outlives this program (tests share one).
    pub(super) detached: bool,
}

/// A running server and the thread that watches it.
#[derive(Debug)]
pub(super) struct Postmaster {
    state: Arc<Watched>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Watched {
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Now {
    pid: Option<Pid>,
    stopping: bool,
    ended: bool,
}

impl Watched {
    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut Now)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `done` or the time is over; answers whether it is done.
    fn wait(&self, limit: Duration, done: impl Fn(&Now) -> bool) -> bool {
        let guard = self.lock();
        let waited = self.changed.wait_timeout_while(guard, limit, |now| !done(now));
        done(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }
}

impl Postmaster {
    /// Starts the server and comes back when it accepts connections.
    pub(super) fn start(spec: Spec) -> Result<Self, ClusterError> {
        let state = Arc::new(Watched::default());
        let (sender, first_start) = mpsc::channel();
        let watched = Arc::clone(&state);
        // The server gets a signal when the thread that started it ends, so this thread stays with
        // it for as long as it runs.
        let thread = thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || watch(&spec, &watched, &sender))
            .map_err(|error| ClusterError::Start(error.to_string()))?;
        match first_start.recv() {
            Ok(Ok(())) => Ok(Self { state, thread: Some(thread) }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ClusterError::Start("its watching thread ended".to_owned())),
        }
    }

    /// The server's process, for tests and status; none while it is being started again.
    pub(super) fn pid(&self) -> Option<u32> {
        self.state.lock().pid.and_then(|pid| u32::try_from(pid.as_raw()).ok())
    }

    /// Asks the server to end its sessions and write everything out; does not wait.
    pub(super) fn ask_to_stop(&self) {
        self.signal(Signal::SIGINT);
    }

    /// Stops the server and waits for it.
    pub(super) fn stop(mut self) {
        self.ask_to_stop();
        if !self.state.wait(STOP_LIMIT, |now| now.ended) {
            tracing::warn!("PostgreSQL does not stop; breaking it off");
            self.signal(Signal::SIGQUIT);
            if !self.state.wait(REMAINS_LIMIT, |now| now.ended) {
                tracing::error!("PostgreSQL still runs");
                return;
            }
        }
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }

    fn signal(&self, signal: Signal) {
        let mut now = self.state.lock();
        now.stopping = true;
        if let Some(pid) = now.pid {
            let _gone = nix::sys::signal::kill(pid, signal);
        }
        drop(now);
        self.state.changed.notify_all();
    }
}

/// Starts the server, and again whenever it ends unasked.
fn watch(spec: &Spec, state: &Arc<Watched>, first: &mpsc::Sender<Result<(), ClusterError>>) {
    let mut pause = Duration::from_millis(100);
    let mut started_before = false;
    loop {
        match launch(spec, state) {
            Ok(child) => {
                if !started_before {
                    started_before = first.send(Ok(())).is_ok();
                }
                let since = Instant::now();
                wait_for_end(child, state);
                if since.elapsed() > Duration::from_secs(60) {
                    pause = Duration::from_millis(100);
                }
            }
            Err(error) if started_before => tracing::error!(%error, "PostgreSQL is not running"),
            Err(error) => {
                let _nobody_waits = first.send(Err(error));
                break;
            }
        }
        if spec.detached || state.wait(pause, |now| now.stopping) {
            break;
        }
        tracing::warn!("PostgreSQL ended unasked; starting it again");
        pause = (pause * 2).min(Duration::from_secs(30));
    }
    state.set(|now| now.ended = true);
}

/// Waits without reaping first, so that no signal can go to another process of the same number.
fn wait_for_end(mut child: Child, state: &Watched) {
    let pid = Pid::from_raw(child.id().cast_signed());
    while let Err(nix::errno::Errno::EINTR) =
        waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
    {}
    let mut now = state.lock();
    now.pid = None;
    let status = child.wait();
    drop(now);
    tracing::debug!(?status, "PostgreSQL ended");
}

/// One start, until connections are accepted.
fn launch(spec: &Spec, state: &Arc<Watched>) -> Result<Child, ClusterError> {
    let begin = Instant::now();
    loop {
        orphan::settle(&spec.layout)?;
        let (mut child, log) = spawn(spec, state)?;
        let pid = Pid::from_raw(child.id().cast_signed());
        state.set(|now| now.pid = Some(pid));
        if state.lock().stopping {
            let _gone = nix::sys::signal::kill(pid, Signal::SIGINT);
        }
        let Err(reason) = wait_until_ready(&mut child, &spec.layout.data) else {
            return Ok(child);
        };
        state.set(|now| now.pid = None);
        let text = log.text();
        // The processes of a server that was killed end soon after it, not at once.
        if text.contains("shared memory block") && begin.elapsed() < REMAINS_LIMIT {
            thread::sleep(Duration::from_millis(200));
            continue;
        }
        return Err(ClusterError::Start(if text.is_empty() { reason } else { text }));
    }
}

fn spawn(spec: &Spec, state: &Arc<Watched>) -> Result<(Child, Log), ClusterError> {
    let mut command = spec.account.command(&spec.program);
    command
        .arg("-D")
        .arg(&spec.layout.data)
        .arg("-k")
        .arg(&spec.layout.sockets)
        .args(["-p", &PORT.to_string(), "-c", "listen_addresses="])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let log_file = spec.layout.root.join("postgres.log");
    if spec.detached {
        let file = OpenOptions::new().create(true).append(true).open(&log_file);
        command.stderr(file.map_err(ClusterError::file(&log_file))?);
    } else {
        command.stderr(Stdio::piped());
        end_with_this_thread(&mut command);
    }
    let mut child =
        command.spawn().map_err(|error| cannot_run(&spec.account, &spec.program, &error))?;
    let log = match child.stderr.take() {
        Some(stderr) => Log::follow(stderr, Arc::clone(state)),
        None => Log::File(log_file),
    };
    Ok((child, log))
}

/// Lets the kernel send the server a fast shutdown when this program ends, however it ends.
#[expect(unsafe_code, reason = "only async-signal-safe calls run between fork and exec")]
fn end_with_this_thread(command: &mut Command) {
    let parent = Pid::this();
    // SAFETY: the closure calls prctl and getppid, which are async-signal-safe, and allocates
    // nothing.
    unsafe {
        command.pre_exec(move || {
            set_pdeathsig(Signal::SIGINT)?;
            // The program may have ended before the signal was asked for.
            if getppid() == parent { Ok(()) } else { Err(nix::errno::Errno::ESRCH.into()) }
        });
    }
}

/// What a failed `exec` means.
pub(super) fn cannot_run(
    account: &Account,
    program: &Path,
    error: &std::io::Error,
) -> ClusterError {
    match (account, error.kind()) {
        (Account::Other { name, .. }, std::io::ErrorKind::PermissionDenied) => {
            ClusterError::Account(format!("running {} as '{name}': {error}", program.display()))
        }
        _ => ClusterError::Start(format!("running {}: {error}", program.display())),
    }
}

/// Follows the status in the last line of `postmaster.pid`, as `pg_ctl` does.
fn wait_until_ready(child: &mut Child, data: &Path) -> Result<(), String> {
    let pid = child.id().to_string();
    let begin = Instant::now();
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("it ended with {status}"));
        }
        let file = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        let lines: Vec<_> = file.lines().map(str::trim).collect();
        if lines.first() == Some(&pid.as_str()) && lines.get(7) == Some(&"ready") {
            return Ok(());
        }
        if begin.elapsed() > START_LIMIT {
            let _gone = child.kill();
            let _status = child.wait();
            return Err(format!("it was not ready after {} s", START_LIMIT.as_secs()));
        }
        thread::sleep(POLL);
    }
}

/// What the server wrote: its last lines, or a file.
enum Log {
    Lines { kept: Arc<Mutex<VecDeque<String>>>, reader: Option<JoinHandle<()>> },
    File(PathBuf),
}

impl Log {
    fn follow(stderr: ChildStderr, state: Arc<Watched>) -> Self {
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let writer = Arc::clone(&kept);
        let reader = thread::Builder::new().name("postgres-log".to_owned()).spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let stopping = state.lock().stopping;
                report(&line, stopping);
                let mut kept = writer.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == KEPT_LINES {
                    kept.pop_front();
                }
                kept.push_back(line);
            }
        });
        Self::Lines { kept, reader: reader.ok() }
    }

    /// The last lines; called when the server has ended.
    fn text(self) -> String {
        let lines: Vec<String> = match self {
            Self::Lines { kept, reader } => {
                // Nobody else holds the other end of the pipe but remains of the server.
                if let Some(reader) = reader.filter(JoinHandle::is_finished) {
                    let _panicked = reader.join();
                } else {
                    thread::sleep(Duration::from_millis(50));
                }
                kept.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
            }
            Self::File(path) => match File::open(path) {
                Ok(file) => BufReader::new(file).lines().map_while(Result::ok).collect(),
                Err(_) => Vec::new(),
            },
        };
        lines[lines.len().saturating_sub(KEPT_LINES)..].join("\n")
    }
}

/// Passes a line of the server's log on.
fn report(line: &str, stopping: bool) {
    match level(line, stopping) {
        Level::ERROR => tracing::error!(target: "postgres", "{line}"),
        Level::WARN => tracing::warn!(target: "postgres", "{line}"),
        _ => tracing::debug!(target: "postgres", "{line}"),
    }
}

/// How much a line matters. Errors and warnings of single statements come back to whoever sent them
/// and are told there. That a client is gone happens whenever somebody stops waiting for an answer.
/// Where we are `stopping` the server, it ends sessions that we have not closed, or closed so lately
/// that their processes have not read it yet.
fn level(line: &str, stopping: bool) -> Level {
    let is_expected = line.contains("connection to client lost")
        || stopping && STOPPING.iter().any(|words| line.contains(words));
    let is_fatal = line.contains("FATAL:") && !is_expected;
    let is_ours = line.contains("WARNING:") && !line.starts_with(CLIENT);
    match line.contains("PANIC:") {
        true => Level::ERROR,
        false if is_fatal || is_ours => Level::WARN,
        false => Level::DEBUG,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_is_told_itself_and_its_leaving_are_no_warnings() {
        for (line, wanted) in [
            ("client backend WARNING:  there is already a transaction in progress", Level::DEBUG),
            ("client backend FATAL:  connection to client lost", Level::DEBUG),
            ("client backend LOG:  could not send data to client: Broken pipe", Level::DEBUG),
            ("client backend ERROR:  division by zero", Level::DEBUG),
            ("client backend FATAL:  password authentication failed", Level::WARN),
            ("autovacuum worker WARNING:  could not open statistics file", Level::WARN),
            ("postmaster FATAL:  could not create shared memory segment", Level::WARN),
            ("startup PANIC:  could not locate a valid checkpoint record", Level::ERROR),
        ] {
            assert_eq!(level(line, false), wanted, "{line}");
        }
    }

    #[test]
    fn that_sessions_end_is_a_warning_unless_we_stop_the_server() {
        for line in [
            "client backend FATAL:  terminating connection due to administrator command",
            "autovacuum worker FATAL:  terminating autovacuum process due to administrator command",
            "client backend FATAL:  the database system is shutting down",
        ] {
            assert_eq!(level(line, false), Level::WARN, "{line}");
            assert_eq!(level(line, true), Level::DEBUG, "{line}");
        }
        for (line, wanted) in [
            ("postmaster FATAL:  could not write lock file", Level::WARN),
            ("checkpointer PANIC:  could not write to file", Level::ERROR),
        ] {
            assert_eq!(level(line, true), wanted, "{line}");
        }
    }
}
