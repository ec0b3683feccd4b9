//! The testkit itself: databases are apart and go away, and the upstream counts right.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use lyceum_testkit::{TestDb, admin, user};
use sqlx::ConnectOptions as _;

async fn users(db: &lyceum_store::Db) -> i64 {
    let mut tx = db.begin_maintenance().await.unwrap();
    sqlx::query_scalar("SELECT count(*) FROM identity.users").fetch_one(&mut *tx).await.unwrap()
}

#[tokio::test]
async fn databases_are_apart_and_go_away() {
    let (one, two) = (TestDb::new().await, TestDb::new().await);
    user(&one.db, "ada").await;
    admin(&one.db, "grace").await;
    assert_eq!(users(&one.db).await, 2);
    assert_eq!(users(&two.db).await, 0);
    let (name, owner) = (one.name.clone(), two.owner.clone());
    drop(one);
    let mut connection = owner.connect().await.unwrap();
    let left: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(name)
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert!(!left);
}

#[tokio::test]
async fn the_program_connects_as_a_role_that_row_level_security_binds() {
    let test = TestDb::new().await;
    let mut tx = test.db.begin_as(lyceum_core::new_id()).await.unwrap();
    let (role, bypasses): (String, bool) = sqlx::query_as(
        "SELECT session_user::text, rolsuper OR rolbypassrls FROM pg_roles
         WHERE rolname = session_user",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert_eq!((role.as_str(), bypasses), ("lyceum_app", false));
}
