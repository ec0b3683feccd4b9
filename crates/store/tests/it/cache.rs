//! What nodes remember of the database, and how they hear that it changed.

use std::convert::Infallible;
use std::time::Duration;

use lyceum_store::cache::{PREFERENCES, PROVIDERS};
use lyceum_store::{Cache, Db};
use lyceum_testkit::TestDb;
use sqlx::ConnectOptions as _;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Another node, once it hears of changes.
async fn node(test: &TestDb) -> (Db, JoinHandle<()>) {
    let db = Db::connect(test.app_options(), 4).await.unwrap();
    let following = db.clone();
    let follower = tokio::spawn(async move { following.cache().follow(&following).await });
    until(async || db.cache().hears()).await;
    (db, follower)
}

pub async fn until(condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert!(waited.is_ok(), "it did not come about");
}

async fn read(cache: &Cache, person: Uuid, value: u32) -> u32 {
    let read = async { Ok::<_, Infallible>(value) };
    cache.read_through(&PREFERENCES.of_id(person), read).await.unwrap()
}

async fn prefer(test: &TestDb, person: Uuid) {
    let mut tx = test.db.begin_as(person).await.unwrap();
    sqlx::query(
        "INSERT INTO identity.user_preferences (id, user_id, key, value)
         VALUES (app.new_id(), $1, 'theme', '1')
         ON CONFLICT ON CONSTRAINT user_preferences_user_id_key
         DO UPDATE SET value = to_jsonb((user_preferences.value #>> '{}')::int + 1)",
    )
    .bind(person)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn every_node_forgets_at_commit_what_changed_and_nothing_else() {
    let test = TestDb::new().await;
    let ada = lyceum_testkit::user(&test.db, "ada").await;
    let eve = lyceum_testkit::user(&test.db, "eve").await;
    let ((one, _), (two, _)) = (node(&test).await, node(&test).await);
    for db in [&one, &two] {
        assert_eq!((read(db.cache(), ada, 1).await, read(db.cache(), eve, 1).await), (1, 1));
        assert_eq!((read(db.cache(), ada, 2).await, read(db.cache(), eve, 2).await), (1, 1));
    }
    prefer(&test, ada).await;
    for db in [&one, &two] {
        until(async || read(db.cache(), ada, 3).await == 3).await;
        assert_eq!(read(db.cache(), eve, 3).await, 1);
    }
}

#[tokio::test]
async fn what_is_rolled_back_is_not_told() {
    let test = TestDb::new().await;
    let ada = lyceum_testkit::user(&test.db, "ada").await;
    let (db, _) = node(&test).await;
    let providers = async |value: u32| {
        let read = async { Ok::<_, Infallible>(value) };
        db.cache().read_through(&PROVIDERS.only(), read).await.unwrap()
    };
    assert_eq!((read(db.cache(), ada, 1).await, providers(1).await), (1, 1));
    let change = "UPDATE gateway.ai_providers SET is_active = is_active WHERE name = 'openai'";
    let mut tx = test.db.begin_maintenance().await.unwrap();
    sqlx::query(change).execute(&mut *tx).await.unwrap();
    tx.rollback().await.unwrap();
    prefer(&test, ada).await;
    // Told later, so the other would have been told before.
    until(async || read(db.cache(), ada, 2).await == 2).await;
    assert_eq!(providers(2).await, 1);
    let mut tx = test.db.begin_maintenance().await.unwrap();
    sqlx::query(change).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    until(async || providers(3).await == 3).await;
}

#[tokio::test]
async fn a_node_that_hears_nothing_remembers_nothing_until_it_hears_again() {
    let test = TestDb::new().await;
    let ada = lyceum_testkit::user(&test.db, "ada").await;
    let (db, _) = node(&test).await;
    assert_eq!((read(db.cache(), ada, 1).await, read(db.cache(), ada, 2).await), (1, 1));
    let mut owner = test.owner.connect().await.unwrap();
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE 'LISTEN%lyceum_cache%'",
    )
    .execute(&mut owner)
    .await
    .unwrap();
    until(async || !db.cache().hears()).await;
    assert_eq!((read(db.cache(), ada, 3).await, read(db.cache(), ada, 4).await), (3, 4));
    until(async || db.cache().hears()).await;
    assert_eq!((read(db.cache(), ada, 5).await, read(db.cache(), ada, 6).await), (5, 5));
}
