use std::thread;

use anyhow::Context as _;
use lyceum_store::Db;
use lyceum_store::cluster::Cluster;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tokio::sync::OnceCell;

use crate::server;

/// Changes with the migrations and the job queue.
const TEMPLATE: &str = concat!("template_", env!("LYCEUM_TEMPLATE_KEY"));

/// A database for one test, with everything migrated, gone at its end.
pub struct TestDb {
    /// The program's connections, as `lyceum_app`.
    pub db: Db,
    /// How to connect as the owner of the schema.
    pub owner: PgConnectOptions,
    /// Its name.
    pub name: String,
    maintenance: PgConnectOptions,
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
        let name = format!("test_{}", lyceum_core::new_id().simple());
        let maintenance = server.owner.clone().database("postgres");
        let mut connection = maintenance.connect().await?;
        execute(
            &mut connection,
            format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY"),
        )
        .await?;
        connection.close().await?;
        let db = Db::connect(server.app.clone().database(&name), 8).await?;
        let owner = server.owner.clone().database(&name);
        Ok(Self { db, owner, name, maintenance })
    }

    /// How to connect as the program, for a process of its own.
    pub fn app_options(&self) -> PgConnectOptions {
        (*self.db.pool().connect_options()).clone()
    }
}

impl Drop for TestDb {
    /// On a thread and a runtime of its own, for this one may be ending.
    fn drop(&mut self) {
        let (options, name) = (self.maintenance.clone(), self.name.clone());
        let dropper = thread::spawn(move || -> anyhow::Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = options.connect().await?;
                execute(&mut connection, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                    .await?;
                Ok(connection.close().await?)
            })
        });
        let _left_for_the_end_of_the_server = dropper.join();
        let _unused_longer = server::folder().and_then(|folder| server::touch(&folder));
    }
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
