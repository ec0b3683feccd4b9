//! The database that the program runs on: its own cluster, or a configured server.

use std::str::FromStr as _;

use anyhow::Context as _;
use lyceum_store::Db;
use lyceum_store::cluster::{Binaries, Cluster, ClusterConfig};
use sqlx::postgres::PgConnectOptions;

use crate::config::Config;

/// The database, with its schema up to date.
pub struct Database {
    /// How the owner of the schema connects; for migrations and the job queue.
    pub owner: PgConnectOptions,
    /// The program's connections.
    pub db: Db,
    cluster: Option<Cluster>,
}

impl Database {
    /// Starts or finds the database, migrates it and connects.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let cluster = match &config.database.url {
            Some(_) => None,
            None => Some(start_cluster(config).await?),
        };
        let owner = match (&cluster, &config.database.url) {
            (Some(cluster), _) => cluster.owner_options(),
            (None, url) => server_options(url.as_deref().unwrap_or_default())?,
        };
        let applied = lyceum_store::migrate(&owner)
            .await
            .context("the schema cannot be brought up to date")?;
        if applied > 0 {
            tracing::info!(applied, "the schema was brought up to date");
        }
        lyceum_jobs::prepare(&owner).await.context("the job queue cannot be prepared")?;
        let app = match &cluster {
            Some(cluster) => {
                cluster.admit_app().await?;
                cluster.app_options()
            }
            None => owner.clone(),
        };
        let db = Db::connect(app, config.database.max_connections).await?;
        Ok(Self { owner, db, cluster })
    }

    /// Connects for one command: beside the program that runs, or else as that would.
    pub async fn attach(config: &Config) -> anyhow::Result<Self> {
        let running = match &config.database.url {
            Some(url) => Some((server_options(url)?, None)),
            None => Cluster::attach(&config.storage.data_dir)?
                .map(|cluster| (cluster.owner_options(), Some(cluster))),
        };
        match running {
            Some((owner, cluster)) => {
                Ok(Self { db: Db::connect(owner.clone(), 2).await?, owner, cluster })
            }
            None => Self::open(config).await,
        }
    }

    /// Closes the connections and stops the private cluster.
    pub async fn close(self) {
        self.db.pool().close().await;
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}

/// How to connect to a configured server. The address may hold a password, so it is in no error.
pub fn server_options(url: &str) -> anyhow::Result<PgConnectOptions> {
    PgConnectOptions::from_str(url)
        .ok()
        .context("DATABASE_URL is not an address like postgres://user:password@host/database")
}

async fn start_cluster(config: &Config) -> anyhow::Result<Cluster> {
    let binaries = match &config.database.binaries {
        Some(folder) => Binaries::Folder(folder.clone()),
        None => Binaries::find()?,
    };
    let cluster = ClusterConfig::new(&config.storage.data_dir, binaries);
    Ok(Cluster::start(cluster).await?)
}
