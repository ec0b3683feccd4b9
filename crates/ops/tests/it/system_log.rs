//! The program's warnings and errors in the database, through a real subscriber.

use std::net::IpAddr;
use std::time::Duration;

use chrono::Days;
use http::StatusCode;
use lyceum_core::Clock;
use lyceum_jobs::CancellationToken;
use lyceum_ops::{ApplyRetention, Ops, SystemLogEvents, system_log};
use lyceum_testkit::{TestDb, admin, caller, caller_with, user};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt as _;
use uuid::Uuid;

use crate::support::{get, ops, owner, run_job};

/// What this thread logs from here on, as the program's own layers would see it.
fn listen() -> (DefaultGuard, SystemLogEvents) {
    let (layer, events) = system_log(Clock::system());
    (tracing::subscriber::set_default(tracing_subscriber::registry().with(layer)), events)
}

fn keep(ops: &Ops, events: SystemLogEvents) -> (CancellationToken, JoinHandle<()>) {
    let end = CancellationToken::new();
    let (ops, until) = (ops.clone(), end.clone());
    let node = "node-1".to_owned();
    (end, tokio::spawn(async move { ops.keep_system_log(events, node, until).await }))
}

async fn logs(ops: &Ops, root: Uuid, query: &str) -> Vec<Value> {
    let (status, body) = get(ops, &caller(root), &format!("/api/v1/system/logs{query}")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["items"].as_array().unwrap().clone()
}

/// The entries of a query once there are as many.
async fn wait_for(ops: &Ops, root: Uuid, query: &str, count: usize) -> Vec<Value> {
    for _ in 0..600 {
        let found = logs(ops, root, query).await;
        if found.len() >= count {
            assert_eq!(found.len(), count, "{found:?}");
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{count} entries were not there within half a minute");
}

#[tokio::test]
async fn warnings_and_errors_are_kept_with_what_they_say_and_without_secrets() {
    let db = TestDb::new().await;
    let root = admin(&db.db, "root").await;
    let ops = ops(&db);
    let (_listening, events) = listen();
    let (end, keeping) = keep(&ops, events);
    let address: IpAddr = "192.0.2.7".parse().unwrap();
    lyceum_store::with_client(Some(address), None, async {
        let span = tracing::info_span!("answer", number = 1);
        let _inside = span.enter();
        let error = std::io::Error::other("password=hunter2 was refused");
        tracing::error!(user = %root, attempt = 3, api_key = "k-1234", error = %error,
                        "calling failed with Bearer abcdef");
    })
    .await;
    tracing::warn!(target: "lyceum_gateway::call", "slow\0ly");
    tracing::info!("nothing of interest");
    let found = wait_for(&ops, root, "", 2).await;
    assert_eq!(
        (&found[0]["level"], &found[0]["module"]),
        (&json!("WARNING"), &json!("lyceum_gateway::call"))
    );
    assert_eq!(found[0]["message"], "slowly");
    assert_eq!((&found[0]["function_name"], &found[0]["ip_address"]), (&Value::Null, &Value::Null));
    let error = &found[1];
    assert_eq!(error["level"], "ERROR");
    assert_eq!(error["message"], "calling failed with Bearer ***");
    assert_eq!(error["module"], module_path!());
    assert_eq!((&error["function_name"], &error["node"]), (&json!("answer"), &json!("node-1")));
    assert_eq!((&error["user_id"], &error["ip_address"]), (&json!(root), &json!("192.0.2.7")));
    let extra = json!({ "user": root, "attempt": "3", "api_key": "***",
                        "error": "password=*** was refused" });
    assert_eq!(error["extra_data"], extra);

    for (query, count) in [
        ("?level=error", 1),
        ("?level=WARNING&module=lyceum_gateway", 1),
        ("?module=lyceum_gate", 1),
        ("?module=gateway", 0),
        ("?node=node-1", 2),
        ("?node=node-2", 0),
        ("?q=REFUSED", 1),
        ("?q=%25", 0),
        ("?from=2100-01-01T00:00:00Z", 0),
        ("?to=2100-01-01T00:00:00Z", 2),
    ] {
        assert_eq!(logs(&ops, root, query).await.len(), count, "{query}");
    }
    let (_, first) = get(&ops, &caller(root), "/api/v1/system/logs?limit=1").await;
    let next = format!("?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(logs(&ops, root, &next).await, found[1..].to_vec());
    for wrong in ["?level=loud", "?q=a%00", "?cursor=x"] {
        let (status, _) = get(&ops, &caller(root), &format!("/api/v1/system/logs{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    end.cancel();
    keeping.await.unwrap();
}

#[tokio::test]
async fn only_who_may_read_the_system_sees_them_and_nobody_writes_them() {
    let db = TestDb::new().await;
    let (root, ada) = (admin(&db.db, "root").await, user(&db.db, "ada").await);
    let ops = ops(&db);
    let (_listening, events) = listen();
    tracing::warn!("before the database was there");
    let (end, keeping) = keep(&ops, events);
    wait_for(&ops, root, "", 1).await;
    let (status, _) = get(&ops, &caller_with(ada, &["audit:read"]), "/api/v1/system/logs").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    // Whoever got past that would still see nothing.
    assert_eq!(logs(&ops, ada, "").await, Vec::<Value>::new());
    for person in [root, ada] {
        for sql in [
            "INSERT INTO ops.system_logs (id, created_at, level, message, module, node, extra_data)
             VALUES (gen_random_uuid(), now(), 'ERROR', 'x', 'x', 'x', '{}')",
            "UPDATE ops.system_logs SET message = 'x'",
            "DELETE FROM ops.system_logs",
        ] {
            let mut tx = db.db.begin_as(person).await.unwrap();
            let error = sqlx::query(sql).execute(&mut *tx).await.unwrap_err();
            let code = error.as_database_error().and_then(|e| e.code()).map(|c| c.into_owned());
            assert_eq!(code.as_deref(), Some("42501"), "{sql}: {error}");
        }
    }
    end.cancel();
    keeping.await.unwrap();
}

#[tokio::test]
async fn a_flood_is_bounded_and_told_and_the_end_is_kept() {
    let db = TestDb::new().await;
    let root = admin(&db.db, "root").await;
    let ops = ops(&db);
    let (_listening, events) = listen();
    for number in 0..1500 {
        tracing::warn!(number, "flood");
    }
    let (end, keeping) = keep(&ops, events);
    // A thousand wait, and six hundred of them are kept in one minute.
    let lost = async {
        loop {
            tracing::warn!("drop");
            let told = logs(&ops, root, "?q=further%20warnings").await;
            let counted: Vec<u64> = told
                .iter()
                .map(|one| {
                    one["message"].as_str().unwrap().split(' ').next().unwrap().parse().unwrap()
                })
                .collect();
            if counted.iter().sum::<u64>() >= 500 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), lost).await.expect("what was lost is told");
    end.cancel();
    keeping.await.unwrap();
    let mut tx = db.db.begin_as(root).await.unwrap();
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM ops.system_logs WHERE message = 'flood'")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
    assert!((500..=1000).contains(&kept), "{kept}");
}

#[tokio::test]
async fn what_is_logged_while_the_database_is_away_is_kept_when_it_is_back() {
    let db = TestDb::new().await;
    let root = admin(&db.db, "root").await;
    let ops = ops(&db);
    let (_listening, events) = listen();
    let mut blocking = owner(&db).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE ops.system_logs IN ACCESS EXCLUSIVE MODE")
        .execute(&mut blocking)
        .await
        .unwrap();
    let (end, keeping) = keep(&ops, events);
    for number in 0..5 {
        // Logging waits for nothing.
        tracing::error!(number, "while it is away");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sqlx::raw_sql("COMMIT").execute(&mut blocking).await.unwrap();
    let found = wait_for(&ops, root, "?q=away", 5).await;
    assert_eq!(found[0]["extra_data"]["number"], "4");
    tracing::error!("the last word");
    end.cancel();
    keeping.await.unwrap();
    assert_eq!(logs(&ops, root, "?q=last%20word").await.len(), 1);
}

#[tokio::test]
async fn old_ones_are_forgotten_with_their_partitions() {
    let db = TestDb::new().await;
    let root = admin(&db.db, "root").await;
    let now = Clock::system().now();
    let mut connection = owner(&db).await;
    sqlx::raw_sql(
        "CREATE TABLE ops.system_logs_y2001m01 PARTITION OF ops.system_logs
         FOR VALUES FROM ('2001-01-01') TO ('2001-02-01');
         INSERT INTO ops.system_logs (id, created_at, level, message, module, node, extra_data)
         VALUES (gen_random_uuid(), '2001-01-15', 'ERROR', 'ancient', 'm', 'n', '{}')",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    for (message, at) in [("old", now - Days::new(31)), ("young", now - Days::new(29))] {
        sqlx::query(
            "INSERT INTO ops.system_logs (id, created_at, level, message, module, node, extra_data)
             VALUES (gen_random_uuid(), $1, 'ERROR', $2, 'm', 'n', '{}')",
        )
        .bind(at)
        .bind(message)
        .execute(&mut connection)
        .await
        .unwrap();
    }
    let ops = ops(&db);
    run_job(&db, &ops, &ApplyRetention {}).await;
    let left = logs(&ops, root, "").await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["message"], "young");
    let gone: Option<String> =
        sqlx::query_scalar("SELECT to_regclass('ops.system_logs_y2001m01')::text")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert_eq!(gone, None);
}

/// Settings are whoever's who has the right, not an administrator's alone.
#[tokio::test]
async fn settings_follow_the_right() {
    let db = TestDb::new().await;
    let mut tx = db.db.begin_maintenance().await.unwrap();
    for (name, patterns) in [
        ("reader", json!(["system:read"])),
        ("keeper", json!(["system:write"])),
        ("broker", json!(["organization_provider:manage"])),
    ] {
        sqlx::query("INSERT INTO identity.roles (id, name, permissions) VALUES ($1, $2, $3)")
            .bind(lyceum_core::new_id())
            .bind(name)
            .bind(patterns)
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let person = async |name: &str, role: &str| {
        let id = user(&db.db, name).await;
        let mut tx = db.db.begin_maintenance().await.unwrap();
        sqlx::query(
            "INSERT INTO identity.user_roles (user_id, role_id)
             SELECT $1, id FROM identity.roles WHERE name = $2",
        )
        .bind(id)
        .bind(role)
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
        id
    };
    let (reader, keeper) = (person("reader", "reader").await, person("keeper", "keeper").await);
    let ada = user(&db.db, "ada").await;
    for (who, sees, writes) in [(reader, true, false), (keeper, true, true), (ada, false, false)] {
        let mut tx = db.db.begin_as(who).await.unwrap();
        let seen: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM ops.system_configs WHERE key = 'audit.retention_days'",
        )
        .fetch_one(&mut *tx)
        .await
        .unwrap();
        let set = "UPDATE ops.system_configs SET value = '91' WHERE key = 'audit.retention_days'";
        let done = sqlx::query(set).execute(&mut *tx).await.unwrap();
        assert_eq!((seen == 1, done.rows_affected() == 1), (sees, writes), "{who}");
    }
    // So are the kinds of providers.
    let broker = person("broker", "broker").await;
    for (who, writes) in [(broker, 1), (keeper, 0)] {
        let mut tx = db.db.begin_as(who).await.unwrap();
        let set = "UPDATE gateway.ai_providers SET is_active = false WHERE name = 'openai'";
        let done = sqlx::query(set).execute(&mut *tx).await.unwrap();
        assert_eq!(done.rows_affected(), writes, "{who}");
    }
}
