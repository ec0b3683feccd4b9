//! Adding, changing and deleting models.

use lyceum_core::new_id;
use lyceum_http::{ApiError, Caller};
use lyceum_llm::ModelKind;
use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive as _;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::RESERVED;
use super::given::Prices;
use super::http::{CreateModel, ModelView, UpdateModel};
use super::price_store;
use super::store::{self, ListedRow, ModelValues, NewModel};
use crate::cache::{MOST_SECONDS, USUAL_SECONDS};
use crate::providers::ConfigRow;
use crate::routes::ROUTE;
use crate::{Gateway, GatewayError, LogPayloads, ORGANIZATION_PROVIDER, fields, providers};

/// The most bytes of a model's options.
const MAX_OPTIONS: usize = 16 * 1024;

impl Gateway {
    /// The models that the caller may use or manages.
    pub(super) async fn list_models(
        &self,
        caller: &Caller,
    ) -> Result<Vec<ModelView>, GatewayError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let rows = store::list(&mut tx, caller.user_id, None, self.inner.clock.now()).await?;
        tx.commit().await?;
        self.views(caller, rows).await
    }

    pub(super) async fn create_model(
        &self,
        caller: &Caller,
        body: CreateModel,
    ) -> Result<ModelView, ApiError> {
        let user = caller.user_id;
        let (is_default, prices) = (body.is_default, body.prices());
        let mut tx = self.inner.db.begin_as(user).await?;
        let provider = providers::find(&mut tx, user, body.provider_config_id).await?;
        check_editable(caller, provider.owner_id)?;
        let new = self.new_model(user, &provider, body)?;
        store::insert(&mut tx, &new).await.map_err(|error| fields::refused(error, "provider"))?;
        self.settle(&mut tx, caller, new.id, is_default, None, prices).await?;
        tx.commit().await.map_err(GatewayError::from)?;
        self.inner.catalogues.forget_all();
        Ok(self.model_view(caller, new.id).await?)
    }

    /// A model of this provider as it is to be written.
    pub(super) fn new_model(
        &self,
        user: Uuid,
        provider: &ConfigRow,
        body: CreateModel,
    ) -> Result<NewModel, GatewayError> {
        let model = fields::text("model", &body.model, 200)?;
        if ModelKind::from(body.kind) == ModelKind::Embedding
            && !providers::embeds(&provider.provider)
        {
            let reason = "this provider has no models that embed";
            return Err(GatewayError::invalid("kind", reason));
        }
        Ok(NewModel {
            id: new_id(),
            provider: provider.provider.clone(),
            provider_config_id: provider.id,
            owner_id: provider.owner_id,
            name: fields::text("name", body.name.as_deref().unwrap_or(&model), 100)?,
            model,
            kind: kind_name(body.kind.into()),
            max_tokens: body.max_tokens,
            temperature: body.temperature.map(temperature).transpose()?,
            context_length: body.context_length,
            dimensions: body.dimensions,
            options: options(body.options.unwrap_or_default())?,
            log_payloads: body.log_payloads.unwrap_or_default().as_str(),
            cache: body.cache.unwrap_or_default(),
            cache_seconds: cache_seconds(body.cache_seconds.unwrap_or(USUAL_SECONDS))?,
            created_by: user,
            now: self.inner.clock.now(),
        })
    }

    pub(super) async fn update_model(
        &self,
        caller: &Caller,
        id: Uuid,
        body: UpdateModel,
    ) -> Result<ModelView, ApiError> {
        let user = caller.user_id;
        let mut tx = self.inner.db.begin_as(user).await?;
        let row = store::list(&mut tx, user, Some(id), self.inner.clock.now()).await?;
        let row = row.into_iter().next().ok_or(GatewayError::NotFound("model"))?;
        if body.changes_the_model() {
            refuse_route(&row)?;
            check_editable(caller, row.owner_id)?;
            let values = merged(&row, &body)?;
            let written = store::update(&mut tx, user, id, &values).await;
            if !written.map_err(|error| fields::refused(error, "model"))? {
                return Err(GatewayError::NotFound("model").into());
            }
        } else if !row.usable {
            // Who manages it need not use it, but nobody's default is what they cannot use.
            let manages = check_editable(caller, row.owner_id).is_ok();
            let default = body.is_default == Some(true)
                || (body.is_organization_default == Some(true) && !row.is_active);
            if !manages || default {
                return Err(GatewayError::NotFound("model").into());
            }
        }
        let prices = body.prices();
        let UpdateModel { is_default, is_organization_default, .. } = body;
        self.settle(&mut tx, caller, id, is_default, is_organization_default, prices).await?;
        tx.commit().await.map_err(GatewayError::from)?;
        self.inner.catalogues.forget_all();
        Ok(self.model_view(caller, id).await?)
    }

    pub(super) async fn delete_model(&self, caller: &Caller, id: Uuid) -> Result<(), ApiError> {
        let user = caller.user_id;
        let now = self.inner.clock.now();
        let mut tx = self.inner.db.begin_as(user).await?;
        let row = store::list(&mut tx, user, Some(id), now).await?;
        let row = row.into_iter().next().ok_or(GatewayError::NotFound("model"))?;
        refuse_route(&row)?;
        check_editable(caller, row.owner_id)?;
        if row.provider_config_id.is_none() {
            let reason = "a built-in model cannot be deleted; set is_active to false instead";
            return Err(GatewayError::invalid("id", reason).into());
        }
        if store::delete(&mut tx, user, Some(id), None, now).await? == 0 {
            return Err(GatewayError::NotFound("model").into());
        }
        tx.commit().await.map_err(GatewayError::from)?;
        self.inner.catalogues.forget_all();
        Ok(())
    }

    /// The defaults and the price, which live beside the model.
    async fn settle(
        &self,
        tx: &mut sqlx::PgConnection,
        caller: &Caller,
        id: Uuid,
        is_default: Option<bool>,
        is_organization_default: Option<bool>,
        prices: Prices,
    ) -> Result<(), ApiError> {
        let now = self.inner.clock.now();
        let user = caller.user_id;
        let row = store::list(tx, user, Some(id), now).await?;
        let row = row.into_iter().next().ok_or(GatewayError::NotFound("model"))?;
        match is_default {
            Some(true) => store::choose(tx, user, &row.kind, id, now).await?,
            Some(false) => store::unchoose(tx, user, id).await?,
            None => {}
        }
        if let Some(is_default) = is_organization_default {
            if row.owner_id.is_some() {
                let reason = "only a shared model can be everybody's default";
                return Err(GatewayError::invalid("is_organization_default", reason).into());
            }
            check_editable(caller, None)?;
            store::set_organization_default(tx, id, &row.kind, is_default).await?;
        }
        if let Some(price) = prices.over(&row)? {
            refuse_route(&row)?;
            check_editable(caller, row.owner_id)?;
            if row.provider_config_id.is_none() {
                let reason = "a built-in model costs nothing";
                return Err(GatewayError::invalid("input_price", reason).into());
            }
            let written = price_store::insert_price(tx, &row, &price, user, now, now).await;
            written.map_err(|error| fields::refused(error, "model"))?;
        }
        Ok(())
    }

    pub(super) async fn model_view(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<ModelView, GatewayError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let rows = store::list(&mut tx, caller.user_id, Some(id), self.inner.clock.now()).await?;
        tx.commit().await?;
        let views = self.views(caller, rows).await?;
        views.into_iter().next().ok_or(GatewayError::NotFound("model"))
    }

    pub(super) async fn views(
        &self,
        caller: &Caller,
        rows: Vec<ListedRow>,
    ) -> Result<Vec<ModelView>, GatewayError> {
        let catalogue = self.catalogue(caller.user_id).await?;
        let default = |kind| catalogue.default_of(kind).ok().map(|model| model.id);
        let defaults = [default(ModelKind::Chat), default(ModelKind::Embedding)];
        let shared = caller.may(ORGANIZATION_PROVIDER.0, ORGANIZATION_PROVIDER.1);
        // A route is as usable as its targets are.
        let usable = |row: &ListedRow| {
            row.usable && (row.provider != ROUTE || catalogue.route(row.id).is_some())
        };
        let rows = rows.into_iter().map(|row| ListedRow { usable: usable(&row), ..row });
        let visible =
            rows.filter(|row| row.usable || row.owner_id == Some(caller.user_id) || shared);
        let view = |row: ListedRow| {
            let local = self.inner.local.catalogue.iter().find(|model| model.id == row.model);
            let own = row.owner_id == Some(caller.user_id);
            let editable = row.provider != ROUTE && (own || shared);
            ModelView::new(row, local, &defaults, editable)
        };
        Ok(visible.map(view).collect())
    }
}

