use http::{Method, StatusCode};
use lyceum_testkit::{TestDb, admin, caller, caller_with, user};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{call, get, ops, owner};

#[tokio::test]
async fn health_and_readiness_need_no_right() {
    let db = TestDb::new().await;
    let nobody = caller_with(Uuid::nil(), &[]);
    let ops = ops(&db);
    assert_eq!(
        get(&ops, &nobody, "/api/v1/health").await,
        (StatusCode::OK, json!({"status": "ok"}))
    );
    // What the program does without is told and no hindrance.
    let ready = json!({"ready": true, "database": true, "missing": ["weather"]});
    assert_eq!(get(&ops, &nobody, "/api/v1/ready").await, (StatusCode::OK, ready));
    db.db.pool().close().await;
    let (status, body) = get(&ops, &nobody, "/api/v1/ready").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, json!({"ready": false, "database": false, "missing": ["weather"]}));
}

#[tokio::test]
async fn the_status_tells_every_part() {
    let db = TestDb::new().await;
    let admin = caller(admin(&db.db, "root").await);
    let (status, body) = get(&ops(&db), &admin, "/api/v1/system/status").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["version"], "1.2.3");
    assert_eq!(body["parts"], json!({"weather": {"sun": true}}));
    assert_eq!(body["jobs"]["waiting"], 0);
    assert!(body["database"]["size_bytes"].as_i64().unwrap() > 1_000_000);
    assert!(body["database"]["version"].as_str().unwrap().starts_with("1"));
    let tables = body["database"]["tables"].as_array().unwrap();
    assert!(tables.iter().any(|table| table["name"] == "ops.audit_logs"), "{tables:?}");
    let partitions = body["partitions"].as_array().unwrap();
    let audit = partitions.iter().find(|p| p["name"] == "ops.audit_logs").unwrap();
    assert_eq!(audit["default_rows"], 0);
    assert!(audit["partitions"].as_i64().unwrap() >= 5);
    assert!(audit["covered_until"].is_string());
}

#[tokio::test]
async fn settings_are_read_and_set_within_their_schema() {
    let db = TestDb::new().await;
    let root = admin(&db.db, "root").await;
    let (ops, admin) = (ops(&db), caller(root));
    let path = "/api/v1/system/configs/audit.retention_days";
    let (status, list) = get(&ops, &admin, "/api/v1/system/configs").await;
    assert_eq!(status, StatusCode::OK);
    assert!(list["items"].as_array().unwrap().len() >= 3);

    let set = async |value: Value| call(&ops, &admin, Method::PUT, path, Some(value)).await;
    let (status, body) = set(json!({"value": 365})).await;
    assert_eq!((status, &body["value"]), (StatusCode::OK, &json!(365)));
    assert_eq!(body["updated_by"], root.to_string());
    for wrong in [json!(0), json!("90"), json!(1e9), json!(null)] {
        let (status, body) = set(json!({"value": wrong})).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        assert_eq!(body["code"], "invalid_value");
    }
    let (_, body) = set(json!({"value": 1, "surplus": 2})).await;
    assert_eq!(body["code"], "invalid_field");
    assert_eq!(get(&ops, &admin, path).await.1["value"], 365);

    let (status, _) = get(&ops, &admin, "/api/v1/system/configs/no.such").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let put = Some(json!({"value": 1}));
    let (status, _) = call(&ops, &admin, Method::PUT, "/api/v1/system/configs/no.such", put).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn rights_are_asked_for_and_row_level_security_stands_behind_them() {
    let db = TestDb::new().await;
    let person = user(&db.db, "ann").await;
    let ops = ops(&db);
    let powerless = caller_with(person, &["conversation:*"]);
    for path in ["/api/v1/audit-logs", "/api/v1/system/status", "/api/v1/system/configs"] {
        let (status, body) = get(&ops, &powerless, path).await;
        assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")), "{path}");
    }
    // Even with the right, the rows are the administrators'.
    let pretending = caller(person);
    let (_, logs) = get(&ops, &pretending, "/api/v1/audit-logs").await;
    assert_eq!(logs, json!({"items": []}));
    let path = "/api/v1/system/configs/purge.after_days";
    assert_eq!(get(&ops, &pretending, path).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_failed_job_is_shown_and_retried() {
    let db = TestDb::new().await;
    let admin = caller(admin(&db.db, "root").await);
    let ops = ops(&db);
    sqlx::raw_sql(
        "SELECT app.enqueue_job('test.gone', '{}', NULL, NULL, 1, NULL, 0);
         UPDATE graphile_worker._private_jobs
         SET attempts = 1, last_error = 'TaskError(\"disk \\\"a\\\" full\")';",
    )
    .execute(&mut owner(&db).await)
    .await
    .unwrap();
    let (_, body) = get(&ops, &admin, "/api/v1/system/status").await;
    assert_eq!(body["jobs"]["failed"], 1);
    let job = &body["jobs"]["failed_jobs"][0];
    assert_eq!((&job["name"], &job["reason"]), (&json!("test.gone"), &json!("disk \"a\" full")));

    let path = format!("/api/v1/system/jobs/{}/retry", job["id"]);
    assert_eq!(call(&ops, &admin, Method::POST, &path, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(call(&ops, &admin, Method::POST, &path, None).await.0, StatusCode::NOT_FOUND);
    let (_, body) = get(&ops, &admin, "/api/v1/system/status").await;
    assert_eq!((&body["jobs"]["waiting"], &body["jobs"]["failed"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn the_audit_log_is_paged_and_filtered() {
    let db = TestDb::new().await;
    let root = admin(&db.db, "root").await;
    let (ops, admin) = (ops(&db), caller(root));
    let mut tx = db.db.begin_as(root).await.unwrap();
    for number in 0..5 {
        sqlx::query(
            "INSERT INTO ops.audit_logs (id, user_id, action, resource_type, resource_id)
             VALUES (app.new_id(), $1, $2, 'thing', $3)",
        )
        .bind(root)
        .bind(if number == 4 { "sign_in" } else { "look" })
        .bind(Uuid::from_u128(number))
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();

    let mut seen = Vec::new();
    let mut path = "/api/v1/audit-logs?resource_type=thing&limit=2".to_owned();
    loop {
        let (status, page) = get(&ops, &admin, &path).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let items = page["items"].as_array().unwrap();
        assert!(items.iter().all(|item| item["username"] == "root"));
        seen.extend(items.iter().map(|item| item["resource_id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/audit-logs?resource_type=thing&limit=2&cursor={cursor}");
    }
    let newest_first: Vec<String> =
        (0..5).rev().map(|number| Uuid::from_u128(number).to_string()).collect();
    assert_eq!(seen, newest_first);

    let count = async |query: &str| {
        let path = format!("/api/v1/audit-logs?resource_type=thing&{query}");
        get(&ops, &admin, &path).await.1["items"].as_array().unwrap().len()
    };
    assert_eq!(count("action=sign_in").await, 1);
    assert_eq!(count(&format!("user_id={root}")).await, 5);
    assert_eq!(count(&format!("user_id={}", Uuid::nil())).await, 0);
    assert_eq!(count(&format!("resource_id={}", Uuid::from_u128(3))).await, 1);
    assert_eq!(count("from=2000-01-01T00:00:00Z&to=2000-01-02T00:00:00Z").await, 0);
    assert_eq!(count("from=2000-01-01T00:00:00Z").await, 5);
    for wrong in ["cursor=no", "user_id=no", "from=yesterday", "action=%00"] {
        let (status, _) = get(&ops, &admin, &format!("/api/v1/audit-logs?{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}
