use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_core::Secret;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{NewScimToken, ScimTokenRow};
use crate::{Identity, ScimTokenManage};

/// A token of a directory, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScimToken {
    id: Uuid,
    name: String,
    /// The last four characters of its secret.
    hint: String,
    /// The issuer at which the directory's people sign in: who was provisioned by this token and has
    /// no other way in yet is linked at their first sign-in there.
    oidc_provider_id: Option<Uuid>,
    /// Who made it or gave it its present secret. It works only while they are active and have all
    /// rights.
    created_by: Option<Uuid>,
    /// Their username.
    created_by_name: Option<String>,
    /// How many people it provisions.
    people: i64,
    expires_at: Option<DateTime<Utc>>,
    /// To within a minute.
    last_used_at: Option<DateTime<Utc>>,
    /// The last four characters of the secret that the last rotation replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_hint: Option<String>,
    /// Until when that one works.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_expires_at: Option<DateTime<Utc>>,
    /// When it got its present secret, if not when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

/// All tokens that were not revoked, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScimTokens {
    items: Vec<ScimToken>,
    /// The address to enter at the directory, beside the secret.
    base_url: String,
}

/// A token with its secret, which is never shown again.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedScimToken {
    #[serde(flatten)]
    scim_token: ScimToken,
    /// The secret, `lycscim_` and 43 characters. Enter it at the directory now.
    token: String,
}

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateScimToken {
    /// 1 to 100 characters, such as the directory's name.
    name: String,
    /// The issuer at which the directory's people sign in.
    oidc_provider_id: Option<Uuid>,
    /// When it stops working; never where absent.
    expires_at: Option<DateTime<Utc>>,
}

/// What to change about a token; absent members stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateScimToken {
    /// 1 to 100 characters.
    name: Option<String>,
    /// The issuer at which the directory's people sign in; `null` for none.
    #[serde(default, deserialize_with = "lyceum_http::present")]
    #[schema(value_type = Option<Uuid>)]
    oidc_provider_id: Option<Option<Uuid>>,
}

/// How to change over to a new secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateScimToken {
    /// How long the old secret works beside the new one: 0 to 2592000 seconds, a day where absent.
    overlap_seconds: Option<i64>,
}

impl From<ScimTokenRow> for ScimToken {
    fn from(row: ScimTokenRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            hint: row.hint,
            oidc_provider_id: row.oidc_provider_id,
            created_by: row.created_by,
            created_by_name: row.created_by_name,
            people: row.people,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            previous_hint: row.previous_hint,
            previous_expires_at: row.previous_expires_at,
            rotated_at: row.rotated_at,
            created_at: row.created_at,
        }
    }
}

fn shown((row, secret): (ScimTokenRow, Secret)) -> CreatedScimToken {
    CreatedScimToken { scim_token: row.into(), token: secret.expose().to_owned() }
}

/// Lists the tokens with which directories provision people and groups by SCIM 2.0.
#[utoipa::path(get, path = "/scim-tokens", tag = "scim-tokens",
    responses((status = 200, body = ScimTokens)))]
pub(crate) async fn list_scim_tokens(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ScimTokenManage>,
) -> Result<Json<ScimTokens>, ApiError> {
    let rows = identity.scim_tokens(&caller).await?;
    let items = rows.into_iter().map(ScimToken::from).collect();
    Ok(Json(ScimTokens { items, base_url: identity.scim_address("") }))
}

/// Makes a token; this answer is the only place where its secret is ever shown. Takes all rights, and
/// works only while you are active and have them.
#[utoipa::path(post, path = "/scim-tokens", tag = "scim-tokens", request_body = CreateScimToken,
    responses(
        (status = 201, body = CreatedScimToken),
        (status = 403, body = ProblemDocument, description = "You do not have all rights."),
        (status = 409, body = ProblemDocument, description = "There are as many as allowed."),
        (status = 422, body = ProblemDocument, description = "`invalid_field`"),
    ))]
pub(crate) async fn create_scim_token(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ScimTokenManage>,
    ApiJson(body): ApiJson<CreateScimToken>,
) -> Result<(StatusCode, Json<CreatedScimToken>), ApiError> {
    let new = NewScimToken {
        name: body.name,
        oidc_provider: body.oidc_provider_id,
        expires_at: body.expires_at,
    };
    let made = identity.create_scim_token(&caller, new).await?;
    Ok((StatusCode::CREATED, Json(shown(made))))
}

/// Changes a token's name, or where its people sign in. Takes all rights.
#[utoipa::path(patch, path = "/scim-tokens/{id}", tag = "scim-tokens",
    request_body = UpdateScimToken,
    params(("id" = Uuid, Path, description = "The token's id.")),
    responses(
        (status = 200, body = ScimToken),
        (status = 403, body = ProblemDocument, description = "You do not have all rights."),
        (status = 404, body = ProblemDocument),
        (status = 422, body = ProblemDocument, description = "`invalid_field`"),
    ))]
pub(crate) async fn update_scim_token(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ScimTokenManage>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<UpdateScimToken>,
) -> Result<Json<ScimToken>, ApiError> {
    let (name, provider) = (body.name.as_deref(), body.oidc_provider_id);
    Ok(Json(identity.change_scim_token(&caller, id, name, provider).await?.into()))
}

/// Gives a token a new secret, shown in this answer only. The old one works on for the overlap. Takes
/// all rights, and works only while you are active and have them, whoever made the token.
#[utoipa::path(post, path = "/scim-tokens/{id}/rotate", tag = "scim-tokens",
    request_body = RotateScimToken,
    params(("id" = Uuid, Path, description = "The token's id.")),
    responses(
        (status = 200, body = CreatedScimToken),
        (status = 403, body = ProblemDocument, description = "You do not have all rights."),
        (status = 404, body = ProblemDocument),
        (status = 422, body = ProblemDocument, description = "`invalid_field`"),
    ))]
pub(crate) async fn rotate_scim_token(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ScimTokenManage>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<RotateScimToken>,
) -> Result<Json<CreatedScimToken>, ApiError> {
    let rotated = identity.rotate_scim_token(&caller, id, body.overlap_seconds).await?;
    Ok(Json(shown(rotated)))
}

/// Revokes a token; it stops working at once. What it provisioned stays.
#[utoipa::path(delete, path = "/scim-tokens/{id}", tag = "scim-tokens",
    params(("id" = Uuid, Path, description = "The token's id.")),
    responses(
        (status = 204, description = "Revoked."),
        (status = 404, body = ProblemDocument),
    ))]
pub(crate) async fn revoke_scim_token(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ScimTokenManage>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    identity.revoke_scim_token(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
