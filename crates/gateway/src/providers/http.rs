use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_core::Secret;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ProblemDocument};
use lyceum_store::cache::PROVIDERS;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::store::{self, ProviderRow};
use super::{listing, schema};
use crate::models::batch;
use crate::{Gateway, ProviderRead, ProviderWrite};

pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_provider_catalogue))
        .routes(routes!(list_providers, create_provider))
        .routes(routes!(get_provider, update_provider, delete_provider))
        .routes(routes!(test_provider))
        .routes(routes!(listing::list_provider_models, batch::add_models))
}

/// A kind of provider.
#[derive(Serialize, Deserialize, ToSchema)]
struct CatalogueEntry {
    /// The name that `POST /providers` takes.
    name: String,
    display_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_base_url: Option<String>,
    requires_api_key: bool,
    /// JSON Schema of `config`, with titles, descriptions and defaults for a form. A region's
    /// address stands in `x-base-urls`.
    #[schema(value_type = Object)]
    config_schema: Value,
    /// Whether this version can use it.
    is_active: bool,
}

/// All kinds of provider.
#[derive(Serialize, Deserialize, ToSchema)]
struct ProviderCatalogue {
    items: Vec<CatalogueEntry>,
}

/// Whose a provider is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProviderScope)]
pub(crate) enum Scope {
    /// The caller's own.
    Personal,
    /// The organisation's.
    Organization,
}

impl Scope {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Scope::Personal => "personal",
            Scope::Organization => "organization",
        }
    }
}

/// For whom an organisation's provider is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProviderAudience)]
pub(crate) enum Audience {
    /// Everybody.
    Everyone,
    /// Those people and groups that it is distributed to.
    Selected,
}

impl Audience {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Audience::Everyone => "everyone",
            Audience::Selected => "selected",
        }
    }
}

/// An account at a provider. Its key and the values of its headers are never shown.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ProviderView {
    pub(super) id: Uuid,
    pub(super) provider: String,
    pub(super) name: String,
    pub(super) scope: Scope,
    pub(super) base_url: String,
    /// The end of the key, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) api_key_hint: Option<String>,
    /// Its settings. Of its headers the names alone are shown, each as `true`.
    #[schema(value_type = Object)]
    pub(super) config: Value,
    /// For whom it is; absent where it is personal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) audience: Option<Audience>,
    /// Whether it can be used; a deactivated one is for nobody.
    pub(super) is_active: bool,
    /// Who set it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_by: Option<Uuid>,
    /// Whether the caller may change it.
    pub(super) editable: bool,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// The providers that the caller may use or manages.
#[derive(Serialize, Deserialize, ToSchema)]
struct ProvidersView {
    items: Vec<ProviderView>,
}

/// A provider to be set up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateProvider {
    /// A name of the catalogue.
    pub(super) provider: String,
    /// 1 to 100 characters, unique among the owner's.
    pub(super) name: String,
    pub(super) scope: Scope,
    /// Where its API begins; where absent, the address of the region that `config` names, else the
    /// catalogue's. The path of a single call (`/chat/completions`) is cut off.
    pub(super) base_url: Option<String>,
    /// The key; kept encrypted and never shown again.
    #[schema(value_type = Option<String>)]
    pub(super) api_key: Option<Secret>,
    /// Settings by the catalogue's `config_schema`. The values of `headers` are kept encrypted and
    /// never shown again.
    #[schema(value_type = Option<Object>)]
    pub(super) config: Option<Map<String, Value>>,
    /// For whom an organisation's provider is; `everyone` where absent.
    pub(super) audience: Option<Audience>,
}

/// Changes of a provider. Absent members stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateProvider {
    pub(super) name: Option<String>,
    /// An address at another host wants the key again.
    pub(super) base_url: Option<String>,
    /// A new key; `null` removes it.
    #[serde(default, deserialize_with = "lyceum_http::present")]
    #[schema(value_type = Option<String>)]
    pub(super) api_key: Option<Option<Secret>>,
    /// All settings anew. Of `headers`, `true` keeps the value that is set, and what is not named goes;
    /// an address at another host wants their values again.
    #[schema(value_type = Option<Object>)]
    pub(super) config: Option<Map<String, Value>>,
    /// For whom an organisation's provider is. Distributions stay, whatever it says.
    pub(super) audience: Option<Audience>,
    /// `false` takes it from everybody at once, `true` gives it back.
    pub(super) is_active: Option<bool>,
}

/// How a provider took a trial request.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ProviderTest)]
pub(super) struct TestView {
    /// Whether it can be used.
    pub(super) ok: bool,
    /// What happened and what to do about it.
    pub(super) detail: String,
    /// A stable name of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    /// Until its list of models was there.
    pub(super) latency_ms: u32,
}

