use chrono::{DateTime, Utc};
use sqlx::{PgConnection, QueryBuilder};

use crate::OpsError;

/// A log that is kept in monthly partitions and forgotten by age.
#[derive(Clone, Copy, Debug)]
pub(super) enum Log {
    /// What people did.
    Audit,
    /// What the program warned of.
    System,
}

impl Log {
    fn table(self) -> &'static str {
        match self {
            Self::Audit => "ops.audit_logs",
            Self::System => "ops.system_logs",
        }
    }

    /// Drops the partitions that end before a moment, and counts them.
    fn dropper(self) -> &'static str {
        match self {
            Self::Audit => "ops.drop_audit_partitions",
            Self::System => "ops.drop_system_log_partitions",
        }
    }
}

pub(super) async fn drop_partitions(
    connection: &mut PgConnection,
    log: Log,
    before: DateTime<Utc>,
) -> Result<i32, OpsError> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(log.dropper()).push("(").push_bind(before).push(")");
    Ok(query.build_query_scalar().fetch_one(connection).await?)
}

pub(super) async fn delete_rows(
    connection: &mut PgConnection,
    log: Log,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, OpsError> {
    let mut query = QueryBuilder::new("DELETE FROM ");
    query.push(log.table()).push(" WHERE created_at < ").push_bind(before);
    query.push(" AND (id, created_at) IN (SELECT id, created_at FROM ").push(log.table());
    query.push(" WHERE created_at < ").push_bind(before);
    query.push(" LIMIT ").push_bind(limit).push(")");
    Ok(query.build().execute(connection).await?.rows_affected())
}
