//! Who is alive: each worker holds an advisory lock under its own name for as long as its process
//! and its connection live, which needs neither heartbeats nor clocks that agree.

use std::time::Duration;

use lyceum_store::StoreError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio_util::sync::CancellationToken;

/// The first half of the lock's key; the second is the hash of the worker's name.
const LEASE_CLASS: i32 = 0x6c79_6301;

/// How often each worker looks for jobs of dead ones and whether its own lease still stands.
const SWEEP_EVERY: Duration = Duration::from_secs(3);

pub(crate) struct Lease {
    owner: PgConnectOptions,
    worker: String,
    /// None while the lease is lost.
    connection: Option<PgConnection>,
}

impl Lease {
    /// Takes the lease of the worker of this name, and frees at once what dead workers held.
    pub(crate) async fn take(owner: &PgConnectOptions, worker: &str) -> Result<Self, StoreError> {
        let mut connection = connect(owner, worker).await?;
        sweep(&mut connection, worker).await?;
        let (owner, worker) = (owner.clone(), worker.to_owned());
        Ok(Self { owner, worker, connection: Some(connection) })
    }

    /// Keeps the lease until `stop`, sweeping now and then.
    pub(crate) async fn keep(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
            if let Some(connection) = &mut self.connection {
                let Err(error) = sweep(connection, &self.worker).await else { continue };
                tracing::warn!(%error, cause = ?error.0, "job lease lost, taking it again");
                // A connection that lives still holds the lock that the next one waits for.
                self.connection = None;
            }
            let taken = tokio::select! {
                () = stop.cancelled() => break,
                taken = connect(&self.owner, &self.worker) => taken,
            };
            match taken {
                Ok(connection) => self.connection = Some(connection),
                Err(error) => tracing::warn!(cause = ?error.0, "job lease not taken yet"),
            }
        }
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "closing the job lease");
        }
    }
}

/// Frees the jobs of workers whose lease nobody holds. The attempt that was cut off counts, so
/// that a job that kills its process each time is given up in the end.
async fn sweep(connection: &mut PgConnection, worker: &str) -> Result<(), StoreError> {
    let mut tx = connection.begin().await?;
    let dead: Vec<String> = sqlx::query_scalar(
        "WITH holders AS MATERIALIZED (
             SELECT locked_by FROM graphile_worker._private_jobs
             WHERE locked_by IS NOT NULL AND locked_by <> $1
             UNION
             SELECT locked_by FROM graphile_worker._private_job_queues
             WHERE locked_by IS NOT NULL AND locked_by <> $1)
         SELECT locked_by FROM holders
         WHERE pg_try_advisory_xact_lock($2, hashtext(locked_by))",
    )
    .bind(worker)
    .bind(LEASE_CLASS)
    .fetch_all(&mut *tx)
    .await?;
    if dead.is_empty() {
        tx.commit().await?;
        return Ok(());
    }
    let jobs = sqlx::query(
        "UPDATE graphile_worker._private_jobs
         SET locked_by = NULL, locked_at = NULL, updated_at = now(),
             last_error = 'the process that ran this job ended before the job did'
         WHERE locked_by = ANY($1)",
    )
    .bind(&dead)
    .execute(&mut *tx)
    .await?
    .rows_affected();
    sqlx::query(
        "UPDATE graphile_worker._private_job_queues SET locked_by = NULL, locked_at = NULL
         WHERE locked_by = ANY($1)",
    )
    .bind(&dead)
    .execute(&mut *tx)
    .await?;
    // Wakes the workers, as enqueueing does.
    sqlx::query("SELECT pg_notify('jobs:insert', $1)")
        .bind(format!("{{\"count\":{jobs}}}"))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    tracing::warn!(jobs, workers = dead.len(), "took over jobs of workers that are gone");
    Ok(())
}

async fn connect(owner: &PgConnectOptions, worker: &str) -> Result<PgConnection, StoreError> {
    // A peer that vanished without closing its connection is noticed within half a minute.
    let options = owner.clone().options([
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
    ]);
    let mut connection = options.connect().await?;
    sqlx::query("SELECT pg_advisory_lock($1, hashtext($2))")
        .bind(LEASE_CLASS)
        .bind(worker)
        .execute(&mut connection)
        .await?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use lyceum_testkit::TestDb;

    use super::*;

    async fn holder(connection: &mut PgConnection) -> Option<i32> {
        sqlx::query_scalar(
            "SELECT pid FROM pg_locks
             WHERE locktype = 'advisory' AND granted AND classid = $1::bigint::oid
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .bind(i64::from(LEASE_CLASS))
        .fetch_optional(connection)
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn a_lease_is_taken_again_though_the_old_connection_lives() {
        let db = TestDb::new().await;
        let lease = Lease::take(&db.owner, "worker").await.unwrap();
        let mut other = db.owner.connect().await.unwrap();
        let before = holder(&mut other).await;
        assert!(before.is_some());
        sqlx::raw_sql("ALTER TABLE graphile_worker._private_job_queues RENAME TO away")
            .execute(&mut other)
            .await
            .unwrap();
        let stop = CancellationToken::new();
        let keeper = tokio::spawn(lease.keep(stop.clone()));
        let taken = async {
            loop {
                let now = holder(&mut other).await;
                if now.is_some() && now != before {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), taken).await.unwrap();
        stop.cancel();
        keeper.await.unwrap();
    }
}
