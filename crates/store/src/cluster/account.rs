//! Who PostgreSQL runs as. It refuses root, so the program, when it is root, hands it to an
//! unprivileged account.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use nix::unistd::{User, geteuid};

use super::ClusterError;

/// The account that is made on a machine where the program runs as root.
const OWN_ACCOUNT: &str = "lyceum";

/// The account of the server process.
#[derive(Clone, Debug)]
pub(super) enum Account {
    /// The one this program runs as.
    Own,
    /// Another one; this program is root.
    Other { name: String, uid: u32, gid: u32 },
}

impl Account {
    /// Chooses: this program's own account, unless it is root; then `wanted`, or `lyceum`
    /// (made where it is missing), or `nobody`.
    pub(super) fn choose(wanted: Option<&str>) -> Result<Self, ClusterError> {
        if !geteuid().is_root() {
            return Ok(Self::Own);
        }
        if let Some(name) = wanted {
            return find(name)?
                .ok_or_else(|| ClusterError::Account(format!("there is no user '{name}'")));
        }
        if find(OWN_ACCOUNT)?.is_none() {
            make_own_account();
        }
        for name in [OWN_ACCOUNT, "nobody"] {
            if let Some(account) = find(name)? {
                return Ok(account);
            }
        }
        Err(ClusterError::Account(format!("make one with: useradd --system {OWN_ACCOUNT}")))
    }

    /// A command that runs as this account, in a clean environment and a process group of its
    /// own, so that Ctrl-C in the terminal reaches this program only.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").current_dir("/").process_group(0);
        if let Some(path) = env::var_os("PATH") {
            command.env("PATH", path);
        }
        if let Self::Other { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid);
        }
        command
    }

    /// Makes `path` belong to this account.
    pub(super) fn own(&self, path: &Path) -> Result<(), ClusterError> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid, .. } => {
                chown(path, Some(*uid), Some(*gid)).map_err(ClusterError::file(path))
            }
        }
    }

    /// Makes the folder `path` of this account, mode 0700; one that is there must be its own.
    pub(super) fn private_folder(&self, path: &Path) -> Result<(), ClusterError> {
        match fs::create_dir(path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(ClusterError::file(path)(error)),
        }
        let found = fs::symlink_metadata(path).map_err(ClusterError::file(path))?;
        let allowed = [geteuid().as_raw(), self.uid()];
        if !found.is_dir() || !allowed.contains(&found.uid()) {
            let refused = std::io::Error::other("belongs to somebody else");
            return Err(ClusterError::file(path)(refused));
        }
        self.own(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(ClusterError::file(path))
    }

    /// Fails where this account cannot enter one of the folders down to `path`.
    pub(super) fn can_reach(&self, path: &Path) -> Result<(), ClusterError> {
        let Self::Other { name, uid, gid } = self else { return Ok(()) };
        let mut folders: Vec<_> = path.ancestors().collect();
        folders.reverse();
        for folder in folders {
            let found = fs::metadata(folder).map_err(ClusterError::file(folder))?;
            let bit = if found.uid() == *uid {
                0o100
            } else if found.gid() == *gid {
                0o010
            } else {
                0o001
            };
            if found.mode() & bit == 0 {
                let (path, user) = (folder.to_owned(), name.clone());
                return Err(ClusterError::Unreachable { path, user });
            }
        }
        Ok(())
    }

    pub(super) fn uid(&self) -> u32 {
        match self {
            Self::Own => geteuid().as_raw(),
            Self::Other { uid, .. } => *uid,
        }
    }
}

fn find(name: &str) -> Result<Option<Account>, ClusterError> {
    let user = User::from_name(name)
        .map_err(|error| ClusterError::Account(format!("looking up '{name}': {error}")))?;
    match user {
        Some(user) if user.uid.is_root() => {
            Err(ClusterError::Account(format!("'{name}' is root itself")))
        }
        Some(user) => Ok(Some(Account::Other {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
        })),
        None => Ok(None),
    }
}

fn make_own_account() {
    let made = Command::new("useradd")
        .args(["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"])
        .args(["--shell", "/usr/sbin/nologin", OWN_ACCOUNT])
        .output();
    match made {
        Ok(output) if output.status.success() => {
            tracing::info!(user = OWN_ACCOUNT, "made a system user to run PostgreSQL as");
        }
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            tracing::warn!(user = OWN_ACCOUNT, reason, "useradd failed");
        }
        Err(error) => tracing::warn!(user = OWN_ACCOUNT, %error, "useradd cannot be run"),
    }
}
