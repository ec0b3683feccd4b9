//! Transactions whose beginning nobody waited for.

use std::pin::pin;

use futures::poll;
use lyceum_store::{Db, Tx};
use lyceum_testkit::{TestDb, user};
use sqlx::{Connection as _, PgConnection};

/// Polls a beginning so often and then drops it; whether it had ended before.
async fn abandon<E>(beginning: impl Future<Output = Result<Tx, E>>, polls: u32) -> bool {
    let mut beginning = pin!(beginning);
    for _ in 0..polls {
        if poll!(beginning.as_mut()).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// The server's process behind the pool's only connection, and whom it takes for the acting user.
async fn next_user(db: &Db) -> (i32, Option<String>) {
    let mut connection = db.pool().acquire().await.unwrap();
    sqlx::query_as(
        "SELECT pg_backend_pid(), nullif(current_setting('app.current_user_id', true), '')",
    )
    .fetch_one(&mut *connection)
    .await
    .unwrap()
}

async fn is_in_transaction(watcher: &mut PgConnection, pid: i32) -> bool {
    sqlx::query_scalar("SELECT xact_start IS NOT NULL FROM pg_stat_activity WHERE pid = $1")
        .bind(pid)
        .fetch_one(watcher)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_beginning_that_is_given_up_leaves_no_transaction_and_no_acting_user() {
    let test = TestDb::new().await;
    let ada = user(&test.db, "ada").await;
    let db = Db::connect(test.app_options(), 1).await.unwrap();
    let mut watcher = PgConnection::connect_with(&test.owner).await.unwrap();
    let (mut ended, mut given_up) = (0, 0);
    // Given up at the points that it can reach, until it reaches its end.
    let mut polls = 1;
    while ended < 3 {
        match abandon(db.begin_as(ada), polls).await {
            true => ended += 1,
            false => given_up += 1,
        }
        let (pid, acting) = next_user(&db).await;
        assert_eq!(acting, None, "after {polls} polls");
        assert!(!is_in_transaction(&mut watcher, pid).await, "after {polls} polls");
        polls += 1 + polls / 8;
    }
    assert!(given_up > 3, "only {given_up} were given up");
}
