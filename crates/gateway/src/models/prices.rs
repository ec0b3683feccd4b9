//! The versions of a model's price. Past calls keep the cost that they had.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_core::{Page, PageRequest};
use lyceum_http::{
    Allow, ApiError, ApiJson, ApiPath, ApiQuery, Caller, PageQuery, ProblemDocument,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::change::{check_editable, refuse_route};
use super::given::{Prices, TierInput};
use super::price_store::{self, PriceRow};
use super::store;
use crate::fields::{self, money};
use crate::{Gateway, GatewayError, ModelRead, ModelWrite, PriceTier};

pub(super) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list_model_prices, add_model_price))
}

/// A version of a model's price, in US dollars per 1,000,000 tokens; absent ones are unknown.
#[derive(Debug, Serialize, ToSchema)]
struct ModelPrice {
    id: Uuid,
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tiers: Vec<PriceTier>,
    /// From when on calls cost this.
    valid_from: DateTime<Utc>,
    /// Whether it is what a call costs now.
    in_force: bool,
    /// Who set it; absent where it came with the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<Uuid>,
}

/// A page of versions.
#[derive(Debug, Serialize, ToSchema)]
struct ModelPricePage {
    items: Vec<ModelPrice>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A new version. Absent prices and tiers stay as they are now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddModelPrice {
    /// From when on it is valid, now or later; now where absent.
    valid_from: Option<DateTime<Utc>>,
    /// US dollars per 1,000,000 tokens of the prompt.
    #[serde(default, deserialize_with = "money")]
    input_price: Option<Decimal>,
    /// The same for tokens generated.
    #[serde(default, deserialize_with = "money")]
    output_price: Option<Decimal>,
    /// The same for tokens of the prompt that the provider had cached.
    #[serde(default, deserialize_with = "money")]
    cached_input_price: Option<Decimal>,
    /// The same for tokens of the prompt that are written to the provider's cache; as those of the
    /// prompt where there never was one.
    #[serde(default, deserialize_with = "money")]
    cache_write_price: Option<Decimal>,
    /// The same for tokens spent on reasoning; as those generated where there never was one.
    #[serde(default, deserialize_with = "money")]
    reasoning_price: Option<Decimal>,
    /// The same for tokens embedded.
    #[serde(default, deserialize_with = "money")]
    embedding_price: Option<Decimal>,
    /// What long prompts cost: all tiers, at most 8, in place of those that are now; `[]` takes them
    /// away.
    tiers: Option<Vec<TierInput>>,
}

impl From<PriceRow> for ModelPrice {
    fn from(row: PriceRow) -> Self {
        Self {
            id: row.id,
            input_price: row.input_price,
            output_price: row.output_price,
            cached_input_price: row.cached_input_price,
            cache_write_price: row.cache_write_price,
            reasoning_price: row.reasoning_price,
            embedding_price: row.embedding_price,
            tiers: row.tiers.0,
            valid_from: row.valid_from,
            in_force: row.in_force,
            created_by: row.created_by,
        }
    }
}

impl Gateway {
    async fn prices(
        &self,
        caller: &Caller,
        id: Uuid,
        page: PageRequest,
    ) -> Result<Page<PriceRow>, GatewayError> {
        // Refuses a model that the caller does not see.
        self.model_view(caller, id).await?;
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        Ok(price_store::prices(&mut tx, id, page, self.inner.clock.now()).await?)
    }

    async fn add_price(
        &self,
        caller: &Caller,
        id: Uuid,
        body: AddModelPrice,
    ) -> Result<(), ApiError> {
        let (user, now) = (caller.user_id, self.inner.clock.now());
        let valid_from = body.valid_from.unwrap_or(now);
        if valid_from < now {
            return Err(GatewayError::invalid("valid_from", "must not be in the past").into());
        }
        let mut tx = self.inner.db.begin_as(user).await?;
        let row = store::list(&mut tx, user, Some(id), now).await?;
        let row = row.into_iter().next().ok_or(GatewayError::NotFound("model"))?;
        refuse_route(&row)?;
        check_editable(caller, row.owner_id)?;
        if row.provider_config_id.is_none() {
            return Err(
                GatewayError::invalid("input_price", "a built-in model costs nothing").into()
            );
        }
        let prices = Prices {
            input: body.input_price,
            output: body.output_price,
            cached_input: body.cached_input_price,
            cache_write: body.cache_write_price,
            reasoning: body.reasoning_price,
            embedding: body.embedding_price,
            tiers: body.tiers,
        };
        let Some(price) = prices.over(&row)? else {
            return Err(GatewayError::invalid("input_price", "give at least one price").into());
        };
        let written = price_store::insert_price(&mut tx, &row, &price, user, valid_from, now).await;
        written.map_err(|error| fields::refused(error, "model"))?;
        tx.commit().await.map_err(GatewayError::from)?;
        self.inner.catalogues.forget_all();
        Ok(())
    }
}

/// Lists the versions of a model's price, the latest to be valid first. A call costs what was in
/// force when it was made.
#[utoipa::path(get, path = "/models/{id}/prices", tag = "models",
    params(("id" = Uuid, Path, description = "The model's id"), PageQuery),
    responses((status = 200, body = ModelPricePage), (status = 404, body = ProblemDocument)))]
async fn list_model_prices(
    State(gateway): State<Gateway>,
    allow: Allow<ModelRead>,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<ModelPricePage>, ApiError> {
    let page = gateway.prices(&allow.caller, id, query.request()?).await?.map(ModelPrice::from);
    Ok(Json(ModelPricePage { items: page.items, next_cursor: page.next_cursor }))
}

/// Adds a version of a model's price, valid from now or from a later time on. Calls made before
/// keep their cost.
#[utoipa::path(post, path = "/models/{id}/prices", tag = "models", request_body = AddModelPrice,
    params(("id" = Uuid, Path, description = "The model's id")),
    responses((status = 204), (status = 403, body = ProblemDocument),
              (status = 404, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
async fn add_model_price(
    State(gateway): State<Gateway>,
    allow: Allow<ModelWrite>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<AddModelPrice>,
) -> Result<StatusCode, ApiError> {
    gateway.add_price(&allow.caller, id, body).await?;
    Ok(StatusCode::NO_CONTENT)
}