/// Whether the caller may change what belongs to `owner` (`None`: the organisation).
pub(crate) fn check_editable(caller: &Caller, owner: Option<Uuid>) -> Result<(), ApiError> {
    let (resource, action) = ORGANIZATION_PROVIDER;
    match owner {
        Some(owner) if owner == caller.user_id => Ok(()),
        Some(_) => Err(ApiError::not_found("provider")),
        None if caller.may(resource, action) => Ok(()),
        None => Err(ApiError::forbidden(resource, action)),
    }
}

/// Routes are changed as what they are.
pub(super) fn refuse_route(row: &ListedRow) -> Result<(), GatewayError> {
    match row.provider == ROUTE {
        true => Err(GatewayError::invalid("id", "is a route; change it at /model-routes")),
        false => Ok(()),
    }
}

pub(super) fn kind_name(kind: ModelKind) -> &'static str {
    match kind {
        ModelKind::Chat => "chat",
        ModelKind::Embedding => "embedding",
    }
}

fn temperature(value: f64) -> Result<Decimal, GatewayError> {
    let out_of_range = || GatewayError::invalid("temperature", "must be within 0 and 2");
    if !(0.0..=2.0).contains(&value) {
        return Err(out_of_range());
    }
    Decimal::from_f64(value).map(|value| value.round_dp(3)).ok_or_else(out_of_range)
}

