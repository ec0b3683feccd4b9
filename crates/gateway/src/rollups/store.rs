use lyceum_store::StoreError;
use sqlx::PgConnection;

/// Moves deltas into the roll-ups; answers how many.
pub(super) async fn fold(connection: &mut PgConnection, most: i64) -> Result<i64, StoreError> {
    let moved = sqlx::query_scalar!(r#"SELECT gateway.fold_usage($1) AS "moved!""#, most)
        .fetch_one(connection)
        .await?;
    Ok(moved)
}
