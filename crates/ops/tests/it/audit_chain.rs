//! The chain of the audit log as the program keeps it: linked by itself, shown, verified, and
//! verifiable after retention forgot a part.

use std::time::Duration;

use chrono::{DateTime, Days, Months, Utc};
use http::StatusCode;
use lyceum_core::Clock;
use lyceum_http::Caller;
use lyceum_jobs::CancellationToken;
use lyceum_ops::{ApplyRetention, Ops};
use lyceum_testkit::{TestDb, admin, caller, caller_with};
use serde_json::{Value, json};

use crate::support::{get, ops, owner, run_job};

async fn write(db: &TestDb, resource: &str, at: DateTime<Utc>) {
    sqlx::query(
        "INSERT INTO ops.audit_logs (id, created_at, action, resource_type)
         VALUES (app.new_id(), $1, 'look', $2)",
    )
    .bind(at)
    .bind(resource)
    .execute(&mut owner(db).await)
    .await
    .unwrap();
}

async fn verify(ops: &Ops, root: &Caller, query: &str) -> Value {
    let path = format!("/api/v1/audit-chain/verify{query}");
    let (status, body) = get(ops, root, &path).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

/// Waits until everything is linked, and answers the chain's head.
async fn all_linked(ops: &Ops, root: &Caller) -> String {
    for _ in 0..600 {
        let (status, chain) = get(ops, root, "/api/v1/audit-chain").await;
        assert_eq!(status, StatusCode::OK, "{chain}");
        if chain["pending"] == 0 {
            return chain["anchor"].as_str().unwrap().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the log was not linked within half a minute");
}

#[tokio::test]
async fn the_log_is_linked_by_itself_and_its_change_is_told() {
    let db = TestDb::new().await;
    let (ops, root) = (ops(&db), caller(admin(&db.db, "root").await));
    let stop = CancellationToken::new();
    // Two nodes.
    let running: Vec<_> = (0..2)
        .map(|_| {
            let (ops, stop) = (ops.clone(), stop.clone());
            tokio::spawn(async move { ops.run(stop).await })
        })
        .collect();
    let anchor = all_linked(&ops, &root).await;
    write(&db, "thing", Clock::system().now()).await;
    let later = all_linked(&ops, &root).await;
    assert_ne!(anchor, later);
    let found = verify(&ops, &root, &format!("?anchor={anchor}")).await;
    assert_eq!((&found["intact"], &found["broken"]), (&json!(true), &json!(0)), "{found}");
    assert_eq!((&found["chain"]["anchor"], &found["first_seq"]), (&json!(later), &json!(1)));

    sqlx::query("UPDATE ops.audit_logs SET action = 'x' WHERE resource_type = 'thing'")
        .execute(&mut owner(&db).await)
        .await
        .unwrap();
    let found = verify(&ops, &root, "").await;
    assert_eq!((&found["intact"], &found["broken"]), (&json!(false), &json!(1)), "{found}");
    let fault = &found["faults"][0];
    assert_eq!((&fault["code"], &fault["seq"]), (&json!("entry_changed"), &found["last_seq"]));
    stop.cancel();
    for node in running {
        node.await.unwrap();
    }
}

#[tokio::test]
async fn the_chain_is_for_those_who_may_read_the_log() {
    let db = TestDb::new().await;
    let ops = ops(&db);
    let root = admin(&db.db, "root").await;
    let powerless = caller_with(root, &["conversation:*"]);
    for path in ["/api/v1/audit-chain", "/api/v1/audit-chain/verify"] {
        assert_eq!(get(&ops, &powerless, path).await.0, StatusCode::FORBIDDEN, "{path}");
    }
    let path = "/api/v1/audit-chain/verify?anchor=17";
    let (status, body) = get(&ops, &caller(root), path).await;
    assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_query")));
}

#[tokio::test]
async fn what_retention_leaves_can_be_verified() {
    let db = TestDb::new().await;
    let (ops, root) = (ops(&db), caller(admin(&db.db, "root").await));
    let now = Clock::system().now();
    let mut connection = owner(&db).await;
    // What the migrations wrote is from long ago, too, as far as this test goes.
    sqlx::raw_sql(
        "DELETE FROM ops.audit_queue;
         UPDATE ops.audit_logs SET created_at = now() - interval '200 days';
         INSERT INTO ops.audit_queue (id, created_at) SELECT id, created_at FROM ops.audit_logs;
         CREATE TABLE ops.audit_logs_y2001m01 PARTITION OF ops.audit_logs
             FOR VALUES FROM ('2001-01-01') TO ('2001-02-01')",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    for (resource, at) in [
        ("ancient", DateTime::from_timestamp(980_000_000, 0).unwrap()),
        ("old", now - Days::new(91)),
        ("young", now - Days::new(89)),
        // By a clock that was wrong, so that an old one follows on a young one.
        ("future", now + Months::new(60)),
    ] {
        write(&db, resource, at).await;
    }
    lyceum_store::audit::link_all(&db.db, &Clock::system()).await.unwrap();
    write(&db, "late", now - Days::new(100)).await;
    let before = verify(&ops, &root, "").await;
    assert_eq!((&before["intact"], &before["chain"]["pending"]), (&json!(true), &json!(1)));
    run_job(&db, &ops, &ApplyRetention {}).await;

    let links =
        "SELECT (SELECT count(*) FROM ops.audit_chain), (SELECT min(seq) FROM ops.audit_chain)";
    let (kept, first): (i64, i64) = sqlx::query_as(links).fetch_one(&mut connection).await.unwrap();
    let head = before["last_seq"].as_i64().unwrap();
    assert_eq!(first, head - 1, "the links of young and future are the first that are left");
    assert_eq!(kept, 3, "and the late one's, whose entry is gone");
    let after = verify(&ops, &root, "").await;
    assert_eq!(after["intact"], true, "{after}");
    assert_eq!((&after["forgotten"], &after["links"]), (&json!(1), &json!(3)), "{after}");
    // The last forgotten link is a place to hold on to, an earlier one proves nothing any more.
    let forgotten = after["chain"]["forgotten"]["anchor"].as_str().unwrap();
    assert_eq!(verify(&ops, &root, &format!("?anchor={forgotten}")).await["intact"], true);
    let early = format!("?anchor=1:{}", "00".repeat(32));
    assert_eq!(verify(&ops, &root, &early).await["faults"][0]["code"], "anchor_forgotten");

    // A second time nothing is to be forgotten; what was noted about the first time is linked.
    run_job(&db, &ops, &ApplyRetention {}).await;
    let again = verify(&ops, &root, "").await;
    assert_eq!((&again["intact"], &again["links"]), (&json!(true), &json!(4)), "{again}");
    assert_eq!(again["chain"]["forgotten"], after["chain"]["forgotten"]);
    let noted = get(&ops, &root, "/api/v1/audit-logs?action=forget").await.1;
    assert_eq!(noted["items"].as_array().unwrap().len(), 1, "{noted}");

    // And what retention did not forget is missed.
    sqlx::query("DELETE FROM ops.audit_logs WHERE resource_type = 'young'")
        .execute(&mut connection)
        .await
        .unwrap();
    assert_eq!(verify(&ops, &root, "").await["faults"][0]["code"], "entry_missing");
}

#[tokio::test]
async fn a_retention_that_was_cut_off_leaves_an_intact_chain_and_is_finished_later() {
    let db = TestDb::new().await;
    let (ops, root) = (ops(&db), caller(admin(&db.db, "root").await));
    let clock = Clock::system();
    for _ in 0..20 {
        write(&db, "old", clock.now() - Days::new(91)).await;
    }
    lyceum_store::audit::link_all(&db.db, &clock).await.unwrap();
    // It got as far as stating what it forgets, and a few of the entries and links.
    let mut tx = db.db.begin_maintenance().await.unwrap();
    let before = clock.now() - Days::new(90);
    let stated = lyceum_store::audit::checkpoint(&mut tx, before, clock.now()).await.unwrap();
    assert!(stated.is_some());
    sqlx::query(
        "DELETE FROM ops.audit_logs WHERE id IN (
             SELECT id FROM ops.audit_logs WHERE resource_type = 'old' LIMIT 7)",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    assert_eq!(lyceum_store::audit::forget_links(&mut tx, 5).await.unwrap(), 5);
    tx.commit().await.unwrap();
    assert_eq!(verify(&ops, &root, "").await["intact"], true);
    run_job(&db, &ops, &ApplyRetention {}).await;
    let left: (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM ops.audit_logs WHERE resource_type = 'old'),
                (SELECT count(*) FROM ops.audit_chain c WHERE NOT EXISTS (
                     SELECT FROM ops.audit_logs l WHERE l.id = c.audit_id))",
    )
    .fetch_one(&mut owner(&db).await)
    .await
    .unwrap();
    assert_eq!(left, (0, 0));
    assert_eq!(verify(&ops, &root, "").await["intact"], true);
}
