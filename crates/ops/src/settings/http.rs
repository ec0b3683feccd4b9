use axum::Json;
use axum::extract::State;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ProblemDocument};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::SystemConfig;
use crate::{Ops, SystemRead, SystemWrite};

/// All settings; they are few.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SystemConfigList {
    items: Vec<SystemConfig>,
}

/// A new value for a setting.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutSystemConfig {
    /// It has to fit the setting's `value_schema`.
    value: Value,
}

/// Lists the settings of the platform.
#[utoipa::path(get, path = "/system/configs", tag = "system",
    responses((status = 200, body = SystemConfigList)))]
pub(crate) async fn list_system_configs(
    State(ops): State<Ops>,
    allowed: Allow<SystemRead>,
) -> Result<Json<SystemConfigList>, ApiError> {
    Ok(Json(SystemConfigList { items: ops.configs(allowed.caller.user_id).await? }))
}

/// Reads a setting of the platform.
#[utoipa::path(get, path = "/system/configs/{key}", tag = "system",
    params(("key" = String, Path, description = "The setting's name.")),
    responses((status = 200, body = SystemConfig), (status = 404, body = ProblemDocument)))]
pub(crate) async fn get_system_config(
    State(ops): State<Ops>,
    allowed: Allow<SystemRead>,
    ApiPath(key): ApiPath<String>,
) -> Result<Json<SystemConfig>, ApiError> {
    Ok(Json(ops.config(allowed.caller.user_id, &key).await?))
}

/// Changes a setting of the platform.
#[utoipa::path(put, path = "/system/configs/{key}", tag = "system",
    params(("key" = String, Path, description = "The setting's name.")),
    request_body = PutSystemConfig,
    responses(
        (status = 200, body = SystemConfig),
        (status = 404, body = ProblemDocument),
        (status = 422, body = ProblemDocument, description = "The value does not fit."),
    ))]
pub(crate) async fn put_system_config(
    State(ops): State<Ops>,
    allowed: Allow<SystemWrite>,
    ApiPath(key): ApiPath<String>,
    ApiJson(put): ApiJson<PutSystemConfig>,
) -> Result<Json<SystemConfig>, ApiError> {
    Ok(Json(ops.set_config(allowed.caller.user_id, &key, &put.value).await?))
}
