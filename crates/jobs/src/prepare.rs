use graphile_worker::WorkerOptions;
use lyceum_store::StoreError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

/// Serialises preparation by programs that start at the same time.
const PREPARE_LOCK: i64 = 0x6c79_6365_756d_0001;

/// Makes the queue's own schema and the functions through which the program reaches it, as the
/// role that owns the schema. May be run at every start, after the migrations.
pub async fn prepare(owner: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = owner.connect().await?;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(PREPARE_LOCK).execute(&mut connection).await?;
    let done = prepare_locked(owner, &mut connection).await;
    // Closing gives the lock back, whatever happened.
    connection.close().await?;
    done
}

async fn prepare_locked(
    owner: &PgConnectOptions,
    connection: &mut sqlx::PgConnection,
) -> Result<(), StoreError> {
    let pool = PgPoolOptions::new().max_connections(1).connect_with(owner.clone()).await?;
    let made = WorkerOptions::default().pg_pool(pool.clone()).init().await;
    pool.close().await;
    made.map_err(queue_error)?;
    sqlx::raw_sql(include_str!("prepare.sql")).execute(connection).await?;
    Ok(())
}

/// Turns an error of the queue's crate into ours.
pub(crate) fn queue_error(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError(sqlx::Error::Configuration(Box::new(error)))
}
