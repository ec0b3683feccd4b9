use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ProblemDocument};
use lyceum_llm::{LocalModel, ModelKind};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::catalogue::kind_of;
use super::given::{Prices, TierInput};
use super::store::ListedRow;
use super::{known, prices};
use crate::fields::money;
use crate::{Gateway, LogPayloads, ModelRead, ModelWrite, PriceTier};

pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list_models, create_model))
        .routes(routes!(get_model, update_model, delete_model))
        .routes(routes!(known::list_known_models))
        .merge(prices::router())
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ModelKind)]
pub(crate) enum Kind {
    /// Answers messages.
    Chat,
    /// Turns texts into vectors.
    Embedding,
}

impl From<ModelKind> for Kind {
    fn from(kind: ModelKind) -> Self {
        match kind {
            ModelKind::Chat => Kind::Chat,
            ModelKind::Embedding => Kind::Embedding,
        }
    }
}

impl From<Kind> for ModelKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Chat => ModelKind::Chat,
            Kind::Embedding => ModelKind::Embedding,
        }
    }
}

/// A model that can be asked.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ModelView {
    id: Uuid,
    /// The name that people and `/v1` use.
    name: String,
    kind: Kind,
    /// The provider's name; `local` for built-in models, `route` for routes.
    provider: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_config_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_config_name: Option<String>,
    /// `personal`, `organization` or `built_in`.
    scope: String,
    /// The provider's own name of the model.
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<i32>,
    /// Length of the vectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<i32>,
    /// Further members of each request.
    #[schema(value_type = Object)]
    options: Value,
    /// Which calls leave their request and answer, without secrets, for finding faults.
    log_payloads: LogPayloads,
    /// Whether answers at `/v1` are kept and given again, at no cost, to the same person who asks
    /// exactly the same.
    cache: bool,
    /// For how many seconds.
    cache_seconds: i32,
    /// Whether it is what the caller gets where no model is named.
    is_default: bool,
    /// Whether it is the organisation's default.
    is_organization_default: bool,
    is_active: bool,
    /// Whether it can be called now.
    available: bool,
    /// Whether the caller may change it.
    editable: bool,
    /// US dollars per 1,000,000 tokens; absent where unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_price: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_price: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_input_price: Option<Decimal>,
    /// As `input_price` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_price: Option<Decimal>,
    /// As `output_price` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_price: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_price: Option<Decimal>,
    /// What long prompts cost, the lowest tier first; absent where all cost the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tiers: Vec<PriceTier>,
    created_at: DateTime<Utc>,
}

impl ModelView {
    pub(super) fn new(
        row: ListedRow,
        local: Option<&LocalModel>,
        defaults: &[Option<Uuid>],
        editable: bool,
    ) -> Self {
        let built_in = row.provider == "local";
        let local = local.filter(|_| built_in);
        let free = built_in.then_some(Decimal::ZERO);
        Self {
            kind: kind_of(&row.kind).into(),
            scope: match (built_in, row.owner_id) {
                (true, _) => "built_in",
                (false, Some(_)) => "personal",
                (false, None) => "organization",
            }
            .to_owned(),
            temperature: row.temperature.and_then(|temperature| temperature.to_f64()),
            is_default: defaults.contains(&Some(row.id)),
            available: row.usable && (!built_in || local.is_some_and(|model| model.installed)),
            input_price: row.input_price.or(free),
            output_price: row.output_price.or(free),
            id: row.id,
            name: row.name,
            provider: row.provider,
            provider_config_id: row.provider_config_id,
            provider_config_name: row.provider_config_name,
            model: row.model,
            max_tokens: row.max_tokens,
            context_length: row.context_length,
            dimensions: row.dimensions,
            options: row.options,
            log_payloads: LogPayloads::of(&row.log_payloads),
            cache: row.cache,
            cache_seconds: row.cache_seconds,
            is_organization_default: row.is_organization_default,
            is_active: row.is_active,
            editable,
            cached_input_price: row.cached_input_price,
            cache_write_price: row.cache_write_price,
            reasoning_price: row.reasoning_price,
            embedding_price: row.embedding_price,
            tiers: row.tiers.0,
            created_at: row.created_at,
        }
    }
}

/// All models that the caller may use or manages.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ModelsView {
    pub(super) items: Vec<ModelView>,
}

