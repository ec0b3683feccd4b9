//! A program in a process group of its own, which ends with all of its children.

use std::path::Path;
use std::process::Stdio;

use anyhow::Context as _;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStdout, Command};

/// A running group.
pub struct Group {
    child: Child,
    pub pid: u32,
}

impl Group {
    /// Starts `program`; its output is read, or dropped with it.
    pub fn start(
        program: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        // Strangers' programs get nothing of this environment.
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", folder);
        command.args(arguments).envs(environment.iter().copied()).current_dir(folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = command.process_group(0).kill_on_drop(true).spawn();
        let child = child.with_context(|| format!("{} does not start", program.display()))?;
        let pid = child.id().context("it has ended already")?;
        Ok(Self { child, pid })
    }

    /// Its standard output, once.
    pub fn output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.pid)
            && !self.has_ended()
        {
            // They hold nothing that must be put away.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
