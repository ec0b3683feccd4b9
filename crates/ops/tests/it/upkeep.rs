use chrono::{DateTime, Days, Months, Utc};
use lyceum_core::Clock;
use lyceum_ops::{ApplyRetention, MakePartitions, PurgeDeleted};
use lyceum_testkit::{TestDb, admin, caller, user};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::support::{get, ops, owner, run_job};

async fn count(connection: &mut PgConnection, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(connection).await.unwrap()
}

async fn partitions_of_audit(db: &TestDb) -> Value {
    let root = caller(admin(&db.db, "root").await);
    let (_, status) = get(&ops(db), &root, "/api/v1/system/status").await;
    let all = status["partitions"].as_array().unwrap().clone();
    all.into_iter().find(|figures| figures["name"] == "ops.audit_logs").unwrap()
}

#[tokio::test]
async fn partitions_are_made_ahead_on_every_partitioned_table() {
    let db = TestDb::new().await;
    let mut connection = owner(&db).await;
    // As if a month had been forgotten, on a table that nobody told the job about.
    sqlx::raw_sql(
        "CREATE TABLE chat.noise (id uuid, created_at timestamptz) PARTITION BY RANGE (created_at);
         CREATE SCHEMA stranger;
         CREATE TABLE stranger.noise (id uuid, created_at timestamptz)
             PARTITION BY RANGE (created_at);",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    run_job(&db, &ops(&db), &MakePartitions {}).await;
    let foreign = count(
        &mut connection,
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'stranger.noise'::regclass",
    )
    .await;
    assert_eq!(foreign, 0, "another program's table is left alone");
    let made = count(
        &mut connection,
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'chat.noise'::regclass",
    )
    .await;
    assert_eq!(made, 5, "this month, three ahead, and the default");
    let open = count(
        &mut connection,
        "SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'r'
         AND has_table_privilege('lyceum_app', oid, 'SELECT')",
    )
    .await;
    assert_eq!(open, 0, "a partition is reached through its table only");
}

#[tokio::test]
async fn a_row_in_a_default_partition_is_told_and_stops_no_other_table() {
    let db = TestDb::new().await;
    let mut connection = owner(&db).await;
    sqlx::raw_sql(
        "CREATE TABLE chat.noise (id uuid, created_at timestamptz) PARTITION BY RANGE (created_at);
         CREATE TABLE chat.noise_default PARTITION OF chat.noise DEFAULT;
         INSERT INTO chat.noise VALUES (gen_random_uuid(), now());
         INSERT INTO ops.audit_logs (id, created_at, action, resource_type)
         VALUES (app.new_id(), now() + interval '5 years', 'look', 'thing');",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    run_job(&db, &ops(&db), &MakePartitions {}).await;
    assert_eq!(partitions_of_audit(&db).await["default_rows"], 1);
    let noise: (i64, Option<DateTime<Utc>>) = sqlx::query_as(
        "SELECT default_rows, covered_until FROM app.partition_figures() WHERE name = 'chat.noise'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(noise, (1, None), "its partition could not be made, and that is seen");
}

#[tokio::test]
async fn old_audit_entries_go_and_young_ones_stay() {
    let db = TestDb::new().await;
    let now = Clock::system().now();
    let mut connection = owner(&db).await;
    sqlx::raw_sql(
        "CREATE TABLE ops.audit_logs_y2001m01 PARTITION OF ops.audit_logs
         FOR VALUES FROM ('2001-01-01') TO ('2001-02-01')",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    for (resource, at) in [
        ("ancient", DateTime::from_timestamp(980_000_000, 0).unwrap()),
        ("old", now - Days::new(91)),
        ("young", now - Days::new(89)),
        ("future", now + Months::new(60)),
    ] {
        sqlx::query(
            "INSERT INTO ops.audit_logs (id, created_at, action, resource_type)
             VALUES (app.new_id(), $1, 'look', $2)",
        )
        .bind(at)
        .bind(resource)
        .execute(&mut connection)
        .await
        .unwrap();
    }
    run_job(&db, &ops(&db), &ApplyRetention {}).await;
    let left: Vec<String> = sqlx::query_scalar(
        "SELECT resource_type FROM ops.audit_logs WHERE action = 'look' ORDER BY 1",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(left, ["future", "young"]);
    let partition: Option<String> =
        sqlx::query_scalar("SELECT to_regclass('ops.audit_logs_y2001m01')::text")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert_eq!(partition, None, "a partition that is old as a whole is dropped");
}

#[tokio::test]
async fn what_was_deleted_long_ago_is_purged_on_every_table() {
    let db = TestDb::new().await;
    let (gone, recent, living) =
        (user(&db.db, "gone").await, user(&db.db, "recent").await, user(&db.db, "living").await);
    let mut connection = owner(&db).await;
    // A table that nobody told the job about, whose living rows hold on to a deleted one.
    sqlx::raw_sql(
        "CREATE TABLE chat.parents (id uuid PRIMARY KEY, deleted_at timestamptz);
         CREATE TABLE chat.children (id uuid PRIMARY KEY, deleted_at timestamptz,
             parent_id uuid NOT NULL REFERENCES chat.parents ON DELETE RESTRICT);
         CALL app.grant_tables('chat');
         CREATE TABLE chat.a_closed_one (id uuid PRIMARY KEY, deleted_at timestamptz);
         CREATE SCHEMA stranger;
         CREATE TABLE stranger.notes (id uuid PRIMARY KEY, deleted_at timestamptz);
         CALL app.grant_tables('stranger');
         INSERT INTO stranger.notes VALUES (gen_random_uuid(), now() - interval '40 days');
         INSERT INTO chat.parents SELECT gen_random_uuid(), now() - interval '40 days'
         FROM generate_series(1, 1200);
         INSERT INTO chat.children SELECT gen_random_uuid(), now() - interval '40 days', id
         FROM chat.parents;
         INSERT INTO chat.parents VALUES ('00000000-0000-0000-0000-00000000000a',
                                          now() - interval '40 days');
         INSERT INTO chat.children VALUES (gen_random_uuid(), NULL,
                                           '00000000-0000-0000-0000-00000000000a');",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    for (id, days) in [(gone, 31), (recent, 29)] {
        sqlx::query(
            "UPDATE identity.users SET deleted_at = now() - make_interval(days => $2) WHERE id = $1",
        )
        .bind(id)
        .bind(days)
        .execute(&mut connection)
        .await
        .unwrap();
    }
    run_job(&db, &ops(&db), &PurgeDeleted {}).await;

    let left: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM identity.users WHERE id = ANY($1)")
        .bind(vec![gone, recent, living])
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(left.len(), 2);
    assert!(!left.contains(&gone));
    let parents: Vec<Uuid> =
        sqlx::query_scalar("SELECT id FROM chat.parents").fetch_all(&mut connection).await.unwrap();
    assert_eq!(parents, [Uuid::from_u128(10)], "the one that a living child needs");
    assert_eq!(count(&mut connection, "SELECT count(*) FROM chat.children").await, 1);
    let foreign = count(&mut connection, "SELECT count(*) FROM stranger.notes").await;
    assert_eq!(foreign, 1, "another program's table is left alone");
}
