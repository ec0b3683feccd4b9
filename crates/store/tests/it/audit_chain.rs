//! The chain of the audit log: complete, without a gap, and in nobody's way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lyceum_core::Clock;
use lyceum_store::Db;
use lyceum_store::audit::{self, Fault, FaultKind, Range, Verification};
use lyceum_testkit::{TestDb, admin};
use sqlx::{ConnectOptions as _, PgConnection};
use uuid::Uuid;

/// Writes entries `thing` numbered by their resource id, each in a statement of its own.
async fn write(db: &Db, numbers: std::ops::Range<u128>) {
    let mut tx = db.begin_maintenance().await.unwrap();
    for number in numbers {
        sqlx::query(
            "INSERT INTO ops.audit_logs
               (id, action, resource_type, resource_id, old_values, new_values, ip_address)
             VALUES (app.new_id(), 'look', 'thing', $1, '{\"a\": [1.50, null]}',
                     '{\"b\": \"ü\\\"\"}', '192.0.2.1')",
        )
        .bind(Uuid::from_u128(number))
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
}

pub async fn linked(entries: u128) -> TestDb {
    let db = TestDb::new().await;
    write(&db.db, 1..entries + 1).await;
    audit::link_all(&db.db, &Clock::system()).await.unwrap();
    db
}

pub async fn verified(db: &TestDb, range: Range) -> Verification {
    audit::verify(&db.db, range, |_| {}).await.unwrap()
}

pub async fn owner(db: &TestDb) -> PgConnection {
    db.owner.connect().await.unwrap()
}

async fn number(connection: &mut PgConnection, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(connection).await.unwrap()
}

/// The links of the entries that the tests wrote, by their numbers.
async fn seqs(connection: &mut PgConnection) -> Vec<i64> {
    sqlx::query_scalar(
        "SELECT c.seq FROM ops.audit_chain c JOIN ops.audit_logs l ON l.id = c.audit_id
         WHERE l.resource_type = 'thing' ORDER BY l.resource_id",
    )
    .fetch_all(connection)
    .await
    .unwrap()
}

pub fn kinds(faults: &[Fault]) -> Vec<(FaultKind, Option<i64>)> {
    faults.iter().map(|fault| (fault.kind, fault.seq)).collect()
}

#[tokio::test]
async fn an_untouched_log_is_intact_from_the_first_entry_of_the_installation_on() {
    let db = linked(10).await;
    let mut connection = owner(&db).await;
    let rows = number(&mut connection, "SELECT count(*) FROM ops.audit_logs").await;
    let found = verified(&db, Range::default()).await;
    assert_eq!((found.broken, found.faults.len()), (0, 0), "{:?}", found.faults);
    assert_eq!(found.range, Some((1, rows)), "what the migrations wrote is linked, too");
    assert_eq!(i64::try_from(found.links).unwrap(), rows);
    assert_eq!((found.state.pending, found.state.head.seq), (0, rows));

    write(&db.db, 11..14).await;
    let found = verified(&db, Range::default()).await;
    assert_eq!((found.broken, found.state.pending), (0, 3), "not linked yet is no fault");
    let before = found.state.head;
    audit::link_all(&db.db, &Clock::system()).await.unwrap();
    let range = Range { anchor: Some(before), ..Range::default() };
    let found = verified(&db, range).await;
    assert_eq!((found.broken, found.state.head.seq), (0, rows + 3));
}

/// The form is fixed for ever: this value was computed by another program from the description in
/// `canonical.rs`.
#[tokio::test]
async fn the_form_of_an_entry_never_changes() {
    let db = TestDb::new().await;
    let mut connection = owner(&db).await;
    sqlx::raw_sql(
        r#"SET timezone = 'Asia/Shanghai';
        INSERT INTO ops.audit_logs (id, created_at, action, resource_type, resource_id, old_values,
                                    ip_address, user_agent)
        VALUES ('00000000-0000-7000-8000-0000000000AA', '2026-01-02T03:03:04.005006Z', 'look',
                'thing', '00000000-0000-0000-0000-000000000001',
                '{"aa":"\u00fc\"", "list":[1e2,null], "b":1.50}', '2001:db8::1', 'agent, 1')"#,
    )
    .execute(&mut connection)
    .await
    .unwrap();
    audit::link_all(&db.db, &Clock::system()).await.unwrap();
    let hash: String = sqlx::query_scalar(
        "SELECT encode(row_hash, 'hex') FROM ops.audit_chain
         WHERE audit_id = '00000000-0000-7000-8000-0000000000aa'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(hash, "32e4541326f3583e535568e80ebb7ce97c241d12ea27889b28ee963a98b01831");
}

#[tokio::test]
async fn sixty_four_writers_at_once_leave_a_chain_without_a_gap() {
    let db = TestDb::new().await;
    let root = admin(&db.db, "root").await;
    let clock = Clock::system();
    let stop = Arc::<AtomicBool>::default();
    let linkers: Vec<_> = (0..2)
        .map(|_| {
            let (db, clock, stop) = (db.db.clone(), clock.clone(), stop.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    audit::link(&db, &clock).await.unwrap();
                }
            })
        })
        .collect();
    let writers: Vec<_> = (0..64)
        .map(|number: u32| {
            let db = db.db.clone();
            tokio::spawn(async move {
                for round in 0..5 {
                    let mut tx = db.begin_as(root).await.unwrap();
                    // Some take longer than others, and some take back what they did.
                    sqlx::query("INSERT INTO identity.groups (id, name) VALUES (app.new_id(), $1)")
                        .bind(format!("group {number} {round}"))
                        .execute(&mut *tx)
                        .await
                        .unwrap();
                    sqlx::query("SELECT pg_sleep($1)")
                        .bind(f64::from(number % 8) / 400.0)
                        .execute(&mut *tx)
                        .await
                        .unwrap();
                    match number % 8 {
                        7 => tx.rollback().await.unwrap(),
                        _ => tx.commit().await.unwrap(),
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for linker in linkers {
        linker.await.unwrap();
    }
    audit::link_all(&db.db, &clock).await.unwrap();
    let mut connection = owner(&db).await;
    let rows = number(&mut connection, "SELECT count(*) FROM ops.audit_logs").await;
    let groups = number(
        &mut connection,
        "SELECT count(*) FROM ops.audit_logs WHERE resource_type = 'group'",
    )
    .await;
    assert_eq!(groups, 56 * 5);
    let found = verified(&db, Range::default()).await;
    assert_eq!((found.broken, found.state.pending), (0, 0), "{:?}", found.faults);
    assert_eq!(found.range, Some((1, rows)), "{rows} entries, {} links", found.links);
}

#[tokio::test]
async fn a_transaction_neither_waits_for_the_chain_nor_holds_it_up() {
    let db = TestDb::new().await;
    let clock = Clock::system();
    audit::link_all(&db.db, &clock).await.unwrap();
    let mut open = db.db.begin_maintenance().await.unwrap();
    sqlx::query(
        "INSERT INTO ops.audit_logs (id, action, resource_type, resource_id)
         VALUES (app.new_id(), 'look', 'thing', $1)",
    )
    .bind(Uuid::from_u128(1))
    .execute(&mut *open)
    .await
    .unwrap();
    write(&db.db, 2..3).await;
    assert_eq!(audit::link(&db.db, &clock).await.unwrap(), Some(1), "only what is committed");
    open.commit().await.unwrap();
    assert_eq!(audit::link(&db.db, &clock).await.unwrap(), Some(1));
    let seqs = seqs(&mut owner(&db).await).await;
    assert!(seqs[0] > seqs[1], "the order is that of linking: {seqs:?}");
    assert_eq!(verified(&db, Range::default()).await.broken, 0);
}

#[tokio::test]
async fn a_writer_of_the_chain_that_is_killed_leaves_nothing_half_done() {
    let db = TestDb::new().await;
    let clock = Clock::system();
    audit::link_all(&db.db, &clock).await.unwrap();
    write(&db.db, 1..1501).await;
    // It stands in the middle: the queue is read, the links cannot be written.
    let mut connection = owner(&db).await;
    let mut blocker = owner(&db).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE ops.audit_chain IN SHARE MODE")
        .execute(&mut blocker)
        .await
        .unwrap();
    let (pool, now) = (db.db.clone(), clock.clone());
    let linker = tokio::spawn(async move { audit::link_all(&pool, &now).await });
    let blocked = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'
                     AND query LIKE '%INTO ops.audit_chain%' AND pid <> pg_backend_pid()";
    for _ in 0..600 {
        if number(&mut connection, blocked).await == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let other = audit::link(&db.db, &clock).await.unwrap();
    assert_eq!(other, None, "another node leaves it alone");
    let killed = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                  WHERE datname = current_database() AND wait_event_type = 'Lock'
                    AND query LIKE '%INTO ops.audit_chain%' AND pid <> pg_backend_pid()";
    assert_eq!(number(&mut connection, killed).await, 1);
    assert!(linker.await.unwrap().is_err());
    sqlx::raw_sql("ROLLBACK").execute(&mut blocker).await.unwrap();
    assert_eq!(number(&mut connection, "SELECT count(*) FROM ops.audit_queue").await, 1500);
    assert_eq!(audit::link_all(&db.db, &clock).await.unwrap(), 1500);
    let found = verified(&db, Range::default()).await;
    assert_eq!((found.broken, found.state.pending), (0, 0), "{:?}", found.faults);
}

#[tokio::test]
async fn what_vanished_before_it_was_linked_is_missed() {
    let db = linked(2).await;
    write(&db.db, 3..4).await;
    let mut connection = owner(&db).await;
    sqlx::query("DELETE FROM ops.audit_logs WHERE resource_id = $1")
        .bind(Uuid::from_u128(3))
        .execute(&mut connection)
        .await
        .unwrap();
    audit::link_all(&db.db, &Clock::system()).await.unwrap();
    let found = verified(&db, Range::default()).await;
    let head = found.state.head.seq;
    assert_eq!(kinds(&found.faults), [(FaultKind::EntryMissing, Some(head))]);
}

#[tokio::test]
async fn a_range_is_read_alone() {
    let db = linked(3).await;
    let mut connection = owner(&db).await;
    let between: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut connection).await.unwrap();
    let first = verified(&db, Range::default()).await.state.head.seq;
    write(&db.db, 4..7).await;
    audit::link_all(&db.db, &Clock::system()).await.unwrap();
    sqlx::query("UPDATE ops.audit_logs SET action = 'x' WHERE resource_id = $1")
        .bind(Uuid::from_u128(2))
        .execute(&mut connection)
        .await
        .unwrap();
    let late = Range { from: Some(between), ..Range::default() };
    let found = verified(&db, late).await;
    assert_eq!((found.range, found.broken), (Some((first + 1, first + 3)), 0));
    let early = Range { to: Some(between), ..Range::default() };
    let found = verified(&db, early).await;
    assert_eq!((found.range, found.broken), (Some((1, first)), 1), "{:?}", found.faults);
}

#[tokio::test]
async fn the_program_itself_cannot_rewrite_the_chain() {
    let db = linked(1).await;
    let root = admin(&db.db, "root").await;
    for statement in [
        "SELECT FROM ops.audit_chain",
        "INSERT INTO ops.audit_queue VALUES (now(), gen_random_uuid())",
        "DELETE FROM ops.audit_queue",
        "DELETE FROM ops.audit_checkpoints",
        "SELECT FROM ops.data_keys",
    ] {
        let mut tx = db.db.begin_as(root).await.unwrap();
        assert!(sqlx::query(statement).execute(&mut *tx).await.is_err(), "{statement}");
    }
    for statement in [
        "UPDATE ops.audit_chain SET seq = seq + 1",
        "UPDATE ops.audit_checkpoints SET seq = 1",
        "DELETE FROM ops.audit_checkpoints",
        "UPDATE ops.audit_queue SET created_at = now()",
    ] {
        let mut tx = db.db.begin_maintenance().await.unwrap();
        assert!(sqlx::query(statement).execute(&mut *tx).await.is_err(), "{statement}");
    }
}

/// Rows without an id of their own are named by what they are about.
#[tokio::test]
async fn a_role_given_and_a_member_added_are_named() {
    let db = TestDb::new().await;
    let root = admin(&db.db, "root").await;
    let mut connection = owner(&db).await;
    sqlx::raw_sql(
        "INSERT INTO identity.groups (id, name)
         VALUES ('00000000-0000-0000-0000-000000000007', 'seven');
         INSERT INTO identity.group_members (group_id, user_id)
         SELECT '00000000-0000-0000-0000-000000000007', id FROM identity.users;",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let named: Vec<(String, Uuid)> = sqlx::query_as(
        "SELECT resource_type, resource_id FROM ops.audit_logs
         WHERE resource_type IN ('user_role', 'group_member') ORDER BY 1 DESC",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let group = Uuid::from_u128(7);
    assert_eq!(named, [("user_role".to_owned(), root), ("group_member".to_owned(), group)]);
}

#[tokio::test]
async fn what_triggers_write_says_from_where_and_with_what_a_request_came() {
    let db = TestDb::new().await;
    let make = async |name: &'static str| {
        let mut tx = db.db.begin_maintenance().await.unwrap();
        let made = "INSERT INTO identity.groups (id, name) VALUES (app.new_id(), $1)";
        sqlx::query(made).bind(name).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    };
    let ip = "192.0.2.7".parse().ok();
    lyceum_store::with_client(ip, Some("x".repeat(500).into()), make("asked for")).await;
    make("made by itself").await;
    let entries: Vec<(String, Option<String>, Option<i32>)> = sqlx::query_as(
        "SELECT new_values ->> 'name', host(ip_address), length(user_agent) FROM ops.audit_logs
         WHERE resource_type = 'group' ORDER BY created_at",
    )
    .fetch_all(&mut owner(&db).await)
    .await
    .unwrap();
    let expected = [
        ("asked for".to_owned(), Some("192.0.2.7".to_owned()), Some(400)),
        ("made by itself".to_owned(), None, None),
    ];
    assert_eq!(entries, expected);
    audit::link_all(&db.db, &Clock::system()).await.unwrap();
    let found = verified(&db, Range::default()).await;
    assert_eq!((found.broken, found.state.pending), (0, 0), "{:?}", found.faults);
}
