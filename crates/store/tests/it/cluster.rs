//! The private cluster: its life, its deaths and its refusals.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lyceum_store::cluster::{Binaries, Cluster, ClusterConfig, ClusterError};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tempfile::TempDir;

/// Tells the helper below which data folder to take.
const HELPER: &str = "LYCEUM_TEST_CLUSTER_HELPER";

/// A folder that the account of the server may enter, too.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

fn config(folder: &Path) -> ClusterConfig {
    ClusterConfig::new(folder.join("data"), Binaries::find().unwrap())
}

async fn start(folder: &Path) -> Cluster {
    Cluster::start(config(folder)).await.unwrap()
}

async fn connect(cluster: &Cluster) -> PgConnection {
    cluster.owner_options().connect().await.unwrap()
}

async fn note(cluster: &Cluster, text: &str) {
    let mut connection = connect(cluster).await;
    sqlx::query("CREATE TABLE IF NOT EXISTS notes (text text)")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::query("INSERT INTO notes VALUES ($1)").bind(text).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn notes(cluster: &Cluster) -> Vec<String> {
    let mut connection = connect(cluster).await;
    sqlx::query_scalar("SELECT text FROM notes ORDER BY text")
        .fetch_all(&mut connection)
        .await
        .unwrap()
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A process that ended but was not reaped yet has no working folder.
fn is_alive(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok()
}

fn kill_9(pid: u32) {
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn it_keeps_its_data_and_listens_on_no_port() {
    let folder = folder();
    let cluster = start(folder.path()).await;
    note(&cluster, "kept").await;
    let mut connection = connect(&cluster).await;
    let (addresses, checksums, fsync): (String, String, String) = sqlx::query_as(
        "SELECT current_setting('listen_addresses'), current_setting('data_checksums'),
                current_setting('fsync')",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!((addresses.as_str(), checksums.as_str(), fsync.as_str()), ("", "on", "on"));
    connection.close().await.unwrap();

    let data = folder.path().join("data/postgres/data");
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    let credentials = fs::metadata(folder.path().join("data/postgres.credentials")).unwrap();
    assert_eq!(credentials.permissions().mode() & 0o777, 0o600);

    let pid = cluster.pid().unwrap();
    cluster.stop().await;
    assert!(!is_alive(pid));
    let again = start(folder.path()).await;
    assert_eq!(notes(&again).await, ["kept"]);
    again.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_the_app_login_is_no_superuser() {
    let folder = folder();
    let cluster = start(folder.path()).await;
    assert!(cluster.owner_options().password("guess").connect().await.is_err());
    lyceum_store::migrate(&cluster.owner_options()).await.unwrap();
    assert!(cluster.app_options().connect().await.is_err(), "nobody let it in yet");
    cluster.admit_app().await.unwrap();
    let mut connection = cluster.app_options().connect().await.unwrap();
    let superuser: bool =
        sqlx::query_scalar("SELECT rolsuper FROM pg_roles WHERE rolname = session_user")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert!(!superuser);
    connection.close().await.unwrap();
    cluster.stop().await;
}

#[tokio::test]
async fn a_second_program_on_the_same_folder_is_told_who_has_it() {
    let folder = folder();
    let cluster = start(folder.path()).await;
    let refused = Cluster::start(config(folder.path())).await.unwrap_err();
    let ClusterError::InUse { pid, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*pid, std::process::id().to_string());
    cluster.stop().await;
    start(folder.path()).await.stop().await;
}

#[tokio::test]
async fn a_killed_server_is_started_again() {
    let folder = folder();
    let cluster = start(folder.path()).await;
    note(&cluster, "before").await;
    let first = cluster.pid().unwrap();
    kill_9(first);
    until("a new server", || cluster.pid().is_some_and(|pid| pid != first));
    // Recovery may still be going on: "the database system is starting up".
    let begin = Instant::now();
    while cluster.owner_options().connect().await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(30), "no connection");
    }
    note(&cluster, "later").await;
    assert_eq!(notes(&cluster).await, ["before", "later"]);
    cluster.stop().await;
}

/// Not a test: the program that the next test kills.
#[tokio::test]
#[ignore = "a helper of the next test"]
async fn helper_that_holds_a_cluster() {
    let Some(folder) = std::env::var_os(HELPER).map(PathBuf::from) else { return };
    let cluster = start(&folder).await;
    note(&cluster, "committed").await;
    println!("\npid {}", cluster.pid().unwrap());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_program_leaves_no_server_and_loses_nothing() {
    let folder = folder();
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cluster::helper_that_holds_a_cluster", "--ignored", "--nocapture"])
        .env(HELPER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let server: u32 = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("pid ").map(|pid| pid.parse().unwrap()))
        .expect("the helper's server");
    program.kill().unwrap();
    program.wait().unwrap();
    // At once: the old server may still be stopping.
    let cluster = start(folder.path()).await;
    assert_eq!(notes(&cluster).await, ["committed"]);
    assert!(!is_alive(server));
    cluster.stop().await;
}

#[tokio::test]
async fn a_server_left_behind_is_stopped_before_the_next() {
    let folder = folder();
    let mut detached = config(folder.path());
    detached.detached = true;
    let left = Cluster::start(detached).await.unwrap();
    note(&left, "left").await;
    let pid = left.pid().unwrap();
    drop(left);
    assert!(is_alive(pid));
    let cluster = start(folder.path()).await;
    assert_ne!(cluster.pid(), Some(pid));
    assert_eq!(notes(&cluster).await, ["left"]);
    cluster.stop().await;
}

#[tokio::test]
async fn lock_files_that_name_a_stranger_do_not_stop_the_start() {
    let folder = folder();
    start(folder.path()).await.stop().await;
    let data = folder.path().join("data/postgres/data");
    let stranger = std::process::id();
    let text = format!("{stranger}\n{}\n1700000000\n5432\n/nowhere\n\n\n", data.display());
    fs::write(data.join("postmaster.pid"), &text).unwrap();
    let socket = folder.path().join("data/postgres/run/.s.PGSQL.5432.lock");
    fs::write(socket, text).unwrap();
    start(folder.path()).await.stop().await;
}

#[tokio::test]
async fn a_first_start_that_was_broken_off_is_begun_again() {
    let folder = folder();
    let partial = folder.path().join("data/postgres/data.new");
    fs::create_dir_all(&partial).unwrap();
    fs::write(partial.join("PG_VERSION"), "18\n").unwrap();
    start(folder.path()).await.stop().await;
    assert!(!partial.exists());
}

#[tokio::test]
async fn data_of_another_version_is_refused_with_the_way_out() {
    let folder = folder();
    start(folder.path()).await.stop().await;
    let version = folder.path().join("data/postgres/data/PG_VERSION");
    fs::write(&version, "17\n").unwrap();
    let refused = Cluster::start(config(folder.path())).await.unwrap_err();
    assert!(matches!(&refused, ClusterError::VersionMismatch { data, .. } if data == "17"));
    assert!(refused.to_string().contains("pg_dump"));
    // The refusal lets go of the folder.
    fs::write(&version, "18\n").unwrap();
    start(folder.path()).await.stop().await;
}

#[tokio::test]
async fn a_damaged_archive_and_a_folder_without_programs_are_refused() {
    let folder = folder();
    let damaged = ClusterConfig::new(folder.path(), Binaries::Embedded(b"PK nonsense"));
    let refused = Cluster::start(damaged).await.unwrap_err();
    assert!(matches!(refused, ClusterError::Archive(_)), "{refused}");
    let empty = ClusterConfig::new(folder.path(), Binaries::Folder(folder.path().to_owned()));
    let refused = Cluster::start(empty).await.unwrap_err();
    assert!(matches!(refused, ClusterError::Binaries { .. }), "{refused}");
}

#[tokio::test]
async fn a_long_path_gets_its_socket_elsewhere() {
    let folder = folder();
    let deep = folder.path().join("a-rather-long-name-of-a-folder/".repeat(4));
    fs::create_dir_all(&deep).unwrap();
    let cluster = start(&deep).await;
    note(&cluster, "reached").await;
    let socket = cluster.owner_options().get_socket().unwrap().clone();
    assert!(!socket.starts_with(folder.path()));
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o700);
    cluster.stop().await;
    fs::remove_dir_all(socket).unwrap();
}

#[tokio::test]
async fn a_setting_of_the_caller_is_in_force() {
    let folder = folder();
    let mut config = config(folder.path());
    config.settings = vec![("work_mem".to_owned(), "7MB".to_owned())];
    let cluster = Cluster::start(config.clone()).await.unwrap();
    let mut connection = connect(&cluster).await;
    let value: String =
        sqlx::query_scalar("SHOW work_mem").fetch_one(&mut connection).await.unwrap();
    assert_eq!(value, "7MB");
    connection.close().await.unwrap();
    cluster.stop().await;
    config.settings = vec![("work_mem = 1\nfsync".to_owned(), "off".to_owned())];
    assert!(Cluster::start(config).await.is_err());
}

#[tokio::test]
async fn root_hands_the_server_to_another_account() {
    let folder = folder();
    let cluster = start(folder.path()).await;
    let owner = fs::metadata(format!("/proc/{}", cluster.pid().unwrap())).unwrap().uid();
    assert_ne!(owner, 0);
    cluster.stop().await;
    if !geteuid().is_root() {
        return;
    }
    let mut unknown = config(folder.path());
    unknown.run_as = Some("no-such-user".to_owned());
    let refused = Cluster::start(unknown).await.unwrap_err();
    assert!(matches!(refused, ClusterError::Account(_)), "{refused}");

    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    let refused = Cluster::start(config(folder.path())).await.unwrap_err();
    let ClusterError::Unreachable { path, .. } = &refused else { panic!("{refused}") };
    assert_eq!(path, &folder.path().canonicalize().unwrap());
}
