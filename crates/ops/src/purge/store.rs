//! The names of tables come from the catalogue, which quotes them; values are bound.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::OpsError;

/// Tables of the program whose rows are deleted by setting `deleted_at`.
pub(super) async fn purgeable_tables(
    connection: &mut PgConnection,
) -> Result<Vec<String>, OpsError> {
    let tables = sqlx::query_scalar!(
        r#"SELECT format('%I.%I', n.nspname, c.relname) AS "name!"
           FROM pg_class c
           JOIN pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'deleted_at'
                              AND NOT a.attisdropped
           WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
             AND n.nspname IN ('app', 'identity', 'gateway', 'chat', 'knowledge', 'ops')
           ORDER BY 1"#
    )
    .fetch_all(connection)
    .await?;
    Ok(tables)
}

/// Each foreign key as the table that has it and the table that it refers to.
pub(super) async fn references(
    connection: &mut PgConnection,
) -> Result<Vec<(String, String)>, OpsError> {
    let rows = sqlx::query!(
        r#"SELECT DISTINCT format('%I.%I', fn.nspname, f.relname) AS "from!",
                  format('%I.%I', tn.nspname, t.relname) AS "to!"
           FROM pg_constraint k
           JOIN pg_class f ON f.oid = k.conrelid AND NOT f.relispartition
           JOIN pg_namespace fn ON fn.oid = f.relnamespace
           JOIN pg_class t ON t.oid = k.confrelid AND NOT t.relispartition
           JOIN pg_namespace tn ON tn.oid = t.relnamespace
           WHERE k.contype = 'f'"#
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.from, row.to)).collect())
}

/// Rows of the table that are due, except those known to be held.
pub(super) async fn due(
    connection: &mut PgConnection,
    table: &str,
    before: DateTime<Utc>,
    held: &[Uuid],
    limit: i64,
) -> Result<Vec<Uuid>, sqlx::Error> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT id FROM ");
    query.push(table).push(" WHERE deleted_at < ").push_bind(before);
    query.push(" AND id <> ALL(").push_bind(held).push(") ORDER BY deleted_at LIMIT ");
    query.push_bind(limit);
    query.build_query_scalar().fetch_all(connection).await
}

pub(super) async fn remove(
    connection: &mut PgConnection,
    table: &str,
    ids: &[Uuid],
) -> Result<(), sqlx::Error> {
    let mut query = QueryBuilder::<Postgres>::new("DELETE FROM ");
    query.push(table).push(" WHERE id = ANY(").push_bind(ids).push(")");
    query.build().execute(connection).await.map(drop)
}
