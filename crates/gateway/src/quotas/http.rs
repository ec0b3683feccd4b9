use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ApiQuery, PageQuery, ProblemDocument};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::fields::money;
use crate::{Gateway, GatewayError, QuotaManage, QuotaRead, UsageRead};

pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_quotas))
        .routes(routes!(list_my_quotas))
        .routes(routes!(get_quota, set_quota, delete_quota))
}

/// Whose quota is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum QuotaScope {
    /// One person, whatever they call with.
    Users,
    /// The members of a group together.
    Groups,
    /// One API key.
    ApiKeys,
}

/// How much of one thing may be used and is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct QuotaResource {
    /// `api_calls`, `tokens`, `cost` (US dollars), `compute_seconds` or `storage_bytes`.
    pub(super) resource: String,
    /// Absent where unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<Decimal>,
    /// In this month; of `storage_bytes` what is stored now.
    pub(super) used: Decimal,
    /// What running calls may still take.
    pub(super) reserved: Decimal,
    /// When the month ends; absent for storage, which does not start anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resets_at: Option<DateTime<Utc>>,
    /// When four fifths were first used in this month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) warned_at: Option<DateTime<Utc>>,
}

/// What a user, a group or a key may use in a month.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Quota {
    pub(super) id: Uuid,
    /// `user`, `group` or `api_key`.
    pub(super) scope: String,
    /// The user, group or key.
    pub(super) subject_id: Uuid,
    /// The subject's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) label: Option<String>,
    /// In which its months begin.
    pub(super) timezone: String,
    pub(super) resources: Vec<QuotaResource>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// The quotas that bind the caller.
#[derive(Serialize, Deserialize, ToSchema)]
struct MyQuotas {
    items: Vec<Quota>,
}

/// A page of quotas, newest first.
#[derive(Serialize, Deserialize, ToSchema)]
struct QuotaPage {
    items: Vec<Quota>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Limits for a month; an absent one does not limit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetQuota {
    /// Calls to models.
    pub(super) max_api_calls: Option<i64>,
    /// Tokens of prompts and answers together.
    pub(super) max_tokens: Option<i64>,
    /// US dollars.
    #[serde(default, deserialize_with = "money")]
    pub(super) max_cost: Option<Decimal>,
    /// Bytes of uploaded documents at any time; of a key those that were uploaded with it.
    pub(super) max_storage_bytes: Option<i64>,
    /// Seconds of built-in models.
    pub(super) max_compute_seconds: Option<i64>,
    /// In which a group's months begin, such as `Europe/Berlin`; `UTC` where absent. Those of a
    /// user and of their keys begin in the user's own time zone.
    pub(super) timezone: Option<String>,
}

impl SetQuota {
    pub(super) fn check(&self, scope: QuotaScope) -> Result<(), GatewayError> {
        let limits = [
            ("max_api_calls", self.max_api_calls),
            ("max_tokens", self.max_tokens),
            ("max_storage_bytes", self.max_storage_bytes),
            ("max_compute_seconds", self.max_compute_seconds),
        ];
        for (field, limit) in limits {
            if limit.is_some_and(|limit| limit < 0) {
                return Err(GatewayError::invalid(field, "must not be negative"));
            }
        }
        if self.max_cost.is_some_and(|cost| {
            cost.is_sign_negative() && !cost.is_zero() || cost >= Decimal::from(1_000_000_000)
        }) {
            return Err(GatewayError::invalid("max_cost", "must be 0 to 999999999"));
        }
        if scope != QuotaScope::Groups && self.timezone.is_some() {
            return Err(GatewayError::invalid("timezone", "follows the user's own"));
        }
        match self.timezone.as_deref().map(|zone| crate::fields::text("timezone", zone, 64)) {
            Some(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Shows the quotas that bind the caller: their own, their groups' and their keys'. `used` is that
/// of the month that runs in the quota's time zone; of storage, what is there now.
#[utoipa::path(get, path = "/quotas/me", tag = "limits",
    responses((status = 200, body = MyQuotas)))]
async fn list_my_quotas(
    State(gateway): State<Gateway>,
    allow: Allow<UsageRead>,
) -> Result<Json<MyQuotas>, ApiError> {
    let items = gateway.own_quotas(allow.caller.user_id).await?;
    Ok(Json(MyQuotas { items }))
}

/// Lists all quotas and how they stand.
#[utoipa::path(get, path = "/quotas", tag = "limits", params(PageQuery),
    responses((status = 200, body = QuotaPage)))]
async fn list_quotas(
    State(gateway): State<Gateway>,
    allow: Allow<QuotaRead>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<QuotaPage>, ApiError> {
    let page = gateway.list_quotas(&allow.caller, &query.request()?).await?;
    Ok(Json(QuotaPage { items: page.items, next_cursor: page.next_cursor }))
}

/// Shows the quota of a user, a group or a key. `used` is that of the month that runs in its time
/// zone; of storage, what is there now.
#[utoipa::path(get, path = "/quotas/{scope}/{id}", tag = "limits",
    params(("scope" = inline(QuotaScope), Path, description = "Whose quota"),
           ("id" = Uuid, Path, description = "The id of the user, group or key")),
    responses((status = 200, body = Quota), (status = 404, body = ProblemDocument)))]
async fn get_quota(
    State(gateway): State<Gateway>,
    allow: Allow<QuotaRead>,
    ApiPath((scope, id)): ApiPath<(QuotaScope, Uuid)>,
) -> Result<Json<Quota>, ApiError> {
    Ok(Json(gateway.quota(&allow.caller, scope, id).await?))
}

/// Limits what a user, the members of a group together, or a key may use in a month. What was used
/// in this month already counts.
#[utoipa::path(put, path = "/quotas/{scope}/{id}", tag = "limits", request_body = SetQuota,
    params(("scope" = inline(QuotaScope), Path, description = "Whose quota"),
           ("id" = Uuid, Path, description = "The id of the user, group or key")),
    responses((status = 200, body = Quota), (status = 404, body = ProblemDocument),
              (status = 422, body = ProblemDocument)))]
async fn set_quota(
    State(gateway): State<Gateway>,
    allow: Allow<QuotaManage>,
    ApiPath((scope, id)): ApiPath<(QuotaScope, Uuid)>,
    ApiJson(body): ApiJson<SetQuota>,
) -> Result<Json<Quota>, ApiError> {
    Ok(Json(gateway.set_quota(&allow.caller, scope, id, body).await?))
}

/// Takes a quota away. Others that bind the same calls go on doing so.
#[utoipa::path(delete, path = "/quotas/{scope}/{id}", tag = "limits",
    params(("scope" = inline(QuotaScope), Path, description = "Whose quota"),
           ("id" = Uuid, Path, description = "The id of the user, group or key")),
    responses((status = 204), (status = 404, body = ProblemDocument)))]
async fn delete_quota(
    State(gateway): State<Gateway>,
    allow: Allow<QuotaManage>,
    ApiPath((scope, id)): ApiPath<(QuotaScope, Uuid)>,
) -> Result<StatusCode, ApiError> {
    gateway.delete_quota(&allow.caller, scope, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
