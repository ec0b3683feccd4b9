use sqlx::{PgConnection, PgPool};

use super::{DatabaseStatus, TableSize};
use crate::OpsError;

pub(super) async fn database(
    connection: &mut PgConnection,
    pool: &PgPool,
) -> Result<DatabaseStatus, OpsError> {
    let row = sqlx::query!(
        r#"SELECT current_setting('server_version') AS "version!",
                  pg_database_size(current_database()) AS "size!""#
    )
    .fetch_one(&mut *connection)
    .await?;
    let tables = sqlx::query_as!(
        TableSize,
        r#"SELECT n.nspname || '.' || c.relname AS "name!",
                  sum(pg_total_relation_size(part.relid))::bigint AS "size_bytes!",
                  sum(greatest(pc.reltuples, 0))::bigint AS "estimated_rows!"
           FROM pg_class c
           JOIN pg_namespace n ON n.oid = c.relnamespace
           CROSS JOIN LATERAL (
               SELECT relid FROM pg_partition_tree(c.oid)
               UNION SELECT c.oid::regclass) AS part
           JOIN pg_class pc ON pc.oid = part.relid AND pc.relkind = 'r'
           WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
             AND n.nspname NOT IN ('pg_catalog', 'information_schema')
           GROUP BY n.nspname, c.relname
           ORDER BY 2 DESC LIMIT 20"#
    )
    .fetch_all(connection)
    .await?;
    Ok(DatabaseStatus {
        version: row.version,
        size_bytes: row.size,
        pool_size: pool.size(),
        pool_idle: u32::try_from(pool.num_idle()).unwrap_or(u32::MAX),
        pool_max: pool.options().get_max_connections(),
        tables,
    })
}
