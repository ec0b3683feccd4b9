use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ApiQuery, PageQuery, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Cause;
use crate::models::Kind;
use crate::{Gateway, ModelRead, ModelWrite};

pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_model_routes, create_model_route))
        .routes(routes!(get_model_route, update_model_route, delete_model_route))
        .routes(routes!(get_model_route_health))
}

/// Whose a route is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ModelRouteScope)]
pub(super) enum Scope {
    /// The caller's own.
    Personal,
    /// Everybody's who may use one of its targets; needs the right organization_provider:manage.
    Organization,
}

/// How a route treats its targets. An absent member takes its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ModelRouteSettings)]
pub(super) struct RouteSettings {
    /// Times that a target is asked again before the next one is, 0 to 5.
    pub(super) retries: i16,
    /// Milliseconds before the first retry, 1 to 10000; they double with each, and up to half of
    /// them is left to chance.
    pub(super) backoff_ms: i32,
    /// The most milliseconds that one request waits for retries altogether, 0 to 60000. A target
    /// that asks for more (`Retry-After`) is left for the next one.
    pub(super) wait_budget_ms: i32,
    /// Milliseconds until the first token of a streamed answer, 50 to 3600000; the provider's own
    /// limit where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_token_timeout_ms: Option<i32>,
    /// Milliseconds until the whole of an answer that is not streamed, 50 to 3600000; the provider's
    /// own limits where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) answer_timeout_ms: Option<i32>,
    /// After what the next target is asked.
    pub(super) fallback_on: Vec<Cause>,
    /// The share of failed calls, in percent, at which a target rests, 1 to 100.
    pub(super) failure_percent: i16,
    /// Calls within the window without which the share says nothing, 1 to 1000.
    pub(super) min_calls: i16,
    /// Milliseconds of which the calls count, 1000 to 3600000.
    pub(super) window_ms: i32,
    /// Milliseconds for which a target rests, 100 to 3600000. Then a single call tries it.
    pub(super) cooldown_ms: i32,
}

impl Default for RouteSettings {
    fn default() -> Self {
        Self {
            retries: 1,
            backoff_ms: 250,
            wait_budget_ms: 5_000,
            first_token_timeout_ms: None,
            answer_timeout_ms: None,
            fallback_on: Cause::ALL.to_vec(),
            failure_percent: 50,
            min_calls: 5,
            window_ms: 60_000,
            cooldown_ms: 30_000,
        }
    }
}

/// A model that a route asks.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ModelRouteTargetInput)]
pub(super) struct TargetInput {
    /// Its id. No route, of the same kind as the others; of the organisation for a route of the
    /// organisation.
    pub(super) model_config_id: Uuid,
    /// 1 to 100; the lowest is asked first. 1 where absent.
    #[serde(default = "one")]
    pub(super) priority: i16,
    /// 1 to 1000: how often it goes before others of its priority. 1 where absent.
    #[serde(default = "one")]
    pub(super) weight: i16,
    /// Whether it takes tools; unknown, and asked, where absent.
    pub(super) tools: Option<bool>,
    /// Whether it takes images; unknown, and asked, where absent.
    pub(super) images: Option<bool>,
}

fn one() -> i16 {
    1
}

/// A model that a route asks, as the caller sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ModelRouteTarget)]
pub(super) struct RouteTarget {
    pub(super) model_config_id: Uuid,
    /// The name of the model.
    pub(super) name: String,
    /// The provider's own name of it.
    pub(super) model: String,
    pub(super) provider: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provider_config_name: Option<String>,
    /// The lowest is asked first.
    pub(super) priority: i16,
    /// How often it goes before others of its priority.
    pub(super) weight: i16,
    /// Whether it takes tools; absent where unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tools: Option<bool>,
    /// Whether it takes images; absent where unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) images: Option<bool>,
    /// Whether the caller may use it, and so reach it through the route.
    pub(super) usable: bool,
}

/// One name for several models, which are asked in an order until one answers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ModelRoute {
    /// Stands for the route wherever a model's id does.
    pub(super) id: Uuid,
    /// The name that people and `/v1` use.
    pub(super) name: String,
    pub(super) description: String,
    pub(super) kind: Kind,
    pub(super) scope: Scope,
    pub(super) is_active: bool,
    /// Whether the caller may use one of its targets now.
    pub(super) available: bool,
    /// Whether the caller may change it.
    pub(super) editable: bool,
    /// In the order in which they are asked. Those that the caller may not use are left out, unless
    /// they manage the route.
    pub(super) targets: Vec<RouteTarget>,
    pub(super) settings: RouteSettings,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// A page of routes, the latest first.
#[derive(Debug, Serialize, ToSchema)]
struct ModelRoutePage {
    items: Vec<ModelRoute>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A route to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateModelRoute {
    /// 1 to 100 characters; no model of the same owner may have it.
    pub(super) name: String,
    /// What it is for, up to 500 characters.
    #[serde(default)]
    pub(super) description: String,
    pub(super) scope: Scope,
    /// 1 to 20 models.
    pub(super) targets: Vec<TargetInput>,
    #[serde(default)]
    pub(super) settings: RouteSettings,
}

/// Changes of a route. Absent members stay; those that are given are replaced as a whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateModelRoute {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) is_active: Option<bool>,
    pub(super) targets: Option<Vec<TargetInput>>,
    pub(super) settings: Option<RouteSettings>,
}

