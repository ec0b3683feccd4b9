use sqlx::PgConnection;

use super::PartitionFigures;
use crate::OpsError;

/// What became of one table.
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) made: i32,
    pub(super) problem: Option<String>,
}

pub(super) async fn ensure(
    connection: &mut PgConnection,
    months_ahead: i32,
) -> Result<Vec<Outcome>, OpsError> {
    let outcomes = sqlx::query_as!(
        Outcome,
        r#"SELECT name AS "name!", made AS "made!", problem
           FROM app.ensure_all_partitions($1)"#,
        months_ahead
    )
    .fetch_all(connection)
    .await?;
    Ok(outcomes)
}

/// How far each table's partitions reach. Takes a transaction in the maintenance role.
pub(crate) async fn figures(
    connection: &mut PgConnection,
) -> Result<Vec<PartitionFigures>, OpsError> {
    let figures = sqlx::query_as!(
        PartitionFigures,
        r#"SELECT name AS "name!", partitions AS "partitions!", covered_until,
                  default_rows AS "default_rows!"
           FROM app.partition_figures()"#
    )
    .fetch_all(connection)
    .await?;
    Ok(figures)
}
