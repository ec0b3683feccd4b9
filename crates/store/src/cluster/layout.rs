//! Where the cluster keeps what: one data folder, locked by the program that uses it.
//!
//! ```text
//! lyceum.lock            held while a program uses the folder; names its process
//! postgres.credentials   passwords of the two logins, mode 0600
//! runtime/postgres-…/    the programs, unpacked
//! postgres/data/         the database itself, mode 0700
//! postgres/run/          the socket
//! ```

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use lyceum_core::Secret;
use sha2::{Digest as _, Sha256};

use super::ClusterError;
use super::account::Account;

/// Bytes that the path of a Unix socket may have, its closing zero not counted.
const SOCKET_PATH_LIMIT: usize = 107;
/// PostgreSQL names its socket by a port, even where it listens on none.
pub(super) const PORT: u16 = 5432;

/// The places in one data folder.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) root: PathBuf,
    pub(super) runtime: PathBuf,
    pub(super) home: PathBuf,
    pub(super) data: PathBuf,
    pub(super) sockets: PathBuf,
}

impl Layout {
    /// Makes the folders that are missing. The data folder itself stays this program's; the
    /// account of the server gets a folder in it.
    pub(super) fn prepare(root: &Path, account: &Account) -> Result<Self, ClusterError> {
        fs::create_dir_all(root).map_err(ClusterError::file(root))?;
        let root = root.canonicalize().map_err(ClusterError::file(root))?;
        let mode = if matches!(account, Account::Own) { 0o700 } else { 0o711 };
        fs::set_permissions(&root, Permissions::from_mode(mode))
            .map_err(ClusterError::file(&root))?;
        account.can_reach(&root)?;
        let runtime = root.join("runtime");
        fs::create_dir_all(&runtime)
            .and_then(|()| fs::set_permissions(&runtime, Permissions::from_mode(0o755)))
            .map_err(ClusterError::file(&runtime))?;
        let home = root.join("postgres");
        account.private_folder(&home)?;
        let sockets = socket_folder_of(account, &home.join("run"), &format!(".s.PGSQL.{PORT}"))?;
        Ok(Self { data: home.join("data"), root, runtime, home, sockets })
    }

    /// Locks the folder for this process, or says who has it.
    pub(super) fn lock(root: &Path) -> Result<File, ClusterError> {
        fs::create_dir_all(root).map_err(ClusterError::file(root))?;
        let path = root.join("lyceum.lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(ClusterError::file(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _unreadable = file.read_to_string(&mut holder);
                let pid = match holder.trim() {
                    "" => "unknown".to_owned(),
                    pid => pid.to_owned(),
                };
                return Err(ClusterError::InUse { path: root.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(ClusterError::file(&path)(error)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(ClusterError::file(&path))?;
        Ok(file)
    }
}

/// A private folder of this program for a socket: `wanted`, whose own folder exists, or, where the
/// socket's path would be too long for one, another in the system's folder for such things.
pub fn socket_folder(wanted: &Path, socket: &str) -> Result<PathBuf, ClusterError> {
    socket_folder_of(&Account::Own, wanted, socket)
}

fn socket_folder_of(
    account: &Account,
    wanted: &Path,
    socket: &str,
) -> Result<PathBuf, ClusterError> {
    let folder = if wanted.join(socket).as_os_str().len() <= SOCKET_PATH_LIMIT {
        wanted.to_owned()
    } else {
        let digest = hex::encode(Sha256::digest(wanted.as_os_str().as_bytes()));
        let outside = match std::env::var_os("XDG_RUNTIME_DIR") {
            Some(folder) if matches!(account, Account::Own) && !folder.is_empty() => folder.into(),
            _ => PathBuf::from("/tmp"),
        };
        outside.join(format!("lyceum-{}-{}", account.uid(), &digest[..12]))
    };
    account.private_folder(&folder)?;
    Ok(folder)
}

/// The passwords of the two logins.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    pub(super) owner: Secret,
    pub(super) app: Secret,
}

impl Credentials {
    /// Reads them, or makes them where there are none.
    pub(super) fn load_or_create(root: &Path) -> Result<Self, ClusterError> {
        let path = root.join("postgres.credentials");
        let malformed =
            || std::io::Error::other("has not the lines 'owner <password>' and 'app <password>'");
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text).ok_or_else(malformed).map_err(ClusterError::file(&path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::create(&path),
            Err(error) => Err(ClusterError::file(&path)(error)),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            Some(Secret::new(line.strip_prefix(' ')?.trim())).filter(|secret| !secret.is_empty())
        };
        Some(Self { owner: value("owner")?, app: value("app")? })
    }

    fn create(path: &Path) -> Result<Self, ClusterError> {
        let made = Self { owner: password(path)?, app: password(path)? };
        let partial = path.with_extension("new");
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&partial)?;
            writeln!(file, "owner {}\napp {}", made.owner.expose(), made.app.expose())?;
            file.sync_all()?;
            fs::rename(&partial, path)
        };
        write().map_err(ClusterError::file(path))?;
        Ok(made)
    }
}

fn password(path: &Path) -> Result<Secret, ClusterError> {
    let mut bytes = [0u8; 24];
    getrandom::fill(&mut bytes)
        .map_err(|error| ClusterError::file(path)(std::io::Error::other(error.to_string())))?;
    Ok(Secret::new(hex::encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_lies_where_it_is_wanted_unless_its_path_is_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("engine");
        assert_eq!(socket_folder(&wanted, "engine.sock").unwrap(), wanted);
        let deep = folder.path().join("x".repeat(100));
        let elsewhere = socket_folder(&deep, "engine.sock").unwrap();
        assert!(!deep.exists());
        assert!(elsewhere.join("engine.sock").as_os_str().len() <= SOCKET_PATH_LIMIT);
        let other = socket_folder(&folder.path().join("y".repeat(100)), "engine.sock").unwrap();
        assert_ne!(elsewhere, other);
        for folder in [wanted, elsewhere.clone(), other.clone()] {
            let mode = fs::metadata(&folder).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
        }
        for made in [elsewhere, other] {
            fs::remove_dir(made).unwrap();
        }
    }
}
