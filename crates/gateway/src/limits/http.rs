use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_core::{Cursor, Page};
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ApiQuery, PageQuery, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Subject;
use super::store::{self, RateRow};
use crate::{ApiKeyRead, ApiKeyWrite, Gateway, GatewayError, QuotaManage, QuotaRead, fields};

pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_rate_limits))
        .routes(routes!(set_organization_rate_limit, delete_organization_rate_limit))
        .routes(routes!(set_rate_limit, delete_rate_limit))
        .routes(routes!(get_own_rate_limit, set_own_rate_limit, delete_own_rate_limit))
}

/// Whose calls a rate limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum RateScope {
    /// One person, whatever they call with.
    Users,
    /// The members of a group together.
    Groups,
    /// One API key.
    ApiKeys,
    /// Everybody who calls one model.
    Models,
}

impl Subject {
    fn of(scope: RateScope, id: Uuid) -> Self {
        let none = Self::default();
        match scope {
            RateScope::Users => Self { user: Some(id), ..none },
            RateScope::Groups => Self { group: Some(id), ..none },
            RateScope::ApiKeys => Self { api_key: Some(id), ..none },
            RateScope::Models => Self { model: Some(id), ..none },
        }
    }

    /// What the owner of a key set for it.
    fn own(key: Uuid) -> Self {
        Self { api_key: Some(key), by_owner: true, ..Self::default() }
    }
}

/// A rate limit.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RateLimit {
    id: Uuid,
    /// `organization`, `user`, `group`, `api_key` or `model`.
    scope: String,
    /// The user, group, key or model; absent for the organisation's.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_id: Option<Uuid>,
    /// The subject's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// Whether the key's owner set it; administrators' limits hold beside it.
    set_by_owner: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests_per_minute: Option<i32>,
    /// Tokens of prompts and answers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_per_minute: Option<i32>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<RateRow> for RateLimit {
    fn from(row: RateRow) -> Self {
        let subjects = [
            ("user", row.user_id),
            ("group", row.group_id),
            ("api_key", row.api_key_id),
            ("model", row.model_config_id),
        ];
        let named = subjects.into_iter().find(|(_, id)| id.is_some());
        let (scope, subject_id) = named.unwrap_or(("organization", None));
        Self {
            id: row.id,
            scope: scope.to_owned(),
            subject_id,
            label: row.label,
            set_by_owner: row.set_by_owner,
            requests_per_minute: row.requests_per_minute,
            tokens_per_minute: row.tokens_per_minute,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A page of rate limits, newest first.
#[derive(Serialize, Deserialize, ToSchema)]
struct RateLimitPage {
    items: Vec<RateLimit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// What a rate limit allows. At least one of both; an absent one does not limit.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetRateLimit {
    /// At least 1.
    requests_per_minute: Option<i32>,
    /// Tokens of prompts and answers together, at least 1.
    tokens_per_minute: Option<i32>,
}

impl Gateway {
    async fn set_rate(
        &self,
        user: Uuid,
        subject: Subject,
        body: SetRateLimit,
    ) -> Result<RateLimit, GatewayError> {
        let mut tx = self.inner.db.begin_as(user).await?;
        let (requests, tokens) = (body.requests_per_minute, body.tokens_per_minute);
        let now = self.inner.clock.now();
        store::set(&mut tx, &subject, requests, tokens, now)
            .await
            .map_err(|error| fields::refused(error, "subject of a limit"))?;
        let row = store::find(&mut tx, &subject).await?;
        tx.commit().await?;
        self.inner.limits.forget();
        row.map(RateLimit::from).ok_or(GatewayError::NotFound("rate limit"))
    }

    async fn delete_rate(&self, user: Uuid, subject: Subject) -> Result<(), GatewayError> {
        let mut tx = self.inner.db.begin_as(user).await?;
        let row = store::find(&mut tx, &subject).await?;
        let row = row.ok_or(GatewayError::NotFound("rate limit"))?;
        if !store::remove(&mut tx, row.id).await? {
            return Err(GatewayError::NotFound("rate limit"));
        }
        tx.commit().await?;
        self.inner.limits.forget();
        Ok(())
    }
}

/// Lists all rate limits.
#[utoipa::path(get, path = "/rate-limits", tag = "limits", params(PageQuery),
    responses((status = 200, body = RateLimitPage)))]
async fn list_rate_limits(
    State(gateway): State<Gateway>,
    allow: Allow<QuotaRead>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<RateLimitPage>, ApiError> {
    let page = query.request()?;
    let mut tx = gateway.inner.db.begin_as(allow.caller.user_id).await?;
    let rows = store::list(&mut tx, &page).await?;
    let cursor = |row: &RateRow| Cursor { at: row.created_at, id: row.id };
    let page = Page::from_rows(rows, page.limit, cursor).map(RateLimit::from);
    Ok(Json(RateLimitPage { items: page.items, next_cursor: page.next_cursor }))
}

/// Limits all calls of everybody together. Replaces the limit that there was, both figures of it.
#[utoipa::path(put, path = "/rate-limits/organization", tag = "limits",
    request_body = SetRateLimit,
    responses((status = 200, body = RateLimit), (status = 422, body = ProblemDocument)))]
