use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::request::Parts;
use http::{Method, Request, StatusCode, header};
use lyceum_core::Clock;
use lyceum_http::{ApiError, Authenticator, Caller};
use lyceum_jobs::Jobs;
use lyceum_ops::{Ops, StatusSource};
use lyceum_testkit::TestDb;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgConnection};
use tower::ServiceExt;

/// Whoever the test says calls.
pub struct Fixed(pub Caller);

#[async_trait]
impl Authenticator for Fixed {
    async fn authenticate(&self, _: &Parts) -> Result<Caller, ApiError> {
        Ok(self.0.clone())
    }
}

struct Weather;

#[async_trait]
impl StatusSource for Weather {
    fn name(&self) -> &'static str {
        "weather"
    }

    async fn status(&self) -> Value {
        json!({"sun": true})
    }

    fn is_missed(&self) -> bool {
        true
    }
}

pub fn ops(db: &TestDb) -> Ops {
    Ops::new(db.db.clone(), Clock::system(), "1.2.3", vec![Arc::new(Weather)])
}

/// One request by `caller`; answers status and JSON body.
pub async fn call(
    ops: &Ops,
    caller: &Caller,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let response = respond(ops, caller, method, path, body).await;
    let status = response.status();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// One request by `caller`; answers as soon as the head of the answer is there.
pub async fn respond(
    ops: &Ops,
    caller: &Caller,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Response {
    let (router, _) = lyceum_ops::router(ops.clone()).split_for_parts();
    let router = Router::new().nest("/api/v1", router);
    let authenticator: Arc<dyn Authenticator> = Arc::new(Fixed(caller.clone()));
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .extension(authenticator)
        .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
        .unwrap();
    router.oneshot(request).await.unwrap()
}

pub async fn get(ops: &Ops, caller: &Caller, path: &str) -> (StatusCode, Value) {
    call(ops, caller, Method::GET, path, None).await
}

pub async fn owner(db: &TestDb) -> PgConnection {
    db.owner.connect().await.unwrap()
}

/// Runs a job of this kind to its end.
pub async fn run_job<J: lyceum_jobs::Job>(db: &TestDb, ops: &Ops, job: &J) {
    let mut tx = db.db.begin_maintenance().await.unwrap();
    lyceum_jobs::enqueue(&mut tx, job, lyceum_jobs::EnqueueOptions::default()).await.unwrap();
    tx.commit().await.unwrap();
    let handle = lyceum_ops::register_jobs(Jobs::new(db.owner.clone()), ops).start().await.unwrap();
    for _ in 0..600 {
        let mut tx = db.db.begin_maintenance().await.unwrap();
        let figures = lyceum_jobs::figures(&mut tx).await.unwrap();
        assert_eq!(figures.failed, 0, "{:?}", lyceum_jobs::failed(&mut tx, 1).await.unwrap());
        if figures == lyceum_jobs::JobFigures::default() {
            handle.shutdown().await;
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the job did not end within half a minute");
}
