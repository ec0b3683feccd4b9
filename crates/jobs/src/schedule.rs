//! What runs at set times, and what was missed while no worker ran.

use chrono::{DateTime, Duration, Local, Utc};
use graphile_worker::{CronJobKeyMode, Crontab, parse_crontab};
use lyceum_core::Clock;
use lyceum_store::StoreError;
use sqlx::PgPool;

use crate::Job;
use crate::prepare::queue_error;

/// How far back a missed run is looked for.
const LOOK_BACK_HOURS: i64 = 24;

pub(crate) fn crontab<J: Job>(cron: &str, job: &J) -> Result<Crontab, StoreError> {
    // Names of ours hold a dot, which crontab text does not take.
    let parsed = parse_crontab(&[cron, " job"].concat()).map_err(queue_error)?;
    let [mut crontab]: [Crontab; 1] = parsed.try_into().map_err(|_| {
        StoreError(sqlx::Error::Configuration("one line of crontab is wanted".into()))
    })?;
    crontab.task_identifier = J::NAME.to_owned();
    crontab.payload =
        Some(serde_json::to_value(job).map_err(|error| sqlx::Error::Encode(Box::new(error)))?);
    crontab.options.id = Some([J::NAME, " ", cron].concat());
    crontab.options.max = u16::try_from(J::MAX_ATTEMPTS).ok();
    crontab.options.job_key = Some([J::NAME, " scheduled"].concat());
    crontab.options.job_key_mode = Some(CronJobKeyMode::Replace);
    Ok(crontab)
}

/// Enqueues one run of each crontab that should have run since it last did, and within the last
/// day. What was never scheduled before has missed nothing.
pub(crate) async fn make_up(pool: &PgPool, schedule: &[Crontab]) -> Result<(), StoreError> {
    let now = Clock::system().now();
    for crontab in schedule {
        let mut tx = pool.begin().await?;
        let last: Option<DateTime<Utc>> = sqlx::query_scalar(
            "SELECT coalesce(last_execution, known_since)
             FROM graphile_worker._private_known_crontabs WHERE identifier = $1 FOR UPDATE",
        )
        .bind(crontab.identifier())
        .fetch_optional(&mut *tx)
        .await?;
        let missed = last.and_then(|last| last_due(crontab, last, now));
        if let Some(due) = missed {
            sqlx::query("SELECT app.enqueue_job($1, $2, NULL, NULL, $3, $4, 0)")
                .bind(crontab.task_identifier())
                .bind(crontab.payload())
                .bind(crontab.options().max.map(i32::from))
                .bind(&crontab.options().job_key)
                .execute(&mut *tx)
                .await?;
            sqlx::query(
                "UPDATE graphile_worker._private_known_crontabs SET last_execution = $2
                 WHERE identifier = $1",
            )
            .bind(crontab.identifier())
            .bind(due)
            .execute(&mut *tx)
            .await?;
            tracing::info!(schedule = crontab.identifier(), %due, "making up for a missed run");
        }
        tx.commit().await?;
    }
    Ok(())
}

/// The latest full minute after `last` and before `now` at which the crontab was due.
fn last_due(crontab: &Crontab, last: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let this_minute = DateTime::from_timestamp(now.timestamp() / 60 * 60, 0)?;
    (1..=LOOK_BACK_HOURS * 60)
        .map(|minutes| this_minute - Duration::minutes(minutes))
        .take_while(|minute| *minute > last)
        .find(|minute| crontab.should_run_at(&minute.with_timezone(&Local).naive_local()))
}
