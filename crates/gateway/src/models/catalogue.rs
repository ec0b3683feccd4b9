//! What one user may call, kept for seconds so that a call needs no query.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use lyceum_http::AllowedModels;
use lyceum_llm::{LocalModel, ModelKind};
use lyceum_store::{Remembered, Sealed, StoreError};
use rust_decimal::prelude::ToPrimitive as _;
use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;

use super::store::{self, UsableRow};
use super::{ModelConfig, Target};
use crate::cache::Version;
use crate::providers::{Account, Credentials, request_members};
use crate::routes::{self, ROUTE, Route};
use crate::{Gateway, GatewayError, LogPayloads, Price};

/// How long another node's changes may go unnoticed; our own are noticed at once.
const TIME_TO_LIVE: Duration = Duration::from_secs(5);
/// From this age on the catalogue of somebody who calls steadily is read again beside the calls.
const RENEWED: Duration = Duration::from_secs(4);

/// The catalogues of the users that called lately.
pub(crate) type Catalogues = Remembered<Uuid, Arc<Catalogue>>;

pub(crate) fn catalogues() -> Catalogues {
    Remembered::new(10_000, TIME_TO_LIVE, RENEWED)
}

/// The models that one user may call: their own first, then the shared ones, each by name.
pub(crate) struct Catalogue {
    models: Vec<ModelConfig>,
    /// The defaults of either kind, the strongest claim first.
    defaults: Vec<(Claim, Uuid)>,
}

/// Why a model is a default; the first one wins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Chosen,
    Organization,
    BuiltIn,
}

impl Catalogue {
    /// All models of the user.
    pub(crate) fn models(&self) -> &[ModelConfig] {
        &self.models
    }

    /// The route of this id.
    pub(crate) fn route(&self, id: Uuid) -> Option<Arc<Route>> {
        self.models.iter().find(|model| model.id == id)?.route().cloned()
    }

    pub(crate) fn by_id(&self, id: Uuid, kind: ModelKind) -> Result<ModelConfig, GatewayError> {
        let model = self.models.iter().find(|model| model.id == id);
        let model = model.ok_or(GatewayError::NotFound("model"))?;
        model.expect(kind)?;
        Ok(model.clone())
    }

    /// By id, by its name, or by the provider's name of it, in this order. What is not allowed is not
    /// looked at, and refused whether or not there is such a model.
    pub(crate) fn by_name(
        &self,
        requested: &str,
        kind: ModelKind,
        allowed: &AllowedModels,
    ) -> Result<ModelConfig, GatewayError> {
        let id = requested.parse::<Uuid>().ok();
        let find = |is_meant: &dyn Fn(&ModelConfig) -> bool| {
            self.models.iter().find(|model| is_meant(model) && allowed.allows(&model.name))
        };
        let found = find(&|model| Some(model.id) == id)
            .or_else(|| find(&|model| model.name == requested))
            .or_else(|| find(&|model| model.model == requested));
        let Some(model) = found else {
            if !allowed.allows(requested) {
                return Err(not_allowed(requested, allowed));
            }
            let usable = |model: &&ModelConfig| {
                model.kind == kind && model.available && allowed.allows(&model.name)
            };
            let usable = self.models.iter().filter(usable);
            return Err(GatewayError::UnknownModel {
                requested: requested.chars().take(100).collect(),
                available: usable.map(|model| model.name.clone()).collect(),
            });
        };
        model.expect(kind)?;
        Ok(model.clone())
    }

    fn claim<const N: usize>(&mut self, id: Uuid, claims: [(bool, Claim); N]) {
        let held = claims.into_iter().filter(|(holds, _)| *holds);
        self.defaults.extend(held.map(|(_, claim)| (claim, id)));
    }

