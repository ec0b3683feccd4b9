use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::{Cache, StoreError, acting};

/// A transaction in which somebody acts.
pub type Tx = Transaction<'static, Postgres>;

/// The connections of the program, all in the role `lyceum_app`, which row-level security binds.
#[derive(Clone, Debug)]
pub struct Db {
    pool: PgPool,
    cache: Cache,
}

impl Db {
    /// Connects with at most `max_connections`. Whatever role `options` sign in as, every
    /// connection steps down to `lyceum_app`.
    pub async fn connect(
        options: PgConnectOptions,
        max_connections: u32,
    ) -> Result<Self, StoreError> {
        let db = Self::lazy(options, max_connections);
        drop(db.pool.acquire().await?);
        Ok(db)
    }

    /// The same, but connects only when it is first used.
    pub fn lazy(options: PgConnectOptions, max_connections: u32) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(Duration::from_secs(10))
            .after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::query("SET ROLE lyceum_app").execute(connection).await.map(drop)
                })
            })
            .connect_lazy_with(options);
        Self { pool, cache: Cache::default() }
    }

    /// The same with this cache of what is in the database.
    #[must_use]
    pub fn with_cache(self, cache: Cache) -> Self {
        Self { cache, ..self }
    }

    /// What is remembered of what is in the database, or was made of it.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The pool, for its figures and for listening; queries belong into a transaction below.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Begins to the end, also where whoever asked goes away: sqlx (0.9) forgets a BEGIN whose answer
    /// nobody waited for, and the connection would go back into the pool with its transaction open.
    async fn begin(&self, statement: Option<&'static str>) -> Result<Tx, StoreError> {
        let pool = self.pool.clone();
        let beginning = tokio::spawn(async move {
            match statement {
                Some(statement) => pool.begin_with(statement).await,
                None => pool.begin().await,
            }
        });
        Ok(beginning.await.map_err(|_| sqlx::Error::WorkerCrashed)??)
    }

    /// A transaction in which `user` acts: row-level security shows and accepts what is theirs.
    pub async fn begin_as(&self, user: Uuid) -> Result<Tx, StoreError> {
        let (ip, user_agent) = acting::client();
        let mut tx = self.begin(None).await?;
        sqlx::query(
            "SELECT set_config('app.current_user_id', $1, true),
                    set_config('app.client_ip', $2, true),
                    set_config('app.user_agent', $3, true)",
        )
        .bind(user.to_string())
        .bind(ip)
        .bind(user_agent)
        .execute(&mut *tx)
        .await?;
        Ok(tx)
    }

    /// A transaction of the platform itself, in the role `lyceum_maintenance`, which sees every
    /// row: for signing in, for the ledger's writer and for scheduled work. Never for a handler
    /// that serves one person's objects.
    pub async fn begin_maintenance(&self) -> Result<Tx, StoreError> {
        let (ip, user_agent) = acting::client();
        let mut tx = self.begin(None).await?;
        sqlx::query(
            "SELECT set_config('role', 'lyceum_maintenance', true),
                    set_config('app.client_ip', $1, true),
                    set_config('app.user_agent', $2, true)",
        )
        .bind(ip)
        .bind(user_agent)
        .execute(&mut *tx)
        .await?;
        Ok(tx)
    }

    /// A transaction of the platform itself that only reads and sees one moment, however long it
    /// takes.
    pub async fn begin_snapshot(&self) -> Result<Tx, StoreError> {
        let mut tx = self.begin(Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")).await?;
        sqlx::query("SELECT set_config('role', 'lyceum_maintenance', true)")
            .execute(&mut *tx)
            .await?;
        Ok(tx)
    }
}
