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

use super::{AvailableRow, DistributionRow};
use crate::{Gateway, OrganizationProviderManage, ProviderRead};

pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_available_providers))
        .routes(routes!(list_distributions, distribute_provider))
        .routes(routes!(update_distribution, withdraw_distribution))
}

/// A provider given to a person or a group.
#[derive(Debug, Serialize, ToSchema)]
struct Distribution {
    id: Uuid,
    /// The person; absent where it is a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<Uuid>,
    /// Absent where the person was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// The group; absent where it is a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<Uuid>,
    /// Absent where the group was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    group_name: Option<String>,
    /// Who gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    granted_by: Option<Uuid>,
    /// Their username.
    #[serde(skip_serializing_if = "Option::is_none")]
    granted_by_name: Option<String>,
    granted_at: DateTime<Utc>,
    /// Whether it counts.
    is_active: bool,
}

/// A page of those who have been given a provider.
#[derive(Debug, Serialize, ToSchema)]
struct DistributionPage {
    items: Vec<Distribution>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// To whom to give a provider; 1 to 500 people and groups.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DistributeProvider {
    /// People.
    #[serde(default)]
    user_ids: Vec<Uuid>,
    /// Groups.
    #[serde(default)]
    group_ids: Vec<Uuid>,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
struct Distributed {
    /// How many did not have it yet.
    added: u64,
}

/// A change of a distribution.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UpdateDistribution {
    /// Whether it counts.
    is_active: bool,
}

/// Why a provider is available.
#[derive(Debug, Serialize, ToSchema)]
struct Availability {
    /// `owner`, `everyone`, `person` or `group`.
    via: String,
    /// The group, where it came through one.
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<Uuid>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    group_name: Option<String>,
    /// Username of who gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    granted_by_name: Option<String>,
    granted_at: DateTime<Utc>,
}

/// A provider that the caller may use.
#[derive(Debug, Serialize, ToSchema)]
struct AvailableProvider {
    id: Uuid,
    name: String,
    /// The kind of provider, such as `openai`.
    provider: String,
    /// `personal` or `organization`.
    scope: String,
    /// All ways by which the caller has it.
    reasons: Vec<Availability>,
}

/// The providers that the caller may use.
#[derive(Debug, Serialize, ToSchema)]
struct AvailableProviders {
    items: Vec<AvailableProvider>,
}

impl From<DistributionRow> for Distribution {
    fn from(row: DistributionRow) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            username: row.username,
            group_id: row.group_id,
            group_name: row.group_name,
            granted_by: row.granted_by,
            granted_by_name: row.granted_by_name,
            granted_at: row.created_at,
            is_active: row.is_active,
        }
    }
}

/// Puts the ways to each provider together; they come in the order of the providers.
fn by_provider(rows: Vec<AvailableRow>) -> Vec<AvailableProvider> {
    let mut items: Vec<AvailableProvider> = Vec::new();
    for row in rows {
        let reason = Availability {
            via: row.via,
            group_id: row.group_id,
            group_name: row.group_name,
            granted_by_name: row.granted_by_name,
            granted_at: row.granted_at,
        };
        match items.last_mut().filter(|last| last.id == row.id) {
            Some(provider) => provider.reasons.push(reason),
            None => items.push(AvailableProvider {
                id: row.id,
                name: row.name,
                provider: row.provider,
                scope: row.scope,
                reasons: vec![reason],
            }),
        }
    }
    items
}

/// Lists the providers that the caller may use now, and why each. A provider may come by several
/// ways: as their own, as everybody's, given to them or to groups of theirs.
#[utoipa::path(get, path = "/providers/available", tag = "providers",
    responses((status = 200, body = AvailableProviders)))]
async fn list_available_providers(
    State(gateway): State<Gateway>,
    allow: Allow<ProviderRead>,
) -> Result<Json<AvailableProviders>, ApiError> {
    let rows = gateway.available(&allow.caller).await?;
    Ok(Json(AvailableProviders { items: by_provider(rows) }))
}

/// Lists who has been given a provider of the organisation, the latest first. Where its `audience` is
/// `everyone`, all others have it, too.
#[utoipa::path(get, path = "/providers/{id}/distributions", tag = "providers",
    params(("id" = Uuid, Path, description = "The provider's id"), PageQuery),
    responses((status = 200, body = DistributionPage), (status = 404, body = ProblemDocument)))]
async fn list_distributions(
    State(gateway): State<Gateway>,
    allow: Allow<OrganizationProviderManage>,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<DistributionPage>, ApiError> {
    let page = gateway.distributions(&allow.caller, id, query.request()?).await?;
    let page = page.map(Distribution::from);
    Ok(Json(DistributionPage { items: page.items, next_cursor: page.next_cursor }))
}

/// Gives a provider of the organisation to people and groups, to all of them or to none. Those who
/// have it already are passed over. While its `audience` is `everyone`, it makes no difference.
#[utoipa::path(post, path = "/providers/{id}/distributions", tag = "providers",
    request_body = DistributeProvider,
    params(("id" = Uuid, Path, description = "The provider's id")),
    responses((status = 200, body = Distributed),
              (status = 404, description = "No such provider, person or group",
               body = ProblemDocument),
              (status = 409, description = "`personal_provider`", body = ProblemDocument),
              (status = 422, body = ProblemDocument)))]
async fn distribute_provider(
    State(gateway): State<Gateway>,
    allow: Allow<OrganizationProviderManage>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<DistributeProvider>,
) -> Result<Json<Distributed>, ApiError> {
    let added = gateway.distribute(&allow.caller, id, &body.user_ids, &body.group_ids).await?;
    Ok(Json(Distributed { added }))
}

/// Deactivates a distribution, which stays in the list, or activates it again.
#[utoipa::path(patch, path = "/providers/{id}/distributions/{distribution_id}", tag = "providers",
    request_body = UpdateDistribution,
    params(("id" = Uuid, Path, description = "The provider's id"),
           ("distribution_id" = Uuid, Path, description = "The distribution's id")),
    responses((status = 204), (status = 404, body = ProblemDocument)))]
async fn update_distribution(
    State(gateway): State<Gateway>,
    allow: Allow<OrganizationProviderManage>,
    ApiPath((provider, id)): ApiPath<(Uuid, Uuid)>,
    ApiJson(body): ApiJson<UpdateDistribution>,
) -> Result<StatusCode, ApiError> {
    gateway.set_distribution(&allow.caller, provider, id, body.is_active).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a distribution back. Who has the provider by another way as well keeps it.
#[utoipa::path(delete, path = "/providers/{id}/distributions/{distribution_id}", tag = "providers",
    params(("id" = Uuid, Path, description = "The provider's id"),
           ("distribution_id" = Uuid, Path, description = "The distribution's id")),
    responses((status = 204), (status = 404, body = ProblemDocument)))]
async fn withdraw_distribution(
    State(gateway): State<Gateway>,
    allow: Allow<OrganizationProviderManage>,
    ApiPath((provider, id)): ApiPath<(Uuid, Uuid)>,
) -> Result<StatusCode, ApiError> {
    gateway.withdraw(&allow.caller, provider, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
