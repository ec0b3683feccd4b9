//! `/metrics`: who may read it, and that it tells what is so.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Method, Request, StatusCode, header};
use lyceum_core::Secret;
use lyceum_http::{Authenticator, Caller};
use lyceum_ops::{Metrics, metrics_router, note_request};
use lyceum_testkit::{TestDb, admin, caller_with};
use tower::ServiceExt as _;

use crate::support::{Fixed, ops, owner};

async fn scrape(router: &Router, caller: &Caller, bearer: &str) -> (StatusCode, String) {
    let authenticator: Arc<dyn Authenticator> = Arc::new(Fixed(caller.clone()));
    let request = Request::builder()
        .uri("/metrics")
        .header(header::AUTHORIZATION, bearer)
        .extension(authenticator)
        .body(Body::empty())
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn figures_are_told_to_those_who_may_read_them() {
    let db = TestDb::new().await;
    let root = admin(&db.db, "root").await;
    let metrics = Metrics::install(Some(Secret::new("scraper's token")), &[]).unwrap();
    let router = metrics_router(ops(&db), metrics);
    let powerless = caller_with(root, &["conversation:*"]);
    for wrong in ["Bearer other", "Bearer ", "scraper's token", "Bearer scraper's token2"] {
        assert_eq!(scrape(&router, &powerless, wrong).await.0, StatusCode::FORBIDDEN, "{wrong}");
    }
    let reader = caller_with(root, &["system:read"]);
    assert_eq!(scrape(&router, &reader, "Bearer a session").await.0, StatusCode::OK);

    sqlx::raw_sql("SELECT app.enqueue_job('test.gone', '{}', NULL, NULL, 1, NULL, 0)")
        .execute(&mut owner(&db).await)
        .await
        .unwrap();
    let invented = Method::from_bytes(b"INVENTED").unwrap();
    for (method, route) in [
        (Method::GET, Some("/api/v1/users/{id}")),
        (Method::GET, Some("/api/v1/users/{id}")),
        (invented, None),
    ] {
        note_request(&method, route, 404, Duration::from_millis(30));
    }
    let (status, text) = scrape(&router, &powerless, "Bearer scraper's token").await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let labels = r#"method="GET",route="/api/v1/users/{id}",status="404""#;
    let requests = "lyceum_http_request_duration_seconds";
    let entries: i64 = sqlx::query_scalar("SELECT count(*) FROM ops.audit_queue")
        .fetch_one(&mut owner(&db).await)
        .await
        .unwrap();
    for line in [
        format!("{requests}_count{{{labels}}} 2"),
        format!("{requests}_bucket{{{labels},le=\"0.025\"}} 0"),
        format!("{requests}_bucket{{{labels},le=\"0.05\"}} 2"),
        format!("{requests}_count{{method=\"other\",route=\"other\",status=\"404\"}} 1"),
        "lyceum_jobs{state=\"waiting\"} 1".to_owned(),
        format!("lyceum_audit_pending {entries}"),
        "lyceum_database_connections_max 8".to_owned(),
        "lyceum_build_info{version=\"1.2.3\"} 1".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}