async fn set_organization_rate_limit(
    State(gateway): State<Gateway>,
    allow: Allow<QuotaManage>,
    ApiJson(body): ApiJson<SetRateLimit>,
) -> Result<Json<RateLimit>, ApiError> {
    let subject = Subject::default();
    Ok(Json(gateway.set_rate(allow.caller.user_id, subject, body).await?))
}

/// Takes the limit of everybody together away.
#[utoipa::path(delete, path = "/rate-limits/organization", tag = "limits",
    responses((status = 204), (status = 404, body = ProblemDocument)))]
async fn delete_organization_rate_limit(
    State(gateway): State<Gateway>,
    allow: Allow<QuotaManage>,
) -> Result<StatusCode, ApiError> {
    gateway.delete_rate(allow.caller.user_id, Subject::default()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Limits the calls of a user, of a group's members together, with a key, or to a model. Replaces
/// the limit that there was, both figures of it.
#[utoipa::path(put, path = "/rate-limits/{scope}/{id}", tag = "limits",
    request_body = SetRateLimit,
    params(("scope" = inline(RateScope), Path, description = "Whose calls"),
           ("id" = Uuid, Path, description = "The id of the user, group, key or model")),
    responses((status = 200, body = RateLimit), (status = 404, body = ProblemDocument),
              (status = 422, body = ProblemDocument)))]
async fn set_rate_limit(
    State(gateway): State<Gateway>,
    allow: Allow<QuotaManage>,
    ApiPath((scope, id)): ApiPath<(RateScope, Uuid)>,
    ApiJson(body): ApiJson<SetRateLimit>,
) -> Result<Json<RateLimit>, ApiError> {
    let subject = Subject::of(scope, id);
    Ok(Json(gateway.set_rate(allow.caller.user_id, subject, body).await?))
}

/// Takes a rate limit away. Others that bind the same calls go on doing so.
#[utoipa::path(delete, path = "/rate-limits/{scope}/{id}", tag = "limits",
    params(("scope" = inline(RateScope), Path, description = "Whose calls"),
           ("id" = Uuid, Path, description = "The id of the user, group, key or model")),
    responses((status = 204), (status = 404, body = ProblemDocument)))]
async fn delete_rate_limit(
    State(gateway): State<Gateway>,
    allow: Allow<QuotaManage>,
    ApiPath((scope, id)): ApiPath<(RateScope, Uuid)>,
) -> Result<StatusCode, ApiError> {
    gateway.delete_rate(allow.caller.user_id, Subject::of(scope, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the rate limit that the caller set for one of their keys. 404 where there is none. What
/// administrators set is not shown.
#[utoipa::path(get, path = "/api-keys/{id}/rate-limit", tag = "limits",
    params(("id" = Uuid, Path, description = "The key's id")),
    responses((status = 200, body = RateLimit), (status = 404, body = ProblemDocument)))]
async fn get_own_rate_limit(
    State(gateway): State<Gateway>,
    allow: Allow<ApiKeyRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<RateLimit>, ApiError> {
    let mut tx = gateway.inner.db.begin_as(allow.caller.user_id).await?;
    let row = store::find(&mut tx, &Subject::own(id)).await?;
    row.map(|row| Json(row.into())).ok_or_else(|| ApiError::not_found("rate limit"))
}

/// Limits one of the caller's own keys. What administrators set for it holds beside this. An API
/// key may not do this.
#[utoipa::path(put, path = "/api-keys/{id}/rate-limit", tag = "limits",
    request_body = SetRateLimit,
    params(("id" = Uuid, Path, description = "The key's id")),
    responses((status = 200, body = RateLimit), (status = 404, body = ProblemDocument),
              (status = 422, body = ProblemDocument)))]
async fn set_own_rate_limit(
    State(gateway): State<Gateway>,
    allow: Allow<ApiKeyWrite>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<SetRateLimit>,
) -> Result<Json<RateLimit>, ApiError> {
    // A key does not free itself of its own limit.
    allow.caller.require_session()?;
    Ok(Json(gateway.set_rate(allow.caller.user_id, Subject::own(id), body).await?))
}

/// Takes the rate limit away that the caller set for one of their keys. What administrators set for
/// it stays. An API key may not do this.
#[utoipa::path(delete, path = "/api-keys/{id}/rate-limit", tag = "limits",
    params(("id" = Uuid, Path, description = "The key's id")),
    responses((status = 204), (status = 404, body = ProblemDocument)))]
async fn delete_own_rate_limit(
    State(gateway): State<Gateway>,
    allow: Allow<ApiKeyWrite>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    // A key does not free itself of its own limit.
    allow.caller.require_session()?;
    gateway.delete_rate(allow.caller.user_id, Subject::own(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
