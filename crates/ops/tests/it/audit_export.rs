//! Finding entries of the log, and taking them out as a file.

use axum::body::to_bytes;
use futures::StreamExt as _;
use http::{Method, StatusCode, header};
use lyceum_http::Caller;
use lyceum_ops::Ops;
use lyceum_testkit::{TestDb, admin, caller, caller_with};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{get, ops, owner, respond};

async fn root(db: &TestDb) -> Caller {
    caller(admin(&db.db, "root").await)
}

/// Writes entries by SQL: action, kind of resource, address, user agent.
async fn write(db: &TestDb, entries: &[(&str, &str, &str, &str)]) {
    let mut connection = owner(db).await;
    for (action, resource, ip, agent) in entries {
        sqlx::query(
            "INSERT INTO ops.audit_logs (id, action, resource_type, ip_address, user_agent)
             VALUES (app.new_id(), $1, $2, $3::inet, $4)",
        )
        .bind(action)
        .bind(resource)
        .bind(ip)
        .bind(agent)
        .execute(&mut connection)
        .await
        .unwrap();
    }
}

/// The exported file as text, with its media type.
async fn exported(ops: &Ops, caller: &Caller, query: &str) -> (String, String) {
    let path = format!("/api/v1/audit-logs/export?{query}");
    let response = respond(ops, caller, Method::GET, &path, None).await;
    assert_eq!(response.status(), StatusCode::OK);
    let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let name = response.headers()[header::CONTENT_DISPOSITION].to_str().unwrap();
    assert!(name.starts_with("attachment; filename=\"audit-log."), "{name}");
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (String::from_utf8(bytes.to_vec()).unwrap(), kind)
}

#[tokio::test]
async fn entries_are_found_by_address_and_by_text() {
    let db = TestDb::new().await;
    let (ops, root) = (ops(&db), root(&db).await);
    write(
        &db,
        &[
            ("sign_in", "thing_a", "10.1.2.3", "a"),
            ("sign_in", "thing_b", "10.1.9.9", "a"),
            ("LOOK%", "thing_c", "2001:db8::1", "a"),
        ],
    )
    .await;
    let count = async |query: &str| {
        let (status, page) = get(&ops, &root, &format!("/api/v1/audit-logs?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{query} {page}");
        page["items"].as_array().unwrap().len()
    };
    for (query, expected) in [
        ("ip_address=10.1.2.3", 1),
        ("ip_address=10.1.0.0/16", 2),
        ("ip_address=2001:db8::/32", 1),
        ("ip_address=10.2.0.0/16", 0),
        ("q=thing", 3),
        ("q=ING_B", 1),
        ("q=sign", 2),
        ("q=look%25", 1),
        ("q=l%25k", 0),
        ("q=thing&ip_address=10.0.0.0/8&action=sign_in", 2),
    ] {
        assert_eq!(count(query).await, expected, "{query}");
    }
    for wrong in ["ip_address=here", "q=%00", &format!("q={}", "x".repeat(101))] {
        let (status, body) = get(&ops, &root, &format!("/api/v1/audit-logs?{wrong}")).await;
        assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_query")));
    }
}

#[tokio::test]
async fn an_export_is_audited_and_no_formula() {
    let db = TestDb::new().await;
    let (ops, root) = (ops(&db), root(&db).await);
    write(
        &db,
        &[
            ("look", "thing", "10.0.0.1", "=HYPERLINK(\"http://evil\")"),
            ("look", "thing", "10.0.0.1", "+1"),
            ("look", "thing", "10.0.0.1", "a, \"quoted\"\nagent"),
            ("look", "other", "10.0.0.1", "-1"),
        ],
    )
    .await;
    let (text, kind) = exported(&ops, &root, "format=csv&resource_type=thing").await;
    assert_eq!(kind, "text/csv; charset=utf-8");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let agent = reader.headers().unwrap().iter().position(|name| name == "user_agent").unwrap();
    let agents: Vec<String> =
        reader.records().map(|record| record.unwrap()[agent].to_owned()).collect();
    assert_eq!(agents, ["a, \"quoted\"\nagent", "'+1", "'=HYPERLINK(\"http://evil\")"]);

    let (text, kind) = exported(&ops, &root, "format=jsonl&resource_type=thing").await;
    assert_eq!(kind, "application/x-ndjson");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1]["user_agent"], "+1", "JSON is data as it is");

    let path = "/api/v1/audit-logs?action=export";
    let (_, noted) = get(&ops, &root, path).await;
    let noted = noted["items"].as_array().unwrap();
    assert_eq!(noted.len(), 2, "{noted:?}");
    assert_eq!(noted[0]["user_id"], root.user_id.to_string());
    assert_eq!(noted[0]["new_values"]["format"], "jsonl");
    assert_eq!(noted[0]["new_values"]["filter"]["resource_type"], "thing");
}

#[tokio::test]
async fn an_export_needs_its_own_right() {
    let db = TestDb::new().await;
    let ops = ops(&db);
    let reader = caller_with(root(&db).await.user_id, &["audit:read"]);
    let (status, body) = get(&ops, &reader, "/api/v1/audit-logs/export").await;
    assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
    let exporter = caller_with(reader.user_id, &["audit:export"]);
    let wrong = "/api/v1/audit-logs/export?format=xml";
    assert_eq!(get(&ops, &exporter, wrong).await.0, StatusCode::BAD_REQUEST);
    let (text, _) = exported(&ops, &exporter, "resource_type=none").await;
    assert_eq!(text.lines().count(), 1, "the head alone: {text}");
    let pretending = caller_with(Uuid::from_u128(1), &["*:*"]);
    let (text, _) = exported(&ops, &pretending, "").await;
    assert_eq!(text.lines().count(), 1, "the rows are the administrators'");
}

#[tokio::test]
async fn a_hundred_thousand_entries_need_no_more_memory_than_a_page() {
    const ENTRIES: usize = 100_000;
    let db = TestDb::new().await;
    let (ops, root) = (ops(&db), root(&db).await);
    sqlx::query(
        "INSERT INTO ops.audit_logs (id, created_at, action, resource_type, new_values)
         SELECT app.new_id(), now() - n * interval '1 millisecond', 'look', 'thing',
                jsonb_build_object('n', n, 'text', repeat('x', 300))
         FROM generate_series(1, $1) n",
    )
    .bind(i32::try_from(ENTRIES).unwrap())
    .execute(&mut owner(&db).await)
    .await
    .unwrap();
    let path = "/api/v1/audit-logs/export?format=jsonl&resource_type=thing";
    let response = respond(&ops, &root, Method::GET, path, None).await;
    let before = resident_bytes();
    let (mut bytes, mut most, mut seen) = (0, before, vec![false; ENTRIES + 1]);
    let mut lines = Vec::new();
    let mut parts = response.into_body().into_data_stream();
    while let Some(part) = parts.next().await {
        let part = part.unwrap();
        bytes += part.len();
        lines.extend_from_slice(&part);
        assert!(lines.ends_with(b"\n"), "a part is made of whole lines");
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let entry: Value = serde_json::from_slice(line).unwrap();
            let number = usize::try_from(entry["new_values"]["n"].as_u64().unwrap()).unwrap();
            assert!(!std::mem::replace(&mut seen[number], true), "{number} came twice");
        }
        lines.clear();
        most = most.max(resident_bytes());
    }
    assert!(seen[1..].iter().all(|seen| *seen));
    assert!(bytes > 50_000_000, "{bytes} bytes");
    let growth = most - before;
    assert!(growth < 24_000_000, "{growth} bytes more for {bytes} bytes");
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
