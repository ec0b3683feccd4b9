use lyceum_jobs::{EnqueueOptions, JobFigures, enqueue};
use lyceum_testkit::TestDb;

use crate::support::{Act, Seen, TestJob, figures, owner, skip_back_off, start, until, worker};

async fn add(db: &TestDb, label: &str, act: Act, options: EnqueueOptions) -> i64 {
    let user = lyceum_testkit::user(&db.db, label).await;
    let mut tx = db.db.begin_as(user).await.unwrap();
    let id = enqueue(&mut tx, &TestJob::new(label, act), options).await.unwrap();
    tx.commit().await.unwrap();
    id
}

fn keyed(key: &str) -> EnqueueOptions {
    EnqueueOptions { key: Some(key.to_owned()), ..EnqueueOptions::default() }
}

#[tokio::test]
async fn a_rolled_back_transaction_leaves_no_job() {
    let db = TestDb::new().await;
    let mut tx = db.db.begin_maintenance().await.unwrap();
    enqueue(&mut tx, &TestJob::new("ghost", Act::Succeed), EnqueueOptions::default())
        .await
        .unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(figures(&db).await, JobFigures::default());
}

#[tokio::test]
async fn a_job_runs_once_and_is_gone() {
    let db = TestDb::new().await;
    let seen = Seen::default();
    let handle = start(&db, &seen).await;
    add(&db, "runs", Act::Succeed, EnqueueOptions::default()).await;
    until("the job is done", async || {
        !seen.attempts("runs").is_empty() && figures(&db).await == JobFigures::default()
    })
    .await;
    assert_eq!(seen.attempts("runs"), [1]);
    handle.shutdown().await;
}

#[tokio::test]
async fn the_program_reaches_the_queue_through_the_functions_only() {
    let db = TestDb::new().await;
    let mut tx = db.db.begin_maintenance().await.unwrap();
    let error = sqlx::query("SELECT 1 FROM graphile_worker._private_jobs")
        .execute(&mut *tx)
        .await
        .unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501");
    let user = lyceum_testkit::user(&db.db, "curious").await;
    let mut tx = db.db.begin_as(user).await.unwrap();
    let error = sqlx::query("SELECT * FROM app.list_jobs()").execute(&mut *tx).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501");
}

#[tokio::test]
async fn a_failure_is_kept_and_tried_again_until_attempts_run_out() {
    let db = TestDb::new().await;
    let seen = Seen::default();
    let handle = start(&db, &seen).await;
    add(&db, "once", Act::FailOnce, EnqueueOptions::default()).await;
    let failing = add(&db, "always", Act::FailAlways, EnqueueOptions::default()).await;
    until("one is done and the other given up", async || {
        skip_back_off(&db).await;
        figures(&db).await == JobFigures { waiting: 0, running: 0, failed: 1 }
    })
    .await;
    assert_eq!(seen.attempts("once"), [1, 2]);
    assert_eq!(seen.attempts("always"), [1, 2, 3]);

    let mut tx = db.db.begin_maintenance().await.unwrap();
    let failed = lyceum_jobs::failed(&mut tx, 10).await.unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].id, failed[0].attempts), (failing, 3));
    assert_eq!(failed[0].reason, "\"always\" failed: 坏");

    assert!(lyceum_jobs::retry_failed(&mut tx, failing, 3).await.unwrap());
    assert!(!lyceum_jobs::retry_failed(&mut tx, failing, 3).await.unwrap(), "it waits again");
    tx.commit().await.unwrap();
    until("it is given up again", async || {
        skip_back_off(&db).await;
        seen.attempts("always").len() == 6 && figures(&db).await.failed == 1
    })
    .await;
    handle.shutdown().await;
}

#[tokio::test]
async fn the_back_off_grows() {
    let db = TestDb::new().await;
    let seen = Seen::default();
    let handle = start(&db, &seen).await;
    let id = add(&db, "backs_off", Act::FailAlways, EnqueueOptions::default()).await;
    let mut delays = Vec::new();
    for attempt in 1..=2 {
        until("the attempt failed", async || {
            // In this order: before it is seen the job waits as well.
            seen.attempts("backs_off").len() == attempt && figures(&db).await.waiting == 1
        })
        .await;
        let delay: f64 = sqlx::query_scalar(
            "SELECT extract(epoch FROM run_at - updated_at)::float8
             FROM graphile_worker._private_jobs WHERE id = $1",
        )
        .bind(id)
        .fetch_one(&mut owner(&db).await)
        .await
        .unwrap();
        delays.push(delay);
        skip_back_off(&db).await;
    }
    handle.shutdown().await;
    assert!(delays[0] > 1.0 && delays[1] > 2.0 * delays[0], "{delays:?}");
}

