use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use lyceum_core::{Cursor, Page};
use lyceum_http::{Allow, ApiError, ApiPath, ApiQuery, PageQuery, ProblemDocument};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::query::{SpanQuery, WhichQuery, check_text, check_timezone, storable, unknown_timezone};
use super::store::{self, CallRow};
use super::sums::{self, GroupBy, SumRow, UsageFigures};
use super::{daily, export};
use crate::{Gateway, USAGE_READ_ALL, UsageRead};

pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(summarize_usage))
        .routes(routes!(daily::get_daily_usage))
        .routes(routes!(export::export_usage))
        .routes(routes!(list_calls))
        .routes(routes!(get_call))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct SummaryQuery {
    /// By what to sum up; `day` where absent.
    #[serde(default)]
    #[param(inline)]
    group_by: GroupBy,
    /// In which time zone days begin and end, such as `Europe/Berlin`; the caller's own where
    /// absent.
    timezone: Option<String>,
}

/// Sums over some calls.
#[derive(Serialize, Deserialize, ToSchema)]
struct UsageSum {
    /// The group: a day, a model, a user's id …; `none` for calls without a key, a group or a
    /// provider config, and empty for those without an end user.
    key: String,
    /// A name for people, where the key is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(flatten)]
    figures: UsageFigures,
}

impl From<SumRow> for UsageSum {
    fn from(row: SumRow) -> Self {
        Self { key: row.key.unwrap_or_default(), label: row.label, figures: row.figures.into() }
    }
}

/// Usage, by group and altogether.
#[derive(Serialize, Deserialize, ToSchema)]
struct UsageSummary {
    items: Vec<UsageSum>,
    total: UsageSum,
}

/// Sums up the caller's calls, or everybody's for those with the right usage:read_all. Calls count
/// as soon as they are answered. At most 1000 groups are named, those with the most calls. Sums by end
/// user, or of one, are read from the single calls and take the longer the more calls the span has.
#[utoipa::path(get, path = "/usage/summary", tag = "usage",
    params(SummaryQuery, SpanQuery, WhichQuery),
    responses((status = 200, body = UsageSummary)))]
async fn summarize_usage(
    State(gateway): State<Gateway>,
    allow: Allow<UsageRead>,
    ApiQuery(query): ApiQuery<SummaryQuery>,
    ApiQuery(span): ApiQuery<SpanQuery>,
    ApiQuery(which): ApiQuery<WhichQuery>,
) -> Result<Json<UsageSummary>, ApiError> {
    let user = allow.caller.user_id;
    let filter = gateway.usage_filter(&allow.caller, &span, which)?;
    let mut tx = gateway.inner.db.begin_as(user).await?;
    let zone = match query.timezone {
        Some(name) => name,
        None => sums::zone_of(&mut tx, user).await?,
    };
    check_timezone(&zone)?;
    let total = sums::total(&mut tx, &filter).await?;
    let items = sums::summary(&mut tx, &filter, query.group_by, &zone).await;
    let items = items.map_err(|error| match error.0.as_database_error().map(|e| e.code()) {
        Some(Some(code)) if code == "22023" => unknown_timezone(),
        _ => error.into(),
    })?;
    let total = SumRow { key: Some("total".to_owned()), label: None, figures: total };
    let items = items.into_iter().map(UsageSum::from).collect();
    Ok(Json(UsageSummary { items, total: total.into() }))
}

/// What became of the calls.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StatusQuery {
    /// `completed`, `cancelled` or `failed`.
    status: Option<String>,
}

impl StatusQuery {
    pub(super) fn checked(self) -> Result<Option<String>, ApiError> {
        self.status.as_deref().map_or(Ok(()), check_text)?;
        Ok(self.status)
    }
}

