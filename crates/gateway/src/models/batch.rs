//! Several models of a provider at once: all of them are added, or none.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, Caller, ProblemDocument};
use rust_decimal::Decimal;
use serde::Deserialize;
use sqlx::{Connection as _, PgConnection};
use utoipa::ToSchema;
use uuid::Uuid;

use super::change::check_editable;
use super::given::{Prices, TierInput};
use super::http::{CreateModel, Kind, ModelView, ModelsView};
use super::price_store;
use super::store::{self, NewModel};
use crate::fields::{self, money};
use crate::providers::{self, ConfigRow};
use crate::{Gateway, GatewayError, ModelWrite};

/// The most models of one request.
const MOST: usize = 200;

/// Models to be added to a provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddModels {
    /// 1 to 200.
    models: Vec<AddedModel>,
}

/// One of the models to be added to a provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddedModel {
    /// The provider's own name of the model, 1 to 200 characters.
    model: String,
    /// The name that people and `/v1` use; the provider's name where absent. 1 to 100 characters.
    name: Option<String>,
    kind: Kind,
    context_length: Option<i32>,
    /// Length of the vectors.
    dimensions: Option<i32>,
    /// US dollars per 1,000,000 tokens of the prompt; unknown where absent.
    #[serde(default, deserialize_with = "money")]
    input_price: Option<Decimal>,
    /// The same for tokens generated.
    #[serde(default, deserialize_with = "money")]
    output_price: Option<Decimal>,
    /// The same for tokens of the prompt that the provider had cached.
    #[serde(default, deserialize_with = "money")]
    cached_input_price: Option<Decimal>,
    /// The same for tokens of the prompt that are written to the provider's cache; as those of the
    /// prompt where absent.
    #[serde(default, deserialize_with = "money")]
    cache_write_price: Option<Decimal>,
    /// The same for tokens spent on reasoning; as those generated where absent.
    #[serde(default, deserialize_with = "money")]
    reasoning_price: Option<Decimal>,
    /// The same for tokens embedded.
    #[serde(default, deserialize_with = "money")]
    embedding_price: Option<Decimal>,
    /// What long prompts cost, at most 8 tiers.
    tiers: Option<Vec<TierInput>>,
}

impl AddedModel {
    fn at(self, provider_config_id: Uuid) -> CreateModel {
        CreateModel {
            provider_config_id,
            name: self.name,
            model: self.model,
            kind: self.kind,
            max_tokens: None,
            temperature: None,
            context_length: self.context_length,
            dimensions: self.dimensions,
            options: None,
            log_payloads: None,
            cache: None,
            cache_seconds: None,
            is_default: None,
            input_price: self.input_price,
            output_price: self.output_price,
            cached_input_price: self.cached_input_price,
            cache_write_price: self.cache_write_price,
            reasoning_price: self.reasoning_price,
            embedding_price: self.embedding_price,
            tiers: self.tiers,
        }
    }
}

/// Adds several models to a provider: all of them, or none where one is refused. `GET` tells what it
/// offers and what is known of it. Other settings are set at each model afterwards. Where some cannot be
/// added, `models_refused` names each in `refused`, as `model`, with `code` and `detail`. Those of the
/// organisation's provider need the right organization_provider:manage.
#[utoipa::path(post, path = "/providers/{id}/models", tag = "models", request_body = AddModels,
    params(("id" = Uuid, Path, description = "The provider's id")),
    responses((status = 201, body = ModelsView),
              (status = 404, description = "No such provider", body = ProblemDocument),
              (status = 422, description = "`models_refused`", body = ProblemDocument)))]
pub(crate) async fn add_models(
    State(gateway): State<Gateway>,
    allow: Allow<ModelWrite>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<AddModels>,
) -> Result<(StatusCode, Json<ModelsView>), ApiError> {
    let items = gateway.add_models(&allow.caller, id, body.models).await?;
    Ok((StatusCode::CREATED, Json(ModelsView { items })))
}

impl Gateway {
    async fn add_models(
        &self,
        caller: &Caller,
        provider: Uuid,
        models: Vec<AddedModel>,
    ) -> Result<Vec<ModelView>, ApiError> {
        let user = caller.user_id;
        let mut tx = self.inner.db.begin_as(user).await?;
        let provider = providers::find(&mut tx, user, provider).await?;
        check_editable(caller, provider.owner_id)?;
        if !(1..=MOST).contains(&models.len()) {
            let reason = format!("must be 1 to {MOST} models");
            return Err(GatewayError::invalid("models", reason).into());
        }
        let (mut added, mut refused) = (HashSet::new(), Vec::new());
        for model in models {
            let name = model.model.clone();
            match self.add_model(&mut tx, user, &provider, model).await {
                Ok(id) => {
                    added.insert(id);
                }
                Err(why @ (GatewayError::Invalid { .. } | GatewayError::NameTaken)) => {
                    refused.push((name, why));
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        if !refused.is_empty() {
            return Err(GatewayError::ModelsRefused(refused).into());
        }
        let mut rows = store::list(&mut tx, user, None, self.inner.clock.now()).await?;
        tx.commit().await.map_err(GatewayError::from)?;
        self.inner.catalogues.forget_all();
        rows.retain(|row| added.contains(&row.id));
        Ok(self.views(caller, rows).await?)
    }

    async fn add_model(
        &self,
        connection: &mut PgConnection,
        user: Uuid,
        provider: &ConfigRow,
        model: AddedModel,
    ) -> Result<Uuid, GatewayError> {
        let model = model.at(provider.id);
        let prices = model.prices();
        let new = self.new_model(user, provider, model)?;
        // A refusal must not end the whole transaction: the others are to be judged as well.
        let mut savepoint = connection.begin().await?;
        match write(&mut savepoint, user, &new, prices).await {
            Ok(()) => {
                savepoint.commit().await?;
                Ok(new.id)
            }
            Err(error) => {
                savepoint.rollback().await?;
                Err(error)
            }
        }
    }

    /// What stands in the way of a provider's models that are to be added.
    pub(crate) async fn present_models(
        &self,
        connection: &mut PgConnection,
        user: Uuid,
        provider: &ConfigRow,
    ) -> Result<Present, GatewayError> {
        let rows = store::list(connection, user, None, self.inner.clock.now()).await?;
        let mut present = Present::default();
        for row in rows.into_iter().filter(|row| row.owner_id == provider.owner_id) {
            present.names.insert(row.name.to_lowercase());
            if row.provider_config_id == Some(provider.id) {
                present.models.insert(row.model);
            }
        }
        Ok(present)
    }
}

/// Writes a model and the prices that came with it.
async fn write(
    connection: &mut PgConnection,
    user: Uuid,
    new: &NewModel,
    prices: Prices,
) -> Result<(), GatewayError> {
    let written = store::insert(connection, new).await;
    written.map_err(|error| fields::refused(error, "provider"))?;
    if prices.is_empty() {
        return Ok(());
    }
    // Who added it before may have left a price, of which stays what is not given now.
    let row = store::list(connection, user, Some(new.id), new.now).await?;
    let row = row.into_iter().next().ok_or(GatewayError::NotFound("model"))?;
    let Some(price) = prices.over(&row)? else { return Ok(()) };
    let written = price_store::insert_price(connection, &row, &price, user, new.now, new.now).await;
    written.map_err(|error| fields::refused(error, "model"))
}

/// The models of a provider's owner.
#[derive(Default)]
pub(crate) struct Present {
    /// All names, in lower case, which no other may have.
    pub(crate) names: HashSet<String>,
    /// The provider's own names of its models.
    pub(crate) models: HashSet<String>,
}