/// A model to be added to a provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateModel {
    /// The provider config that serves it.
    pub(super) provider_config_id: Uuid,
    /// The name that people and `/v1` use; the provider's name where absent. 1 to 100 characters.
    pub(super) name: Option<String>,
    /// The provider's own name of the model, 1 to 200 characters.
    pub(super) model: String,
    pub(super) kind: Kind,
    /// The most tokens of an answer where the request names none.
    pub(super) max_tokens: Option<i32>,
    /// 0 to 2.
    pub(super) temperature: Option<f64>,
    pub(super) context_length: Option<i32>,
    pub(super) dimensions: Option<i32>,
    /// Further members of each request, such as `top_p`.
    #[schema(value_type = Option<Object>)]
    pub(super) options: Option<Map<String, Value>>,
    /// Which calls leave their request and answer, without secrets, for finding faults; none where
    /// absent.
    pub(super) log_payloads: Option<LogPayloads>,
    /// Keeps its answers at `/v1` and gives them again to the same person who asks exactly the same;
    /// it does not where absent.
    pub(super) cache: Option<bool>,
    /// For how many seconds, 1 to 86400; 600 where absent.
    pub(super) cache_seconds: Option<i32>,
    /// Makes it the caller's default of its kind.
    pub(super) is_default: Option<bool>,
    /// US dollars per 1,000,000 tokens of the prompt; unknown where absent.
    #[serde(default, deserialize_with = "money")]
    pub(super) input_price: Option<Decimal>,
    /// The same for tokens generated.
    #[serde(default, deserialize_with = "money")]
    pub(super) output_price: Option<Decimal>,
    /// The same for tokens of the prompt that the provider had cached.
    #[serde(default, deserialize_with = "money")]
    pub(super) cached_input_price: Option<Decimal>,
    /// The same for tokens of the prompt that are written to the provider's cache; as those of the
    /// prompt where absent.
    #[serde(default, deserialize_with = "money")]
    pub(super) cache_write_price: Option<Decimal>,
    /// The same for tokens spent on reasoning; as those generated where absent.
    #[serde(default, deserialize_with = "money")]
    pub(super) reasoning_price: Option<Decimal>,
    /// The same for tokens embedded.
    #[serde(default, deserialize_with = "money")]
    pub(super) embedding_price: Option<Decimal>,
    /// What long prompts cost, at most 8 tiers.
    pub(super) tiers: Option<Vec<TierInput>>,
}

/// Changes of a model. Absent members stay; `null` clears.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateModel {
    pub(super) name: Option<String>,
    pub(super) model: Option<String>,
    #[serde(default, deserialize_with = "lyceum_http::present")]
    #[schema(value_type = Option<i32>)]
    pub(super) max_tokens: Option<Option<i32>>,
    #[serde(default, deserialize_with = "lyceum_http::present")]
    #[schema(value_type = Option<f64>)]
    pub(super) temperature: Option<Option<f64>>,
    #[serde(default, deserialize_with = "lyceum_http::present")]
    #[schema(value_type = Option<i32>)]
    pub(super) context_length: Option<Option<i32>>,
    #[serde(default, deserialize_with = "lyceum_http::present")]
    #[schema(value_type = Option<i32>)]
    pub(super) dimensions: Option<Option<i32>>,
    #[schema(value_type = Option<Object>)]
    pub(super) options: Option<Map<String, Value>>,
    pub(super) log_payloads: Option<LogPayloads>,
    pub(super) cache: Option<bool>,
    pub(super) cache_seconds: Option<i32>,
    pub(super) is_active: Option<bool>,
    /// Whether it is the caller's default of its kind. Anybody may set it who may use the model.
    pub(super) is_default: Option<bool>,
    /// Whether it is the organisation's default of its kind.
    pub(super) is_organization_default: Option<bool>,
    /// A new price is valid from now on; past calls keep their cost.
    #[serde(default, deserialize_with = "money")]
    pub(super) input_price: Option<Decimal>,
    #[serde(default, deserialize_with = "money")]
    pub(super) output_price: Option<Decimal>,
    #[serde(default, deserialize_with = "money")]
    pub(super) cached_input_price: Option<Decimal>,
    #[serde(default, deserialize_with = "money")]
    pub(super) cache_write_price: Option<Decimal>,
    #[serde(default, deserialize_with = "money")]
    pub(super) reasoning_price: Option<Decimal>,
    #[serde(default, deserialize_with = "money")]
    pub(super) embedding_price: Option<Decimal>,
    /// All tiers, at most 8, in place of those that are now; `[]` takes them away.
    pub(super) tiers: Option<Vec<TierInput>>,
}

