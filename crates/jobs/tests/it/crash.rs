use std::process::{Child, Command};

use async_trait::async_trait;
use lyceum_jobs::{EnqueueOptions, Job, JobContext, JobError, JobFigures, Jobs, enqueue};
use lyceum_testkit::TestDb;
use serde::{Deserialize, Serialize};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::support::{figures, until};

const ADDRESS: &str = "LYCEUM_TEST_WORKER_DATABASE";

/// Hangs in the process that is going to be killed, succeeds in any other.
#[derive(Serialize, Deserialize)]
struct HangInChild;

#[async_trait]
impl Job for HangInChild {
    const NAME: &'static str = "test.hang_in_child";
    const MAX_ATTEMPTS: i32 = 2;
    type State = ();

    async fn run(self, (): (), context: JobContext) -> Result<(), JobError> {
        if std::env::var_os(ADDRESS).is_some() {
            std::future::pending::<()>().await;
        }
        assert_eq!(context.attempt, 2, "the attempt that was cut off counts");
        Ok(())
    }
}

/// Not a test of its own: the process that the tests below kill.
#[tokio::test]
#[ignore = "run by the other tests of this file, in a process of its own"]
async fn worker_process() {
    let owner: PgConnectOptions = std::env::var(ADDRESS).unwrap().parse().unwrap();
    let _handle = Jobs::new(owner).register::<HangInChild>(()).start().await.unwrap();
    std::future::pending::<()>().await;
}

fn spawn_worker(db: &TestDb) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::worker_process", "--ignored", "--nocapture"])
        .env(ADDRESS, db.owner.to_url_lossy().as_str())
        .spawn()
        .unwrap()
}

async fn enqueue_and_wait_until_running(db: &TestDb, queue: Option<&str>) {
    let options = EnqueueOptions { queue: queue.map(str::to_owned), ..EnqueueOptions::default() };
    let mut tx = db.db.begin_maintenance().await.unwrap();
    enqueue(&mut tx, &HangInChild, options).await.unwrap();
    tx.commit().await.unwrap();
    until("the other process runs the job", async || figures(db).await.running == 1).await;
}

#[tokio::test]
async fn a_worker_that_starts_takes_over_from_a_killed_one() {
    let db = TestDb::new().await;
    let mut child = spawn_worker(&db);
    enqueue_and_wait_until_running(&db, Some("serial")).await;
    child.kill().unwrap();
    child.wait().unwrap();

    let handle = Jobs::new(db.owner.clone()).register::<HangInChild>(()).start().await.unwrap();
    until("the job is done", async || figures(&db).await == JobFigures::default()).await;
    handle.shutdown().await;
}

#[tokio::test]
async fn a_worker_that_runs_takes_over_from_a_killed_one_and_not_from_a_living_one() {
    let db = TestDb::new().await;
    let mut child = spawn_worker(&db);
    enqueue_and_wait_until_running(&db, None).await;
    // Starting sweeps: the living worker's job must stay where it is.
    let handle = Jobs::new(db.owner.clone()).register::<HangInChild>(()).start().await.unwrap();
    assert_eq!(figures(&db).await, JobFigures { waiting: 0, running: 1, failed: 0 });
    child.kill().unwrap();
    child.wait().unwrap();
    until("the job is done", async || figures(&db).await == JobFigures::default()).await;
    handle.shutdown().await;
}
