//! The first start of a data folder, and the settings at each start.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::account::Account;
use super::binaries::Programs;
use super::layout::{Credentials, Layout};
use super::postmaster::cannot_run;
use super::{ClusterError, OWNER};

/// Written anew at each start. `ALTER SYSTEM` goes over them, and the caller's settings do.
const SETTINGS: &str = "\
max_connections = 100
log_checkpoints = off
shared_buffers = '128MB'
maintenance_work_mem = '128MB'
wal_compression = on
max_wal_size = '2GB'
random_page_cost = 1.1
jit = off
timezone = 'UTC'
password_encryption = 'scram-sha-256'
log_error_verbosity = terse
log_min_error_statement = panic
log_line_prefix = '%b '
idle_in_transaction_session_timeout = '10min'
";
const SETTINGS_FILE: &str = "lyceum.conf";

/// Makes the database files where there are none, and checks the version of those that are there.
pub(super) fn initialise(
    layout: &Layout,
    account: &Account,
    programs: &Programs,
    credentials: &Credentials,
) -> Result<(), ClusterError> {
    let version = layout.data.join("PG_VERSION");
    match fs::read_to_string(&version) {
        Ok(text) if text.trim() == programs.major => Ok(()),
        Ok(text) => Err(ClusterError::VersionMismatch {
            path: layout.data.clone(),
            data: text.trim().to_owned(),
            binaries: programs.major.clone(),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            run_initdb(layout, account, programs, credentials)
        }
        Err(error) => Err(ClusterError::file(&version)(error)),
    }
}

/// Into a folder beside, which gets its name when it is whole.
fn run_initdb(
    layout: &Layout,
    account: &Account,
    programs: &Programs,
    credentials: &Credentials,
) -> Result<(), ClusterError> {
    let partial = layout.home.join("data.new");
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(ClusterError::file(&partial))?;
    }
    let mut password =
        tempfile::NamedTempFile::new_in(&layout.home).map_err(ClusterError::file(&layout.home))?;
    writeln!(password, "{}", credentials.owner.expose())
        .map_err(ClusterError::file(password.path()))?;
    account.own(password.path())?;

    let program = programs.path("initdb");
    let mut command = account.command(&program);
    command
        .arg("--pgdata")
        .arg(&partial)
        .arg("--pwfile")
        .arg(password.path())
        .args(["--username", OWNER, "--auth=scram-sha-256", "--encoding=UTF8"])
        .args(["--data-checksums", "--no-instructions"]);
    // Byte order, with the letters of all scripts known, and the same on every machine.
    if programs.major.parse::<u32>().unwrap_or(0) >= 17 {
        command.args(["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]);
    } else {
        command.arg("--locale=C.UTF-8");
    }
    tracing::info!(folder = %layout.data.display(), "making the database");
    let output = command.output().map_err(|error| cannot_run(account, &program, &error))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(ClusterError::Initialise(text.trim().to_owned()));
    }
    let configuration = partial.join("postgresql.conf");
    append(&configuration, &format!("\ninclude_if_exists = '{SETTINGS_FILE}'\n"))?;
    fs::rename(&partial, &layout.data).map_err(ClusterError::file(&layout.data))
}

/// Writes the settings for this start.
pub(super) fn configure(
    layout: &Layout,
    account: &Account,
    settings: &[(String, String)],
) -> Result<(), ClusterError> {
    let path = layout.data.join(SETTINGS_FILE);
    let mut text = SETTINGS.to_owned();
    for (name, value) in settings {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        if !name.chars().all(is_name) || value.contains(['\n', '\\']) {
            return Err(ClusterError::Start(format!("'{name}' is not a setting of PostgreSQL")));
        }
        let _infallible = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
    }
    fs::write(&path, text).map_err(ClusterError::file(&path))?;
    account.own(&path)
}

fn append(path: &Path, text: &str) -> Result<(), ClusterError> {
    let mut file =
        fs::OpenOptions::new().append(true).open(path).map_err(ClusterError::file(path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(ClusterError::file(path))
}