    /// The user's choice, else the organisation's, else the built-in one, else any that works.
    pub(crate) fn default_of(&self, kind: ModelKind) -> Result<ModelConfig, GatewayError> {
        let usable = |(_, id): &(Claim, Uuid)| {
            self.models.iter().find(|m| m.id == *id && m.kind == kind && m.available)
        };
        self.defaults
            .iter()
            .find_map(usable)
            .or_else(|| self.models.iter().rev().find(|m| m.kind == kind && m.available))
            .cloned()
            .ok_or(GatewayError::NoModel(kind))
    }
}

impl Gateway {
    /// What `user` may call.
    pub(crate) async fn catalogue(&self, user: Uuid) -> Result<Arc<Catalogue>, GatewayError> {
        let gateway = self.clone();
        let load = move || {
            let gateway = gateway.clone();
            async move { gateway.load(user).await.map(Arc::new) }
        };
        Ok(self.inner.catalogues.get(user, load).await?)
    }

    async fn load(&self, user: Uuid) -> Result<Catalogue, StoreError> {
        let mut tx = self.inner.db.begin_as(user).await?;
        let rows = store::usable(&mut tx, user, self.inner.clock.now()).await?;
        let mut catalogue =
            Catalogue { models: Vec::with_capacity(rows.len()), defaults: Vec::new() };
        // Routes ask the others, and keep their places among them.
        let mut places: Vec<(usize, UsableRow)> = Vec::new();
        let mut accounts: HashMap<Uuid, Option<Account>> = HashMap::new();
        for row in rows {
            let kind = kind_of(&row.kind);
            if row.provider == ROUTE {
                catalogue.claim(
                    row.id,
                    [(row.chosen, Claim::Chosen), (row.is_default, Claim::Organization)],
                );
                places.push((catalogue.models.len(), row));
                continue;
            }
            let local = self.inner.local.catalogue.iter().find(|model| model.id == row.model);
            let (target, available) = match row.provider_config_id {
                None => (self.local(kind), local.is_some_and(|model| model.installed)),
                Some(id) => {
                    let account = accounts.entry(id).or_insert_with(|| self.account_of(id, &row));
                    let target = account.as_ref().and_then(|account| account.target(kind));
                    let Some(target) = target else { continue };
                    (target, true)
                }
            };
            let built_in = row.provider_config_id.is_none();
            let claims = [
                (row.chosen, Claim::Chosen),
                (row.is_default, Claim::Organization),
                (built_in && local.is_some_and(|model| model.default), Claim::BuiltIn),
            ];
            catalogue.claim(row.id, claims);
            catalogue.models.push(config_of(row, kind, local, target, available));
        }
        let wanted: Vec<(Uuid, &str)> =
            places.iter().map(|(_, row)| (row.id, row.name.as_str())).collect();
        let book = &self.inner.health;
        let mut loaded = routes::load(&mut tx, book, &wanted, &catalogue.models).await?;
        tx.commit().await?;
        for (place, row) in places.into_iter().rev() {
            // Where there is nothing to ask, there is no route.
            if let Some(route) = loaded.remove(&row.id).filter(Route::is_available) {
                catalogue.models.insert(place, route_config(row, route));
            }
        }
        catalogue.defaults.sort_unstable();
        Ok(catalogue)
    }

    fn local(&self, kind: ModelKind) -> Target {
        match kind {
            ModelKind::Chat => Target::Chat(self.inner.local.chat.clone()),
            ModelKind::Embedding => Target::Embedding(self.inner.local.embedding.clone()),
        }
    }

    /// The account of a provider config; `None`, logged, where its key can't be opened.
    fn account_of(&self, id: Uuid, row: &UsableRow) -> Option<Account> {
        let sealed = row.encrypted_key.clone().zip(row.key_id.clone());
        let sealed = sealed.map(|(bytes, key_id)| Sealed { key_id, bytes });
        let credentials = match Credentials::open(&self.inner.keyring, id, sealed) {
            Ok(credentials) => credentials,
            Err(error) => {
                tracing::error!(provider_config = %id, %error, "a provider's key cannot be opened");
                return None;
            }
        };
        let url = row.base_url.as_deref().and_then(|url| Url::parse(url).ok())?;
        let config = row.config.as_ref().and_then(Value::as_object);
        let address = url.as_str().to_owned();
        let http = self.inner.http.clone();
        let account = Account::new(&row.provider, http, url, credentials, config);
        Some(account.learning(&self.inner.lessons, &address))
    }
}