/// One call in the ledger.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct UsageCall {
    id: Uuid,
    created_at: DateTime<Utc>,
    user_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_config_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_config_id: Option<Uuid>,
    purpose: String,
    provider: String,
    /// What answered, by its provider's name; what was asked where nothing did.
    model: String,
    /// What the caller named: a model or a route, by its name here.
    requested_model: String,
    prompt_tokens: i64,
    completion_tokens: i64,
    cached_tokens: i64,
    reasoning_tokens: i64,
    /// US dollars; absent where the price is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Decimal>,
    /// Whether the tokens are an estimate, because the provider sent no count.
    estimated: bool,
    /// `completed`, `cancelled` or `failed`.
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    latency_ms: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_token_ms: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<Uuid>,
    request_id: Uuid,
    /// Which attempt of the request, from 1 on; the attempts of one request share `request_id`.
    attempt: i16,
    /// The route that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    route_id: Option<Uuid>,
    /// Its name at that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<String>,
    /// Whether the answer was kept of an earlier call: the tokens are that one's, and the cost is 0.
    cache_hit: bool,
    /// Whom it was made for, as the program that called named them.
    #[serde(skip_serializing_if = "Option::is_none")]
    end_user: Option<String>,
}

impl From<CallRow> for UsageCall {
    fn from(row: CallRow) -> Self {
        Self {
            id: row.id,
            created_at: row.created_at,
            user_id: row.user_id,
            user: row.username,
            api_key_id: row.api_key_id,
            provider_config_id: row.provider_config_id,
            model_config_id: row.model_config_id,
            purpose: row.purpose,
            provider: row.provider,
            model: row.served_model.unwrap_or_else(|| row.requested_model.clone()),
            requested_model: row.requested_model,
            prompt_tokens: row.prompt_tokens,
            completion_tokens: row.completion_tokens,
            cached_tokens: row.cached_tokens,
            reasoning_tokens: row.reasoning_tokens,
            cost: row.cost.map(|cost| cost.normalize()),
            estimated: row.estimated,
            status: row.status,
            error_code: row.error_code,
            latency_ms: row.latency_ms,
            first_token_ms: row.first_token_ms,
            conversation_id: row.conversation_id,
            message_id: row.message_id,
            request_id: row.request_id,
            attempt: row.attempt,
            route_id: row.route_id,
            route: row.route,
            cache_hit: row.cache_hit,
            end_user: row.end_user,
        }
    }
}

/// A page of calls, newest first.
#[derive(Serialize, Deserialize, ToSchema)]
struct UsageCallPage {
    items: Vec<UsageCall>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Lists the caller's calls, newest first, or everybody's for those with the right usage:read_all.
#[utoipa::path(get, path = "/usage/calls", tag = "usage",
    params(SpanQuery, WhichQuery, StatusQuery, PageQuery),
    responses((status = 200, body = UsageCallPage)))]
async fn list_calls(
    State(gateway): State<Gateway>,
    allow: Allow<UsageRead>,
    ApiQuery(page): ApiQuery<PageQuery>,
    ApiQuery(span): ApiQuery<SpanQuery>,
    ApiQuery(which): ApiQuery<WhichQuery>,
    ApiQuery(status): ApiQuery<StatusQuery>,
) -> Result<Json<UsageCallPage>, ApiError> {
    let page = page.request()?;
    if page.after.is_some_and(|after| !storable(after.at)) {
        let detail = "the cursor is not one that was given out";
        return Err(ApiError::bad_request("invalid_cursor", detail));
    }
    let filter = gateway.usage_filter(&allow.caller, &span, which)?;
    let status = status.checked()?;
    let mut tx = gateway.inner.db.begin_as(allow.caller.user_id).await?;
    let rows = store::calls(&mut tx, &filter, status.as_deref(), &page).await?;
    let cursor = |row: &CallRow| Cursor { at: row.created_at, id: row.id };
    let page = Page::from_rows(rows, page.limit, cursor).map(UsageCall::from);
    Ok(Json(UsageCallPage { items: page.items, next_cursor: page.next_cursor }))
}

/// Shows one call. Others' need the right usage:read_all.
#[utoipa::path(get, path = "/usage/calls/{id}", tag = "usage",
    params(("id" = Uuid, Path, description = "The call's id")),
    responses((status = 200, body = UsageCall), (status = 404, body = ProblemDocument)))]
async fn get_call(
    State(gateway): State<Gateway>,
    allow: Allow<UsageRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<UsageCall>, ApiError> {
    let caller = &allow.caller;
    let all = caller.may(USAGE_READ_ALL.0, USAGE_READ_ALL.1);
    let mut tx = gateway.inner.db.begin_as(caller.user_id).await?;
    let row = store::call(&mut tx, id, (!all).then_some(caller.user_id)).await?;
    row.map(|row| Json(row.into())).ok_or_else(|| ApiError::not_found("call"))
}
