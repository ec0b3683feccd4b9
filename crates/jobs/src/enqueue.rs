use chrono::{DateTime, Utc};
use lyceum_store::StoreError;
use sqlx::PgConnection;

use crate::Job;

/// How a job is enqueued. The default runs it once, as soon as a worker is free.
#[derive(Clone, Debug, Default)]
pub struct EnqueueOptions {
    /// A waiting job of the same key is replaced; one that runs already is not, but will not be
    /// tried again.
    pub key: Option<String>,
    /// Not before this moment.
    pub run_at: Option<DateTime<Utc>>,
    /// Jobs of one queue run one after the other.
    pub queue: Option<String>,
    /// Smaller runs first.
    pub priority: i16,
}

/// Adds a job in the caller's transaction: it is there exactly if that commits. Answers its number.
pub async fn enqueue<J: Job>(
    connection: &mut PgConnection,
    job: &J,
    options: EnqueueOptions,
) -> Result<i64, StoreError> {
    let payload =
        serde_json::to_value(job).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let id = sqlx::query_scalar("SELECT app.enqueue_job($1, $2, $3, $4, $5, $6, $7)")
        .bind(J::NAME)
        .bind(payload)
        .bind(options.queue)
        .bind(options.run_at)
        .bind(J::MAX_ATTEMPTS)
        .bind(options.key)
        .bind(i32::from(options.priority))
        .fetch_one(connection)
        .await?;
    Ok(id)
}