/// The refusal of a model that a key is not limited to.
pub(super) fn not_allowed(requested: &str, allowed: &AllowedModels) -> GatewayError {
    GatewayError::ModelNotAllowed {
        requested: requested.chars().take(100).collect(),
        allowed: allowed.names().unwrap_or_default().to_vec(),
    }
}

fn config_of(
    row: UsableRow,
    kind: ModelKind,
    local: Option<&LocalModel>,
    target: Target,
    available: bool,
) -> ModelConfig {
    let local = local.filter(|_| row.provider_config_id.is_none());
    let price = match row.provider.as_str() {
        "local" => Price::FREE,
        _ => Price {
            input: row.input_price,
            output: row.output_price,
            cached_input: row.cached_input_price,
            cache_write: row.cache_write_price,
            reasoning: row.reasoning_price,
            embedding: row.embedding_price,
            tiers: None,
        }
        .with_tiers(row.tiers.0),
    };
    let version = || Version {
        model: (row.id, row.updated_at),
        provider: row.provider_config_id.zip(row.provider_updated_at),
        price: price.clone(),
    };
    let cache = row.cache.then(|| version().caching(row.cache_seconds));
    let mut options = match kind {
        ModelKind::Chat => request_members(row.config.as_ref().and_then(Value::as_object)),
        ModelKind::Embedding => Map::new(),
    };
    if let Value::Object(own) = row.options {
        options.extend(own);
    }
    if let (Target::Chat(_), "ollama", Some(length)) =
        (&target, row.provider.as_str(), row.context_length)
    {
        tell_length(&mut options, length);
    }
    ModelConfig {
        id: row.id,
        name: row.name,
        provider_config_id: row.provider_config_id,
        provider_config_name: row.provider_config_name.map(Into::into),
        model: row.model,
        kind,
        max_tokens: row.max_tokens,
        temperature: row.temperature.and_then(|temperature| temperature.to_f32()),
        context_length: row
            .context_length
            .or_else(|| local.and_then(|model| i32::try_from(model.context_length).ok())),
        dimensions: row
            .dimensions
            .or_else(|| local.and_then(|model| i32::try_from(model.dimensions?).ok())),
        options: Arc::new(options),
        price,
        provider: row.provider,
        log_payloads: LogPayloads::of(&row.log_payloads),
        cache,
        created_at: row.created_at,
        available,
        target,
    }
}

/// Ollama cuts in silence what is longer than it was told to hold, or than a few thousand tokens
/// where nobody told.
fn tell_length(options: &mut Map<String, Value>, length: i32) {
    let own = options.entry("options").or_insert_with(|| Value::Object(Map::new()));
    if let Some(own) = own.as_object_mut() {
        own.entry("num_ctx").or_insert_with(|| length.into());
    }
}

/// A route as the model that it is.
fn route_config(row: UsableRow, route: Route) -> ModelConfig {
    ModelConfig {
        id: row.id,
        kind: kind_of(&row.kind),
        name: row.name,
        provider: row.provider,
        provider_config_id: None,
        provider_config_name: None,
        model: row.model,
        max_tokens: None,
        temperature: None,
        context_length: route.context_length(),
        dimensions: route.dimensions(),
        options: Arc::default(),
        price: Price::default(),
        log_payloads: LogPayloads::Off,
        cache: None,
        created_at: row.created_at,
        available: true,
        target: Target::Route(Arc::new(route)),
    }
}

/// The kind in a row; a CHECK leaves no third.
pub(crate) fn kind_of(text: &str) -> ModelKind {
    match text {
        "embedding" => ModelKind::Embedding,
        _ => ModelKind::Chat,
    }
}