/// Lists the kinds of provider with the settings that each takes. `POST /providers` takes the
/// `name` of one as its `provider`, and a `config` that fits its `config_schema`.
#[utoipa::path(get, path = "/providers/catalogue", tag = "providers",
    responses((status = 200, body = ProviderCatalogue)))]
async fn list_provider_catalogue(
    State(gateway): State<Gateway>,
    allow: Allow<ProviderRead>,
) -> Result<Json<ProviderCatalogue>, ApiError> {
    let db = &gateway.inner.db;
    // The same for everybody.
    let rows = async {
        let mut tx = db.begin_as(allow.caller.user_id).await?;
        store::catalogue(&mut tx).await
    };
    let rows: Vec<ProviderRow> = db.cache().read_through(&PROVIDERS.only(), rows).await?;
    let items = rows.into_iter().map(|row| CatalogueEntry {
        name: row.name,
        display_name: row.display_name,
        default_base_url: row.default_base_url,
        requires_api_key: row.requires_api_key,
        config_schema: schema::complete(row.config_schema),
        is_active: row.is_active,
    });
    Ok(Json(ProviderCatalogue { items: items.collect() }))
}

/// Lists the providers that the caller may use or manages. Their keys are never shown;
/// `api_key_hint` is the end of one.
#[utoipa::path(get, path = "/providers", tag = "providers",
    responses((status = 200, body = ProvidersView)))]
async fn list_providers(
    State(gateway): State<Gateway>,
    allow: Allow<ProviderRead>,
) -> Result<Json<ProvidersView>, ApiError> {
    let items = gateway.list_providers(&allow.caller).await?;
    Ok(Json(ProvidersView { items }))
}

/// Sets up a provider. One for the organisation needs the right organization_provider:manage.
#[utoipa::path(post, path = "/providers", tag = "providers", request_body = CreateProvider,
    responses((status = 201, body = ProviderView),
              (status = 409, description = "The name is taken", body = ProblemDocument),
              (status = 422, body = ProblemDocument)))]
async fn create_provider(
    State(gateway): State<Gateway>,
    allow: Allow<ProviderWrite>,
    ApiJson(body): ApiJson<CreateProvider>,
) -> Result<(StatusCode, Json<ProviderView>), ApiError> {
    let view = gateway.create_provider(&allow.caller, body).await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Shows a provider. Its key is never shown; `api_key_hint` is its end.
#[utoipa::path(get, path = "/providers/{id}", tag = "providers",
    params(("id" = Uuid, Path, description = "The provider's id")),
    responses((status = 200, body = ProviderView), (status = 404, body = ProblemDocument)))]
async fn get_provider(
    State(gateway): State<Gateway>,
    allow: Allow<ProviderRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<ProviderView>, ApiError> {
    let mut tx = gateway.inner.db.begin_as(allow.caller.user_id).await?;
    let row = store::find(&mut tx, allow.caller.user_id, id).await?;
    Ok(Json(ProviderView::new(row, &allow.caller)))
}

/// Changes a provider. Absent members stay. One of the organisation needs the right
/// organization_provider:manage.
#[utoipa::path(patch, path = "/providers/{id}", tag = "providers", request_body = UpdateProvider,
    params(("id" = Uuid, Path, description = "The provider's id")),
    responses((status = 200, body = ProviderView), (status = 404, body = ProblemDocument),
              (status = 409, description = "The name is taken", body = ProblemDocument),
              (status = 422, body = ProblemDocument)))]
async fn update_provider(
    State(gateway): State<Gateway>,
    allow: Allow<ProviderWrite>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<UpdateProvider>,
) -> Result<Json<ProviderView>, ApiError> {
    Ok(Json(gateway.update_provider(&allow.caller, id, body).await?))
}

/// Deletes a provider with its models and forgets its key. What was asked of them stays in the
/// ledger.
#[utoipa::path(delete, path = "/providers/{id}", tag = "providers",
    params(("id" = Uuid, Path, description = "The provider's id")),
    responses((status = 204), (status = 404, body = ProblemDocument)))]
async fn delete_provider(
    State(gateway): State<Gateway>,
    allow: Allow<ProviderWrite>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    gateway.delete_provider(&allow.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tries the provider and says in words what is wrong. It is asked for its models; then, as a list
/// says nothing of plan or credit, one of the models that were set up is asked for one token, which it
/// may charge for. Ollama and Dify are asked for their models alone.
#[utoipa::path(post, path = "/providers/{id}/test", tag = "providers",
    params(("id" = Uuid, Path, description = "The provider's id")),
    responses((status = 200, body = TestView), (status = 404, body = ProblemDocument)))]
async fn test_provider(
    State(gateway): State<Gateway>,
    allow: Allow<ProviderWrite>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<TestView>, ApiError> {
    Ok(Json(gateway.test_provider(&allow.caller, id).await?))
}