#[tokio::test]
async fn a_fatal_failure_and_an_unreadable_payload_end_the_attempts() {
    let db = TestDb::new().await;
    let seen = Seen::default();
    add(&db, "fatal", Act::FailForGood, EnqueueOptions::default()).await;
    sqlx::query("SELECT graphile_worker.add_job('test.job', '{\"label\": 7}')")
        .execute(&mut owner(&db).await)
        .await
        .unwrap();
    let handle = start(&db, &seen).await;
    until("both are given up", async || figures(&db).await.failed == 2).await;
    assert_eq!(seen.attempts("fatal"), [1]);
    let mut tx = db.db.begin_maintenance().await.unwrap();
    let reasons: Vec<String> =
        lyceum_jobs::failed(&mut tx, 10).await.unwrap().into_iter().map(|job| job.reason).collect();
    assert!(reasons.contains(&"no use".to_owned()), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.starts_with("the payload does not fit")));
    handle.shutdown().await;
}

#[tokio::test]
async fn a_panic_is_a_failed_attempt() {
    let db = TestDb::new().await;
    let seen = Seen::default();
    let handle = start(&db, &seen).await;
    add(&db, "panics", Act::Panic, EnqueueOptions::default()).await;
    until("it is given up", async || {
        skip_back_off(&db).await;
        figures(&db).await.failed == 1
    })
    .await;
    let mut tx = db.db.begin_maintenance().await.unwrap();
    assert_eq!(lyceum_jobs::failed(&mut tx, 1).await.unwrap()[0].reason, "panicked: boom");
    handle.shutdown().await;
}

#[tokio::test]
async fn a_key_replaces_the_waiting_job() {
    let db = TestDb::new().await;
    let seen = Seen::default();
    let first = add(&db, "old", Act::Succeed, keyed("document-1")).await;
    let second = add(&db, "new", Act::Succeed, keyed("document-1")).await;
    assert_eq!(first, second);
    add(&db, "other", Act::Succeed, keyed("document-2")).await;
    let handle = start(&db, &seen).await;
    until("all are done", async || figures(&db).await == JobFigures::default()).await;
    assert!(seen.attempts("old").is_empty());
    assert_eq!(seen.attempts("new"), [1]);
    assert_eq!(seen.attempts("other"), [1]);
    handle.shutdown().await;
}

#[tokio::test]
async fn a_job_cut_off_by_a_shutdown_loses_no_attempt() {
    let db = TestDb::new().await;
    let seen = Seen::default();
    let handle = start(&db, &seen).await;
    add(&db, "waits", Act::WaitForShutdown, EnqueueOptions::default()).await;
    until("it runs", async || !seen.attempts("waits").is_empty()).await;
    handle.shutdown().await;
    assert_eq!(figures(&db).await, JobFigures { waiting: 1, running: 0, failed: 0 });

    let handle = start(&db, &seen).await;
    until("it runs again", async || {
        skip_back_off(&db).await;
        seen.attempts("waits").len() == 2
    })
    .await;
    handle.shutdown().await;
    assert_eq!(seen.attempts("waits"), [1, 1]);
}

#[tokio::test]
async fn a_run_missed_while_nothing_ran_is_made_up_for_once() {
    let db = TestDb::new().await;
    let seen = Seen::default();
    let scheduled =
        || worker(&db, &seen).schedule("0 * * * *", TestJob::new("hourly", Act::Succeed)).start();
    let handle = scheduled().await.unwrap();
    until("the schedule is known", async || {
        let known: i64 =
            sqlx::query_scalar("SELECT count(*) FROM graphile_worker._private_known_crontabs")
                .fetch_one(&mut owner(&db).await)
                .await
                .unwrap();
        known == 1
    })
    .await;
    handle.shutdown().await;
    assert!(seen.attempts("hourly").is_empty());
    let moved = sqlx::query(
        "UPDATE graphile_worker._private_known_crontabs
         SET known_since = now() - interval '5 hours', last_execution = NULL",
    )
    .execute(&mut owner(&db).await)
    .await
    .unwrap();
    assert_eq!(moved.rows_affected(), 1);

    let handle = scheduled().await.unwrap();
    until("it ran", async || !seen.attempts("hourly").is_empty()).await;
    until("nothing waits", async || figures(&db).await == JobFigures::default()).await;
    assert_eq!(seen.attempts("hourly"), [1]);
    handle.shutdown().await;
}

#[tokio::test]
async fn a_wrong_schedule_is_told_at_start() {
    let db = TestDb::new().await;
    let started = worker(&db, &Seen::default())
        .schedule("61 * * * *", TestJob::new("never", Act::Succeed))
        .start()
        .await;
    assert!(started.is_err());
}
