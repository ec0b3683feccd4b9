//! A database for each test. The next test removes it once the process is gone that made it: DROP
//! DATABASE waits for everybody who is just signing in, and while a test ends its own half-open
//! connections stand still, since its runtime does. Each waited for the other until PostgreSQL gave
//! up after a minute.

use std::process;

use anyhow::Context as _;
use lyceum_store::Db;
use lyceum_store::cluster::Cluster;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tokio::sync::OnceCell;

use crate::server;

/// Changes with the migrations and the job queue.
const TEMPLATE: &str = concat!("template_", env!("LYCEUM_TEMPLATE_KEY"));
/// Databases of earlier tests that one test removes at most, so that none pays for a whole run.
const SWEPT: usize = 8;
/// The advisory lock of whoever removes the databases of earlier tests.
const SWEEPER: i64 = 0x6c79_6365_756d;

/// A database for one test, with everything migrated, gone soon after its process.
pub struct TestDb {
    /// The program's connections, as `lyceum_app`.
    pub db: Db,
    /// How to connect as the owner of the schema.
    pub owner: PgConnectOptions,
    /// Its name.
    pub name: String,
}

/// How to reach the shared server; found once a process.
#[derive(Clone)]
struct Server {
    owner: PgConnectOptions,
    app: PgConnectOptions,
}

impl TestDb {
    /// Makes one.
    ///
    /// # Panics
    /// Where there is no PostgreSQL to be had; the message says why.
    pub async fn new() -> Self {
        match Self::make().await {
            Ok(made) => made,
            Err(error) => panic!("no test database: {error:#}"),
        }
    }

    async fn make() -> anyhow::Result<Self> {
        static SERVER: OnceCell<Server> = OnceCell::const_new();
        let server = SERVER.get_or_try_init(find_server).await?;
        let name = format!("test_{}_{}", process::id(), lyceum_core::new_id().simple());
        let mut connection = server.owner.clone().database("postgres").connect().await?;
        sweep(&mut connection).await.context("removing the databases of earlier tests")?;
        execute(
            &mut connection,
            format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY"),
        )
        .await?;
        connection.close().await?;
        let db = Db::connect(server.app.clone().database(&name), 8).await?;
        let owner = server.owner.clone().database(&name);
        Ok(Self { db, owner, name })
    }

    /// How to connect as the program, for a process of its own.
    pub fn app_options(&self) -> PgConnectOptions {
        (*self.db.pool().connect_options()).clone()
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let _unused_longer = server::folder().and_then(|folder| server::touch(&folder));
    }
}

/// Removes databases of processes that are gone, unless another process does it right now.
async fn sweep(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(SWEEPER)
        .fetch_one(&mut *connection)
        .await?;
    if !ours {
        return Ok(());
    }
    let names: Vec<String> =
        sqlx::query_scalar(r"SELECT datname::text FROM pg_database WHERE datname LIKE 'test\_%'")
            .fetch_all(&mut *connection)
            .await?;
    let left = names.into_iter().filter(|name| maker(name).is_some_and(is_gone));
    for name in left.take(SWEPT) {
        execute(connection, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    }
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(SWEEPER).execute(connection).await.map(drop)
}

/// The process that made a database.
fn maker(name: &str) -> Option<Pid> {
    name.split('_').nth(1)?.parse().ok().map(Pid::from_raw)
}

fn is_gone(process: Pid) -> bool {
    kill(process, None) == Err(Errno::ESRCH)
}

async fn find_server() -> anyhow::Result<Server> {
    let shared = server::shared().await?;
    ensure_template(&shared.cluster).await.context("making the template database")?;
    drop(shared.lock);
    Ok(Server { owner: shared.cluster.owner_options(), app: shared.cluster.app_options() })
}

/// Makes the template unless it is there. The caller holds the lock.
async fn ensure_template(cluster: &Cluster) -> anyhow::Result<()> {
    let mut connection = cluster.owner_options().database("postgres").connect().await?;
    let ready: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)",
    )
    .bind(TEMPLATE)
    .fetch_one(&mut connection)
    .await?;
    if !ready {
        execute(&mut connection, format!("DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)"))
            .await?;
        execute(&mut connection, format!("CREATE DATABASE {TEMPLATE}")).await?;
        let owner = cluster.owner_options().database(TEMPLATE);
        lyceum_store::migrate(&owner).await.map_err(|error| error.0)?;
        lyceum_jobs::prepare(&owner).await.map_err(|error| error.0)?;
        cluster.admit_app().await?;
        execute(&mut connection, format!("ALTER DATABASE {TEMPLATE} IS_TEMPLATE true")).await?;
    }
    Ok(connection.close().await?)
}

/// Statements about databases take no parameters; the names are this file's own.
async fn execute(connection: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}
