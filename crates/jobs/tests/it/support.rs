use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use lyceum_jobs::{Job, JobContext, JobError, JobFigures, Jobs, JobsHandle};
use lyceum_testkit::TestDb;
use serde::{Deserialize, Serialize};
use sqlx::{ConnectOptions, PgConnection};

/// What the test jobs saw: the attempts of each label, in order.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<HashMap<String, Vec<i32>>>>);

impl Seen {
    pub fn attempts(&self, label: &str) -> Vec<i32> {
        self.0.lock().unwrap().get(label).cloned().unwrap_or_default()
    }

    fn add(&self, label: &str, attempt: i32) {
        self.0.lock().unwrap().entry(label.to_owned()).or_default().push(attempt);
    }
}

#[derive(Serialize, Deserialize)]
pub enum Act {
    Succeed,
    FailOnce,
    FailAlways,
    FailForGood,
    Panic,
    WaitForShutdown,
}

/// A job that does as it is told.
#[derive(Serialize, Deserialize)]
pub struct TestJob {
    pub label: String,
    pub act: Act,
}

impl TestJob {
    pub fn new(label: &str, act: Act) -> Self {
        Self { label: label.to_owned(), act }
    }
}

#[async_trait]
impl Job for TestJob {
    const NAME: &'static str = "test.job";
    const MAX_ATTEMPTS: i32 = 3;
    type State = Seen;

    async fn run(self, seen: Seen, context: JobContext) -> Result<(), JobError> {
        seen.add(&self.label, context.attempt);
        assert_eq!(context.max_attempts, Self::MAX_ATTEMPTS);
        match self.act {
            Act::Succeed => Ok(()),
            Act::FailOnce if context.attempt > 1 => Ok(()),
            Act::FailOnce | Act::FailAlways => {
                Err(JobError::Retry(format!("\"{}\" failed: 坏", self.label)))
            }
            Act::FailForGood => Err(JobError::Fatal("no use".to_owned())),
            Act::Panic => panic!("boom"),
            Act::WaitForShutdown => {
                context.shutdown.cancelled().await;
                Err(JobError::Retry("stopped".to_owned()))
            }
        }
    }
}

pub fn worker(db: &TestDb, seen: &Seen) -> Jobs {
    Jobs::new(db.owner.clone()).register::<TestJob>(seen.clone()).concurrency(2)
}

pub async fn start(db: &TestDb, seen: &Seen) -> JobsHandle {
    worker(db, seen).start().await.unwrap()
}

pub async fn figures(db: &TestDb) -> JobFigures {
    let mut tx = db.db.begin_maintenance().await.unwrap();
    lyceum_jobs::figures(&mut tx).await.unwrap()
}

pub async fn owner(db: &TestDb) -> PgConnection {
    db.owner.connect().await.unwrap()
}

/// Lets the back-off pass at once.
pub async fn skip_back_off(db: &TestDb) {
    sqlx::query("UPDATE graphile_worker._private_jobs SET run_at = now() WHERE run_at > now()")
        .execute(&mut owner(db).await)
        .await
        .unwrap();
}

/// Waits until `done`, for at most half a minute.
pub async fn until<F: Future<Output = bool>>(what: &str, done: impl Fn() -> F) {
    for _ in 0..600 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}: not within half a minute");
}
