//! Whether the program lives and can serve, for load balancers and supervisors. Public, so it
//! tells nothing else.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use lyceum_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Ops;

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The program lives.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    status: &'static str,
}

/// Whether requests can be served.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    ready: bool,
    /// Whether the database answers.
    database: bool,
    /// Parts that are away and that the program does without, such as `redis` or `engine`.
    missing: Vec<&'static str>,
}

/// Tells that the program lives; asks nothing of anything else.
#[utoipa::path(get, path = "/health", tag = "system", security(()),
    extensions(("x-open-query" = json!(true))), responses((status = 200, body = Health)))]
pub(crate) async fn get_health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Tells whether requests can be served. 503 while the database does not answer; parts that the
/// program does without are named in `missing`.
#[utoipa::path(get, path = "/ready", tag = "system", security(()),
    extensions(("x-open-query" = json!(true))),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(crate) async fn get_readiness(State(ops): State<Ops>) -> Response {
    let database = matches!(tokio::time::timeout(PATIENCE, ops.ping()).await, Ok(Ok(())));
    let status = if database { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready: database, database, missing: ops.missing() })).into_response()
}

impl Ops {
    fn missing(&self) -> Vec<&'static str> {
        let missed = self.inner.sources.iter().filter(|source| source.is_missed());
        missed.map(|source| source.name()).collect()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.db.begin_maintenance().await?.rollback().await?;
        Ok(())
    }
}
