use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::OpsError;

pub(super) async fn drop_audit_partitions(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
) -> Result<i32, OpsError> {
    let dropped =
        sqlx::query_scalar!(r#"SELECT ops.drop_audit_partitions($1) AS "dropped!""#, before)
            .fetch_one(connection)
            .await?;
    Ok(dropped)
}

pub(super) async fn delete_audit_rows(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, OpsError> {
    let deleted = sqlx::query!(
        "DELETE FROM ops.audit_logs WHERE created_at < $1 AND (id, created_at) IN (
             SELECT id, created_at FROM ops.audit_logs WHERE created_at < $1 LIMIT $2)",
        before,
        limit
    )
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}

pub(super) async fn drop_system_log_partitions(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
) -> Result<i32, OpsError> {
    let dropped =
        sqlx::query_scalar!(r#"SELECT ops.drop_system_log_partitions($1) AS "dropped!""#, before)
            .fetch_one(connection)
            .await?;
    Ok(dropped)
}

pub(super) async fn delete_system_logs(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, OpsError> {
    let deleted = sqlx::query!(
        "DELETE FROM ops.system_logs WHERE created_at < $1 AND (id, created_at) IN (
             SELECT id, created_at FROM ops.system_logs WHERE created_at < $1 LIMIT $2)",
        before,
        limit
    )
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected())
}