impl CreateModel {
    pub(super) fn prices(&self) -> Prices {
        Prices {
            input: self.input_price,
            output: self.output_price,
            cached_input: self.cached_input_price,
            cache_write: self.cache_write_price,
            reasoning: self.reasoning_price,
            embedding: self.embedding_price,
            tiers: self.tiers.clone(),
        }
    }
}

impl UpdateModel {
    /// Whether more than the caller's own default is asked for.
    pub(super) fn changes_the_model(&self) -> bool {
        self.name.is_some()
            || self.model.is_some()
            || self.max_tokens.is_some()
            || self.temperature.is_some()
            || self.context_length.is_some()
            || self.dimensions.is_some()
            || self.options.is_some()
            || self.log_payloads.is_some()
            || self.cache.is_some()
            || self.cache_seconds.is_some()
            || self.is_active.is_some()
    }

    pub(super) fn prices(&self) -> Prices {
        Prices {
            input: self.input_price,
            output: self.output_price,
            cached_input: self.cached_input_price,
            cache_write: self.cache_write_price,
            reasoning: self.reasoning_price,
            embedding: self.embedding_price,
            tiers: self.tiers.clone(),
        }
    }
}

/// Lists every model that the caller may use, built-in ones included, and those that they manage.
/// All come in one answer; `available` tells which can be called now.
#[utoipa::path(get, path = "/models", tag = "models",
    responses((status = 200, body = ModelsView)))]
async fn list_models(
    State(gateway): State<Gateway>,
    allow: Allow<ModelRead>,
) -> Result<Json<ModelsView>, ApiError> {
    let items = gateway.list_models(&allow.caller).await?;
    Ok(Json(ModelsView { items }))
}

/// Reads a model. Routes are models, too; what they ask is at `/model-routes/{id}`.
#[utoipa::path(get, path = "/models/{id}", tag = "models",
    params(("id" = Uuid, Path, description = "The model's id")),
    responses((status = 200, body = ModelView), (status = 404, body = ProblemDocument)))]
async fn get_model(
    State(gateway): State<Gateway>,
    allow: Allow<ModelRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<ModelView>, ApiError> {
    Ok(Json(gateway.model_view(&allow.caller, id).await?))
}

/// Adds a model to a provider. Whoever may use the provider can call it at once. One of the
/// organisation's provider needs the right organization_provider:manage.
#[utoipa::path(post, path = "/models", tag = "models", request_body = CreateModel,
    responses((status = 201, body = ModelView),
              (status = 404, description = "No such provider", body = ProblemDocument),
              (status = 409, description = "The name is taken", body = ProblemDocument),
              (status = 422, body = ProblemDocument)))]
async fn create_model(
    State(gateway): State<Gateway>,
    allow: Allow<ModelWrite>,
    ApiJson(body): ApiJson<CreateModel>,
) -> Result<(StatusCode, Json<ModelView>), ApiError> {
    let view = gateway.create_model(&allow.caller, body).await?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// Changes a model, or makes it a default. Absent members stay. Anybody who may use it may make it
/// their own default (`is_default`); the rest is for its owner or, where it is the organisation's,
/// for those with the right organization_provider:manage.
#[utoipa::path(patch, path = "/models/{id}", tag = "models", request_body = UpdateModel,
    params(("id" = Uuid, Path, description = "The model's id")),
    responses((status = 200, body = ModelView), (status = 404, body = ProblemDocument),
              (status = 409, description = "The name is taken", body = ProblemDocument),
              (status = 422, body = ProblemDocument)))]
async fn update_model(
    State(gateway): State<Gateway>,
    allow: Allow<ModelWrite>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<UpdateModel>,
) -> Result<Json<ModelView>, ApiError> {
    Ok(Json(gateway.update_model(&allow.caller, id, body).await?))
}

/// Deletes a model. What was asked of it stays in the ledger.
#[utoipa::path(delete, path = "/models/{id}", tag = "models",
    params(("id" = Uuid, Path, description = "The model's id")),
    responses((status = 204), (status = 404, body = ProblemDocument)))]
async fn delete_model(
    State(gateway): State<Gateway>,
    allow: Allow<ModelWrite>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    gateway.delete_model(&allow.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
