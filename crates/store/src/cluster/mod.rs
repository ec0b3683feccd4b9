//! The private PostgreSQL cluster that the program runs when no server is configured.
//!
//! One data folder holds everything ([layout](self)): the programs (unpacked once from the archive
//! inside this program), the database, the socket, the passwords. The server listens on a Unix
//! socket only, runs under an unprivileged account, and lives as long as this program: it is
//! started again when it dies, and the kernel tells it to stop when this program ends.
//!
//! Invariants: one program per data folder; PostgreSQL never runs as root; no network port is
//! opened; no password is in a log or a command line.

mod account;
mod binaries;
mod error;
mod initialise;
mod layout;
mod orphan;
mod postmaster;

use std::fs::File;
use std::path::{Path, PathBuf};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

pub use binaries::{Binaries, EMBEDDED};
pub use error::ClusterError;
pub use layout::socket_folder;

use account::Account;
use layout::{Credentials, Layout, PORT};
use postmaster::{Postmaster, Spec};

/// The login that owns the schema, a superuser of the private cluster.
const OWNER: &str = "lyceum";
/// The login that the program works with. The first migration makes the role.
const APP: &str = "lyceum_app";
/// The database of the program.
const DATABASE: &str = "lyceum";

/// How to run the cluster.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// The data folder of the program; made where it is missing.
    pub data_dir: PathBuf,
    /// The PostgreSQL programs.
    pub binaries: Binaries,
    /// The account to run as when this program is root. By default `lyceum`, which is made where
    /// it is missing, or else `nobody`.
    pub run_as: Option<String>,
    /// Settings of PostgreSQL over the built-in ones, such as `("shared_buffers", "1GB")`.
    pub settings: Vec<(String, String)>,
    /// Whether the server outlives this program. Only for tests, which share one server.
    pub detached: bool,
}

impl ClusterConfig {
    /// The usual cluster in `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>, binaries: Binaries) -> Self {
        Self {
            data_dir: data_dir.into(),
            binaries,
            run_as: None,
            settings: Vec::new(),
            detached: false,
        }
    }
}

/// A running private cluster. Dropping it asks the server to stop without waiting;
/// [`Cluster::stop`] waits.
#[derive(Debug)]
pub struct Cluster {
    /// None where the server is to outlive this program.
    postmaster: Option<Postmaster>,
    data: PathBuf,
    sockets: PathBuf,
    credentials: Credentials,
    /// Held until the server has stopped.
    _lock: Option<File>,
}

impl Cluster {
    /// Starts the cluster, after making it where there is none, and comes back when the database
    /// `lyceum` accepts connections.
    pub async fn start(config: ClusterConfig) -> Result<Self, ClusterError> {
        let cluster = tokio::task::spawn_blocking(move || Self::start_server(config))
            .await
            .map_err(|error| ClusterError::Start(error.to_string()))??;
        cluster.ensure_database().await?;
        Ok(cluster)
    }

    fn start_server(config: ClusterConfig) -> Result<Self, ClusterError> {
        let lock = Layout::lock(&config.data_dir)?;
        let account = Account::choose(config.run_as.as_deref())?;
        let layout = Layout::prepare(&config.data_dir, &account)?;
        let credentials = Credentials::load_or_create(&layout.root)?;
        let (sockets, data) = (layout.sockets.clone(), layout.data.clone());
        if config.detached && orphan::running(&data).is_some() {
            return Ok(Self { postmaster: None, data, sockets, credentials, _lock: None });
        }
        let programs = config.binaries.install(&layout.runtime)?;
        initialise::initialise(&layout, &account, &programs, &credentials)?;
        initialise::configure(&layout, &account, &config.settings)?;
        let program = programs.path("postgres");
        let spec = Spec { program, account, layout, detached: config.detached };
        let postmaster = Some(Postmaster::start(spec)?).filter(|_| !config.detached);
        let lock = Some(lock).filter(|_| !config.detached);
        Ok(Self { postmaster, data, sockets, credentials, _lock: lock })
    }

    /// How to connect as the owner of the schema: for migrations and the job queue.
    pub fn owner_options(&self) -> PgConnectOptions {
        self.options(OWNER, self.credentials.owner.expose())
    }

    /// How to connect as the program. Works once [`Cluster::admit_app`] has run.
    pub fn app_options(&self) -> PgConnectOptions {
        self.options(APP, self.credentials.app.expose())
    }

    fn options(&self, user: &str, password: &str) -> PgConnectOptions {
        options(&self.sockets, user, password)
    }

    /// How to connect as the owner to the server that another program runs on `data_dir`; `None`
    /// where none does.
    pub fn owner_options_of_running(
        data_dir: &Path,
    ) -> Result<Option<PgConnectOptions>, ClusterError> {
        let Some(sockets) = orphan::sockets(&data_dir.join("postgres/data")) else {
            return Ok(None);
        };
        let credentials = Credentials::load_or_create(data_dir)?;
        Ok(Some(options(&sockets, OWNER, credentials.owner.expose())))
    }

    /// Lets the role `lyceum_app`, which the migrations make, sign in. To be called after them at
    /// every start.
    pub async fn admit_app(&self) -> Result<(), ClusterError> {
        let mut connection = self.owner_options().connect().await?;
        let mut tx = connection.begin().await?;
        // Through a setting of the transaction: a utility statement takes no parameters.
        sqlx::query("SELECT set_config('lyceum.password', $1, true)")
            .bind(self.credentials.app.expose())
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "DO $$ BEGIN
                 EXECUTE format('ALTER ROLE lyceum_app LOGIN PASSWORD %L',
                                current_setting('lyceum.password'));
             END $$",
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(connection.close().await?)
    }

    /// The process of the server; none while it is being started again.
    pub fn pid(&self) -> Option<u32> {
        match &self.postmaster {
            Some(postmaster) => postmaster.pid(),
            None => orphan::running(&self.data),
        }
    }

    /// Whether a server runs on `data_dir`.
    pub fn is_running(data_dir: &Path) -> bool {
        orphan::running(&data_dir.join("postgres/data")).is_some()
    }

    /// Ends all sessions, writes everything out, stops the server and waits for that.
    pub async fn stop(mut self) {
        if let Some(postmaster) = self.postmaster.take()
            && let Err(error) = tokio::task::spawn_blocking(move || postmaster.stop()).await
        {
            tracing::error!(%error, "stopping PostgreSQL failed");
        }
    }

    async fn ensure_database(&self) -> Result<(), ClusterError> {
        let mut connection = self.owner_options().database("postgres").connect().await?;
        if !has_vector(&mut connection).await? {
            return Err(ClusterError::Start(
                "this PostgreSQL has no extension 'vector'; install pgvector for it".to_owned(),
            ));
        }
        let exists: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
                .bind(DATABASE)
                .fetch_one(&mut connection)
                .await?;
        if !exists {
            sqlx::query("CREATE DATABASE lyceum").execute(&mut connection).await?;
        }
        Ok(connection.close().await?)
    }
}

fn options(sockets: &Path, user: &str, password: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(sockets)
        .port(PORT)
        .ssl_mode(PgSslMode::Disable)
        .username(user)
        .password(password)
        .database(DATABASE)
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(postmaster) = &self.postmaster {
            postmaster.ask_to_stop();
        }
    }
}

async fn has_vector(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector')")
        .fetch_one(connection)
        .await
}
