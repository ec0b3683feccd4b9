use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::StoreError;

/// Applies the migrations that are missing, under an advisory lock, as the role that owns the
/// schema. Answers how many were applied.
pub async fn migrate(owner: &PgConnectOptions) -> Result<usize, StoreError> {
    let mut connection = owner.connect().await?;
    let before = applied(&mut connection).await;
    sqlx::migrate!("./migrations").run(&mut connection).await.map_err(sqlx::Error::from)?;
    let after = applied(&mut connection).await;
    connection.close().await?;
    Ok(after.saturating_sub(before))
}

async fn applied(connection: &mut sqlx::PgConnection) -> usize {
    let count: Result<i64, _> =
        sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations").fetch_one(connection).await;
    usize::try_from(count.unwrap_or(0)).unwrap_or(0)
}