/// What state a target is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TargetState {
    /// It is asked.
    Healthy,
    /// It failed too often and is left alone until `cooling_until`.
    Cooling,
    /// It has rested: a single call sees whether it is well again, or the next one will.
    Probing,
}

/// How a target has been doing on the node that answers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct TargetHealth {
    pub(super) model_config_id: Uuid,
    pub(super) name: String,
    pub(super) state: TargetState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cooling_until: Option<DateTime<Utc>>,
    /// Calls within the window, without those that the request itself was at fault for.
    pub(super) calls: u32,
    /// Of those, the ones that failed.
    pub(super) failures: u32,
    /// 0 to 1; 0 without calls.
    pub(super) failure_rate: f64,
    /// Median milliseconds to the first token, or to the whole answer where it was not streamed, of
    /// the latest 64 answers; absent without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p50_latency_ms: Option<u64>,
}

/// How the targets of a route have been doing.
#[derive(Debug, Serialize, ToSchema)]
struct ModelRouteHealth {
    /// In the order in which they are asked.
    items: Vec<TargetHealth>,
}

/// Lists the routes that the caller may use or manages, the latest first.
#[utoipa::path(get, path = "/model-routes", tag = "routes", params(PageQuery),
    responses((status = 200, body = ModelRoutePage)))]
async fn list_model_routes(
    State(gateway): State<Gateway>,
    allow: Allow<ModelRead>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<ModelRoutePage>, ApiError> {
    let page = gateway.model_routes(&allow.caller, query.request()?).await?;
    Ok(Json(ModelRoutePage { items: page.items, next_cursor: page.next_cursor }))
}

/// Reads a route. Targets that the caller may not use are left out, unless they manage the route.
#[utoipa::path(get, path = "/model-routes/{id}", tag = "routes",
    params(("id" = Uuid, Path, description = "The route's id")),
    responses((status = 200, body = ModelRoute), (status = 404, body = ProblemDocument)))]
async fn get_model_route(
    State(gateway): State<Gateway>,
    allow: Allow<ModelRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<ModelRoute>, ApiError> {
    Ok(Json(gateway.model_route(&allow.caller, id).await?))
}

/// Makes a route. Its name can be used at once wherever a model's can.
#[utoipa::path(post, path = "/model-routes", tag = "routes", request_body = CreateModelRoute,
    responses((status = 201, body = ModelRoute),
              (status = 403, description = "A route of the organisation, without the right",
               body = ProblemDocument),
              (status = 404, description = "No such model", body = ProblemDocument),
              (status = 409, description = "The name is taken", body = ProblemDocument),
              (status = 422, body = ProblemDocument)))]
async fn create_model_route(
    State(gateway): State<Gateway>,
    allow: Allow<ModelWrite>,
    ApiJson(body): ApiJson<CreateModelRoute>,
) -> Result<(StatusCode, Json<ModelRoute>), ApiError> {
    let route = gateway.create_route(&allow.caller, body).await?;
    Ok((StatusCode::CREATED, Json(route)))
}

/// Changes a route. Requests that are under way go on with what they have begun.
#[utoipa::path(patch, path = "/model-routes/{id}", tag = "routes",
    request_body = UpdateModelRoute,
    params(("id" = Uuid, Path, description = "The route's id")),
    responses((status = 200, body = ModelRoute),
              (status = 403, description = "A route of the organisation, without the right",
               body = ProblemDocument),
              (status = 404, description = "No such route or model", body = ProblemDocument),
              (status = 409, description = "The name is taken", body = ProblemDocument),
              (status = 422, body = ProblemDocument)))]
async fn update_model_route(
    State(gateway): State<Gateway>,
    allow: Allow<ModelWrite>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<UpdateModelRoute>,
) -> Result<Json<ModelRoute>, ApiError> {
    Ok(Json(gateway.update_route(&allow.caller, id, body).await?))
}

/// Deletes a route. Its targets stay, and so does what the ledger says of it.
#[utoipa::path(delete, path = "/model-routes/{id}", tag = "routes",
    params(("id" = Uuid, Path, description = "The route's id")),
    responses((status = 204),
              (status = 403, description = "A route of the organisation, without the right",
               body = ProblemDocument),
              (status = 404, body = ProblemDocument)))]
async fn delete_model_route(
    State(gateway): State<Gateway>,
    allow: Allow<ModelWrite>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    gateway.delete_route(&allow.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows how the targets of a route have been doing: whether each is asked, and how often it failed.
/// Each node judges by its own calls, and this is what the answering one knows.
#[utoipa::path(get, path = "/model-routes/{id}/health", tag = "routes",
    params(("id" = Uuid, Path, description = "The route's id")),
    responses((status = 200, body = ModelRouteHealth), (status = 404, body = ProblemDocument)))]
async fn get_model_route_health(
    State(gateway): State<Gateway>,
    allow: Allow<ModelRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<ModelRouteHealth>, ApiError> {
    let items = gateway.route_health(&allow.caller, id).await?;
    Ok(Json(ModelRouteHealth { items }))
}