fn cache_seconds(value: i32) -> Result<i32, GatewayError> {
    match value {
        1..=MOST_SECONDS => Ok(value),
        _ => Err(GatewayError::invalid("cache_seconds", "must be within 1 and 86400")),
    }
}

fn options(options: Map<String, Value>) -> Result<Value, GatewayError> {
    if let Some(name) = options.keys().find(|name| RESERVED.contains(&name.as_str())) {
        return Err(GatewayError::invalid("options", format!("'{name}' cannot be set here")));
    }
    let options = Value::Object(options);
    let text = options.to_string();
    if text.len() > MAX_OPTIONS || text.contains("\\u0000") {
        return Err(GatewayError::invalid("options", "are too long or hold a NUL character"));
    }
    Ok(options)
}

fn merged(row: &ListedRow, body: &UpdateModel) -> Result<ModelValues, GatewayError> {
    Ok(ModelValues {
        name: match &body.name {
            Some(name) => fields::text("name", name, 100)?,
            None => row.name.clone(),
        },
        model: match &body.model {
            Some(_) if row.provider_config_id.is_none() => {
                return Err(GatewayError::invalid("model", "of a built-in model is fixed"));
            }
            Some(model) => fields::text("model", model, 200)?,
            None => row.model.clone(),
        },
        max_tokens: body.max_tokens.unwrap_or(row.max_tokens),
        temperature: match body.temperature {
            Some(value) => value.map(temperature).transpose()?,
            None => row.temperature,
        },
        context_length: body.context_length.unwrap_or(row.context_length),
        dimensions: body.dimensions.unwrap_or(row.dimensions),
        options: match &body.options {
            Some(value) => options(value.clone())?,
            None => row.options.clone(),
        },
        log_payloads: body.log_payloads.unwrap_or(LogPayloads::of(&row.log_payloads)).as_str(),
        cache: body.cache.unwrap_or(row.cache),
        cache_seconds: cache_seconds(body.cache_seconds.unwrap_or(row.cache_seconds))?,
        is_active: body.is_active.unwrap_or(row.is_active),
    })
}
