//! The testkit itself: databases are apart and go away, and the upstream counts right.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use lyceum_testkit::{TestDb, admin, user};
use sqlx::ConnectOptions as _;

async fn users(db: &lyceum_store::Db) -> i64 {
    let mut tx = db.begin_maintenance().await.unwrap();
    sqlx::query_scalar("SELECT count(*) FROM identity.users").fetch_one(&mut *tx).await.unwrap()
}

#[tokio::test]
async fn databases_are_apart() {
    let (one, two) = (TestDb::new().await, TestDb::new().await);
    user(&one.db, "ada").await;
    admin(&one.db, "grace").await;
    assert_eq!(users(&one.db).await, 2);
    assert_eq!(users(&two.db).await, 0);
}

#[tokio::test]
async fn databases_go_away_after_their_process() {
    let mut process = std::process::Command::new("true").spawn().unwrap();
    let left = format!("test_{}_left", process.id());
    let living = TestDb::new().await;
    let mut connection = living.owner.connect().await.unwrap();
    let make = sqlx::AssertSqlSafe(format!("CREATE DATABASE {left}"));
    sqlx::query(make).execute(&mut connection).await.unwrap();
    process.wait().unwrap();
    // Another test may be the one that removes it.
    for _ in 0..500 {
        let _another = TestDb::new().await;
        let there: Vec<String> =
            sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE datname = ANY ($1)")
                .bind([&left, &living.name])
                .fetch_all(&mut connection)
                .await
                .unwrap();
        if there == [living.name.as_str()] {
            return;
        }
    }
    panic!("{left} is still there");
}

/// Somebody who is just signing in holds up whoever removes a database, and the runtime that would
/// let them go on stands still while a test ends.
#[tokio::test]
async fn a_test_ends_while_somebody_signs_in() {
    let test = TestDb::new().await;
    let path = format!(".s.PGSQL.{}", test.owner.get_port());
    let mut signing_in = UnixStream::connect(test.owner.get_socket().unwrap().join(path)).unwrap();
    let names = format!("user\0{}\0database\0{}\0\0", test.owner.get_username(), test.name);
    let length = u32::try_from(8 + names.len()).unwrap();
    signing_in.write_all(&length.to_be_bytes()).unwrap();
    signing_in.write_all(&196_608_u32.to_be_bytes()).unwrap();
    signing_in.write_all(names.as_bytes()).unwrap();
    let mut asks_for_the_password = [0; 1];
    signing_in.read_exact(&mut asks_for_the_password).unwrap();
    assert_eq!(&asks_for_the_password, b"R");
    drop(test);
    // PostgreSQL did not have to give up on it.
    signing_in.set_nonblocking(true).unwrap();
    let mut rest = Vec::new();
    let end = signing_in.read_to_end(&mut rest).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::WouldBlock, "{}", String::from_utf8_lossy(&rest));
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
