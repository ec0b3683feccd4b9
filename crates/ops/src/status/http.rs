use axum::Json;
use axum::extract::State;
use http::StatusCode;
use lyceum_http::{Allow, ApiError, ApiPath, ProblemDocument};

use super::SystemStatus;
use crate::{Ops, SystemRead, SystemWrite};

/// Tells the state of the platform.
#[utoipa::path(get, path = "/system/status", tag = "system",
    responses((status = 200, body = SystemStatus)))]
pub(crate) async fn get_system_status(
    State(ops): State<Ops>,
    _: Allow<SystemRead>,
) -> Result<Json<SystemStatus>, ApiError> {
    Ok(Json(ops.system_status().await?))
}

/// Tries a job again that was given up.
#[utoipa::path(post, path = "/system/jobs/{id}/retry", tag = "system",
    params(("id" = i64, Path, description = "The job's number.")),
    responses(
        (status = 204, description = "It waits for a worker."),
        (status = 404, body = ProblemDocument),
    ))]
pub(crate) async fn retry_failed_job(
    State(ops): State<Ops>,
    _: Allow<SystemWrite>,
    ApiPath(id): ApiPath<i64>,
) -> Result<StatusCode, ApiError> {
    ops.retry_job(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
