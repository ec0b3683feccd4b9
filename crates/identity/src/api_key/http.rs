use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ApiQuery, PageQuery, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ApiKeyRow, KeyChange, NewKey};
use crate::{ApiKeyRead, ApiKeyWrite, Identity};

/// An API key, without the key itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKey {
    id: Uuid,
    name: String,
    /// Its last four characters.
    hint: String,
    /// What it may do, as patterns `resource:action`; never more than its owner.
    permissions: Vec<String>,
    expires_at: Option<DateTime<Utc>>,
    /// To within some seconds.
    last_used_at: Option<DateTime<Utc>>,
    /// `active` or `inactive`.
    status: String,
    /// From where it may be used, each as `address/bits`; from everywhere where empty.
    allowed_addresses: Vec<String>,
    /// The models and routes that it may call, by their names; `null`: all that its owner may use.
    models: Option<Vec<String>>,
    /// The secret that the last rotation replaced, while it still works.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<PreviousApiKey>,
    /// When it got its present secret, if not when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

/// A replaced secret that still works.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviousApiKey {
    /// Its last four characters.
    hint: String,
    /// Until when it works.
    expires_at: DateTime<Utc>,
}

/// A new API key with the key itself, which is never shown again.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedApiKey {
    #[serde(flatten)]
    api_key: ApiKey,
    /// The key, `lyc_` and 43 characters. Keep it now.
    key: String,
}

/// A page of API keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKeyPage {
    items: Vec<ApiKey>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateApiKey {
    /// 1 to 100 characters.
    name: String,
    /// What it may do; `inference:create` and `model:read` where absent. Only what you may do.
    permissions: Option<Vec<String>>,
    /// When it ends; never where absent.
    expires_at: Option<DateTime<Utc>>,
    /// From where it may be used: up to 50 addresses or networks like `192.0.2.0/24`; from
    /// everywhere where absent or empty.
    #[serde(default)]
    allowed_addresses: Vec<String>,
    /// The models and routes that it may call, by their names as calls say them: 1 to 100, each of
    /// at most 200 characters. A name that nothing has yet counts from when something has it. All
    /// that you may use where absent or `null`.
    models: Option<Vec<String>>,
}

/// What to change about a key; absent members stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateApiKey {
    /// 1 to 100 characters.
    name: Option<String>,
    /// `active`, or `inactive` to have it refused for a while.
    status: Option<String>,
    /// From where it may be used; an empty list: from everywhere.
    allowed_addresses: Option<Vec<String>>,
    /// The models and routes that it may call, by their names; `null`: all that its owner may use.
    #[serde(default, deserialize_with = "lyceum_http::present")]
    #[schema(value_type = Option<Vec<String>>)]
    models: Option<Option<Vec<String>>>,
}

/// How to rotate a key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateApiKey {
    /// How long the old secret works beside the new one, 0 to 2592000 (30 days); a day where absent.
    overlap_seconds: Option<i64>,
}

impl From<ApiKeyRow> for ApiKey {
    fn from(row: ApiKeyRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            hint: row.hint,
            permissions: row.permissions,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            status: row.status,
            allowed_addresses: row.allowed_addresses.iter().map(ToString::to_string).collect(),
            models: row.models,
            previous: row
                .previous
                .map(|old| PreviousApiKey { hint: old.hint, expires_at: old.expires_at }),
            rotated_at: row.rotated_at,
            created_at: row.created_at,
        }
    }
}

/// Lists the caller's API keys, newest first. The keys themselves are never shown, only the end of
/// each (`hint`).
#[utoipa::path(get, path = "/api-keys", tag = "api-keys", params(PageQuery),
    responses((status = 200, body = ApiKeyPage)))]
pub(crate) async fn list_api_keys(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ApiKeyRead>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<ApiKeyPage>, ApiError> {
    let page = identity.api_keys(&caller, query.request()?).await?.map(ApiKey::from);
    Ok(Json(ApiKeyPage { items: page.items, next_cursor: page.next_cursor }))
}

/// Makes an API key. The answer is the only place where the key is ever shown.
#[utoipa::path(post, path = "/api-keys", tag = "api-keys", request_body = CreateApiKey,
    responses(
        (status = 201, body = CreatedApiKey),
        (status = 403, body = ProblemDocument, description = "A right that you do not have."),
        (status = 409, body = ProblemDocument, description = "You have as many as allowed."),
        (status = 422, body = ProblemDocument, description = "A field is not acceptable."),
    ))]
pub(crate) async fn create_api_key(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ApiKeyWrite>,
    ApiJson(body): ApiJson<CreateApiKey>,
) -> Result<(StatusCode, Json<CreatedApiKey>), ApiError> {
    let new = NewKey {
        name: body.name,
        permissions: body.permissions,
        expires_at: body.expires_at,
        allowed_addresses: body.allowed_addresses,
        models: body.models,
    };
    let (row, key) = identity.create_api_key(&caller, new).await?;
    let created = CreatedApiKey { api_key: row.into(), key: key.expose().to_owned() };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Changes an API key's name, state, addresses or models, at once. What it may do and when it ends
/// never change: make another one for that. An API key may not do this.
#[utoipa::path(patch, path = "/api-keys/{id}", tag = "api-keys", request_body = UpdateApiKey,
    params(("id" = Uuid, Path, description = "The key's id.")),
    responses(
        (status = 200, body = ApiKey),
        (status = 403, body = ProblemDocument, description = "`session_required`"),
        (status = 404, body = ProblemDocument),
        (status = 422, body = ProblemDocument, description = "`invalid_field`"),
    ))]
pub(crate) async fn update_api_key(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ApiKeyWrite>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<UpdateApiKey>,
) -> Result<Json<ApiKey>, ApiError> {
    let change = KeyChange {
        name: body.name,
        status: body.status,
        allowed_addresses: body.allowed_addresses,
        models: body.models,
    };
    Ok(Json(identity.change_api_key(&caller, id, change).await?.into()))
}

/// Gives an API key a new secret, shown in this answer only; rights, models, limits and figures stay
/// with the key. The old secret works on for the overlap; one left by an earlier rotation ends now.
#[utoipa::path(post, path = "/api-keys/{id}/rotate", tag = "api-keys",
    request_body = RotateApiKey,
    params(("id" = Uuid, Path, description = "The key's id.")),
    responses(
        (status = 200, body = CreatedApiKey),
        (status = 403, body = ProblemDocument, description = "`session_required`"),
        (status = 404, body = ProblemDocument),
        (status = 422, body = ProblemDocument, description = "`invalid_field`"),
    ))]
pub(crate) async fn rotate_api_key(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ApiKeyWrite>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<RotateApiKey>,
) -> Result<Json<CreatedApiKey>, ApiError> {
    let (row, key) = identity.rotate_api_key(&caller, id, body.overlap_seconds).await?;
    Ok(Json(CreatedApiKey { api_key: row.into(), key: key.expose().to_owned() }))
}

/// Revokes an API key; it stops working at once. It cannot be brought back. To have one refused for
/// a while, set its `status` to `inactive`.
#[utoipa::path(delete, path = "/api-keys/{id}", tag = "api-keys",
    params(("id" = Uuid, Path, description = "The key's id.")),
    responses(
        (status = 204, description = "Revoked."),
        (status = 404, body = ProblemDocument),
    ))]
pub(crate) async fn revoke_api_key(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ApiKeyWrite>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    identity.revoke_api_key(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
