use std::sync::Arc;
use std::time::Duration;

use graphile_worker::{Crontab, Worker, WorkerOptions};
use lyceum_store::StoreError;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Job;
use crate::lease::Lease;
use crate::prepare::queue_error;
use crate::schedule::{crontab, make_up};
use crate::task::{Registered, Task};

/// How long a job may go on after the program was asked to stop.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait before working again after the database failed.
const PAUSE: Duration = Duration::from_secs(1);
/// One to listen, the others to fetch and release; jobs use the program's own pool.
const CONNECTIONS: u32 = 5;

type Registration =
    Box<dyn Fn(WorkerOptions, &PgPool, &CancellationToken) -> WorkerOptions + Send + Sync>;

/// The worker of this process: the jobs that it knows and their schedule.
pub struct Jobs {
    owner: PgConnectOptions,
    registrations: Vec<Registration>,
    schedule: Vec<Crontab>,
    invalid: Option<StoreError>,
    concurrency: usize,
}

impl Jobs {
    /// A worker that knows no job yet. `owner` signs in as the role that owns the queue.
    pub fn new(owner: PgConnectOptions) -> Self {
        Self {
            owner,
            registrations: Vec::new(),
            schedule: Vec::new(),
            invalid: None,
            concurrency: 4,
        }
    }

    /// Lets the worker run jobs of this kind. Jobs of kinds that no worker knows keep waiting.
    pub fn register<J: Job>(mut self, state: J::State) -> Self {
        self.registrations.push(Box::new(move |options, pool, shutdown| {
            options.define_job::<Task<J>>().add_extension(Registered::<J> {
                state: state.clone(),
                pool: pool.clone(),
                shutdown: shutdown.clone(),
            })
        }));
        self
    }

    /// Enqueues `job` whenever `cron` (minute, hour, day, month, weekday; local time) says, once
    /// for all workers. What was missed within the last day, as by a machine that was switched
    /// off, is made up for by one run. A wrong `cron` is told by [`Jobs::start`].
    pub fn schedule<J: Job>(mut self, cron: &str, job: J) -> Self {
        match crontab::<J>(cron, &job) {
            Ok(crontab) => self.schedule.push(crontab),
            Err(error) => self.invalid = Some(error),
        }
        self
    }

    /// Jobs that run at the same time; 4 where not set.
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.concurrency = jobs.max(1);
        self
    }

    /// Starts working in the background. Jobs whose process is gone are taken over before it
    /// returns. A database that fails later is waited for.
    pub async fn start(mut self) -> Result<JobsHandle, StoreError> {
        if let Some(error) = self.invalid.take() {
            return Err(error);
        }
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_with(self.owner.clone())
            .await?;
        let shutdown = CancellationToken::new();
        let first = self.begin(&pool, &shutdown).await?;
        let supervisor = tokio::spawn(supervise(Arc::new(self), pool, shutdown.clone(), first));
        Ok(JobsHandle { shutdown, supervisor })
    }

    async fn begin(
        &self,
        pool: &PgPool,
        shutdown: &CancellationToken,
    ) -> Result<(Worker, Lease), StoreError> {
        let options = WorkerOptions::default()
            .pg_pool(pool.clone())
            .concurrency(self.concurrency)
            .listen_os_shutdown_signals(false)
            .shutdown_signal(shutdown.clone().cancelled_owned())
            .shutdown_grace_period(GRACE)
            .shutdown_interrupted_job_retry_delay(Duration::ZERO)
            .with_crons(self.schedule.iter().cloned());
        let options = self
            .registrations
            .iter()
            .fold(options, |options, register| register(options, pool, shutdown));
        let worker = options.init().await.map_err(queue_error)?;
        let lease = Lease::take(&self.owner, worker.worker_id()).await?;
        make_up(pool, &self.schedule).await?;
        Ok((worker, lease))
    }
}

/// Keeps a worker running until `shutdown`, with a new one after each failure of the database.
async fn supervise(
    jobs: Arc<Jobs>,
    pool: PgPool,
    shutdown: CancellationToken,
    first: (Worker, Lease),
) {
    let mut next = Some(first);
    while !shutdown.is_cancelled() {
        let begun = match next.take() {
            Some(begun) => Ok(begun),
            None => jobs.begin(&pool, &shutdown).await,
        };
        match begun {
            Ok((worker, lease)) => {
                let stop = CancellationToken::new();
                let keeper = tokio::spawn(lease.keep(stop.clone()));
                if let Err(error) = worker.run().await {
                    tracing::error!(%error, "the job worker stopped, starting another");
                }
                stop.cancel();
                if let Err(error) = keeper.await {
                    tracing::error!(%error, "the job lease's keeper failed");
                }
            }
            Err(error) => tracing::error!(cause = ?error.0, "the job worker did not start"),
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
    pool.close().await;
}

/// The worker at work. Dropping it without [`JobsHandle::shutdown`] leaves it running.
pub struct JobsHandle {
    shutdown: CancellationToken,
    supervisor: JoinHandle<()>,
}

impl JobsHandle {
    /// Stops taking jobs, gives the running ones a few seconds, and returns what is unfinished to
    /// the queue.
    pub async fn shutdown(self) {
        self.shutdown.cancel();
        if let Err(error) = self.supervisor.await {
            tracing::error!(%error, "the job worker failed while stopping");
        }
    }
}
