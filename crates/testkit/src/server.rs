//! The PostgreSQL that all test processes of a run share. The first one starts it; it stops by
//! itself when no test used it for ten minutes.

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use lyceum_store::cluster::{Binaries, Cluster, ClusterConfig};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::geteuid;

/// Nothing here has to survive anything.
const SETTINGS: [(&str, &str); 8] = [
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("max_connections", "200"),
    ("autovacuum", "off"),
    ("max_wal_size", "1GB"),
];

/// Bytes that the databases of the tests and their log have room in.
const ROOM: u64 = 4 << 30;

/// Stops the server $1 once the file $2 was not touched for ten minutes.
const WATCHDOG: &str = r#"
while sleep 20; do
    kill -0 "$1" || exit 0
    [ -n "$(find "$2" -mmin -10)" ] || { kill -INT "$1"; exit 0; }
done"#;

/// The shared server, and the lock under which it is prepared.
pub(crate) struct SharedServer {
    pub(crate) cluster: Cluster,
    /// Held while the template database is made.
    pub(crate) lock: File,
}

/// Finds or starts the server.
pub(crate) async fn shared() -> anyhow::Result<SharedServer> {
    let folder = folder()?;
    let lock = lock(folder.clone()).await?;
    let data_dir = folder.join("data");
    let found = Cluster::is_running(&data_dir);
    if !found && data_dir.exists() {
        fs::remove_dir_all(&data_dir).context("removing the data of an earlier run")?;
    }
    let mut config = ClusterConfig::new(&data_dir, Binaries::find()?);
    config.detached = true;
    config.settings = SETTINGS.map(|(name, value)| (name.into(), value.into())).to_vec();
    let cluster = Cluster::start(config).await.context("starting the PostgreSQL of the tests")?;
    touch(&folder)?;
    if !found {
        let pid = cluster.pid().context("the PostgreSQL of the tests is not there")?;
        watch(pid, &folder.join("used"))?;
    }
    Ok(SharedServer { cluster, lock })
}

/// Says that the server is in use.
pub(crate) fn touch(folder: &Path) -> anyhow::Result<()> {
    Ok(fs::write(folder.join("used"), "")?)
}

/// One folder per user of the machine. Not below the checkout: as root, the server runs under an
/// account that must reach it.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let folder = place().join(format!("lyceum-test-{}", geteuid()));
    fs::create_dir_all(&folder)?;
    let owner = fs::symlink_metadata(&folder)?.uid();
    ensure!(owner == geteuid().as_raw(), "{} belongs to somebody else", folder.display());
    fs::set_permissions(&folder, Permissions::from_mode(0o711))?;
    Ok(folder)
}

/// Memory, where it has room for files and lets programs run: on a disk most of the tests' time goes
/// into making and removing the files of their databases.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let fits = statvfs(memory).is_ok_and(|found| {
        let free = found.blocks_available() * found.fragment_size();
        free >= ROOM && !found.flags().contains(FsFlags::ST_NOEXEC)
    });
    if fits { memory.to_owned() } else { std::env::temp_dir() }
}

async fn lock(folder: PathBuf) -> anyhow::Result<File> {
    tokio::task::spawn_blocking(move || {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join("lock"))?;
        file.lock()?;
        Ok(file)
    })
    .await?
}

fn watch(pid: u32, used: &Path) -> anyhow::Result<()> {
    Command::new("sh")
        .args(["-c", WATCHDOG, "lyceum-test-watchdog", &pid.to_string()])
        .arg(used)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("starting the watchdog")?;
    Ok(())
}
