//! Models: those of provider configs and the built-in ones, who may use them, and which one a name
//! or nothing at all means.

pub(crate) mod batch;
mod catalogue;
mod change;
mod given;
mod http;
mod known;
mod local;
mod price_store;
mod prices;
mod store;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use lyceum_http::Caller;
use lyceum_llm::anthropic::AnthropicClient;
use lyceum_llm::openai::OpenAiClient;
use lyceum_llm::responses::ResponsesClient;
use lyceum_llm::{ChatModel, ChatRequest, EmbeddingModel, ModelKind, Server};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use uuid::Uuid;

pub(crate) use batch::Present;
pub(crate) use catalogue::{Catalogue, Catalogues, catalogues, kind_of};
pub(crate) use change::check_editable;
pub(crate) use http::{Kind, router};
pub(crate) use known::KnownModel;
pub(crate) use local::register as register_local;

use crate::cache::Caching;
use crate::routes::Route;
use crate::{GatewayError, LogPayloads, Price};

/// A model that somebody may use, ready to be called.
#[derive(Clone)]
pub struct ModelConfig {
    /// The row's id.
    pub id: Uuid,
    /// The name that people and `/v1` use.
    pub name: String,
    /// The provider's name, such as `openai` or `local`.
    pub provider: String,
    /// The account at the provider; `None` for a built-in model.
    pub provider_config_id: Option<Uuid>,
    /// Its name here.
    pub(crate) provider_config_name: Option<Arc<str>>,
    /// The provider's own name of the model.
    pub model: String,
    /// What it is for.
    pub kind: ModelKind,
    /// The most tokens of an answer where the request names none.
    pub max_tokens: Option<i32>,
    /// The temperature where the request names none.
    pub temperature: Option<f32>,
    /// Tokens of prompt and answer together.
    pub context_length: Option<i32>,
    /// Length of the vectors.
    pub dimensions: Option<i32>,
    /// Further members of each request.
    pub options: Arc<Map<String, Value>>,
    /// The price in force.
    pub price: Price,
    /// Whether it can be called now; a built-in model's file may be missing.
    pub available: bool,
    /// Which calls leave their request and answer for finding faults.
    pub log_payloads: LogPayloads,
    /// How its answers are kept, if they are.
    pub(crate) cache: Option<Caching>,
    /// Since when it is here.
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) target: Target,
}

/// How a model is reached.
#[derive(Clone)]
pub(crate) enum Target {
    /// Through OpenAI's protocol: `/v1` passes requests and answers on as they are.
    OpenAi(OpenAiClient),
    /// The same for Anthropic's messages.
    Anthropic(AnthropicClient),
    /// The same for OpenAI's responses.
    Responses(ResponsesClient),
    /// Through the port, in whatever protocol; the local engine as well.
    Chat(Arc<dyn ChatModel>),
    /// The same for a model that embeds.
    Embedding(Arc<dyn EmbeddingModel>),
    /// Through the targets of a route, in turn.
    Route(Arc<Route>),
}

impl Target {
    /// What answers messages; `None` for a model that embeds.
    pub(crate) fn chat(&self) -> Option<&dyn ChatModel> {
        match self {
            Target::OpenAi(client) => Some(client),
            Target::Anthropic(client) => Some(client),
            Target::Responses(client) => Some(client),
            Target::Chat(port) => Some(port.as_ref()),
            Target::Embedding(_) | Target::Route(_) => None,
        }
    }

    /// What embeds; `None` for a model that answers messages.
    pub(crate) fn embedding(&self) -> Option<&dyn EmbeddingModel> {
        match self {
            Target::OpenAi(client) => Some(client),
            Target::Embedding(port) => Some(port.as_ref()),
            Target::Anthropic(_) | Target::Responses(_) | Target::Chat(_) | Target::Route(_) => {
                None
            }
        }
    }
}

impl ModelConfig {
    /// Refuses the model where the key that the caller came with is limited to others.
    pub fn for_caller(self, caller: &Caller) -> Result<Self, GatewayError> {
        match caller.models.allows(&self.name) {
            true => Ok(self),
            false => Err(catalogue::not_allowed(&self.name, &caller.models)),
        }
    }

    /// Whether it is built in.
    pub(crate) fn is_local(&self) -> bool {
        self.provider_config_id.is_none() && self.route().is_none()
    }

    /// The route that it is.
    pub(crate) fn route(&self) -> Option<&Arc<Route>> {
        match &self.target {
            Target::Route(route) => Some(route),
            _ => None,
        }
    }

    pub(crate) fn wrong_kind(&self, wanted: ModelKind) -> GatewayError {
        GatewayError::WrongKind { model: self.name.clone(), wanted }
    }

    /// Refuses a model of another kind, or one that is not installed.
    pub(crate) fn expect(&self, kind: ModelKind) -> Result<(), GatewayError> {
        if self.kind != kind {
            return Err(self.wrong_kind(kind));
        }
        match self.available {
            true => Ok(()),
            false => Err(GatewayError::NotInstalled(self.model.clone())),
        }
    }

    /// Fills in what the request leaves open.
    pub(crate) fn apply_defaults(&self, request: &mut ChatRequest) {
        request.model.clone_from(&self.model);
        let limit = self.max_tokens.and_then(|limit| u32::try_from(limit).ok());
        request.max_tokens = request.max_tokens.or(limit);
        request.temperature = request.temperature.or(self.temperature);
        let says = |name: &str| match name {
            "max_tokens" | "max_completion_tokens" => request.max_tokens.is_some(),
            "top_p" => request.top_p.is_some(),
            "stop" => request.stop.is_some(),
            "seed" => request.seed.is_some(),
            name => request.extra.get(name).is_some_and(|value| !value.is_null()),
        };
        for (name, value) in self.options_beside(says) {
            request.extra.insert(name.clone(), value.clone());
        }
        // Ollama's own: who names one of them leaves the others open.
        if let (Some(asked), Some(all)) =
            (request.extra.get_mut("options"), self.options.get("options"))
        {
            fill_in(asked, all);
        }
    }

    /// The further members that a request gets in which `says` finds those that it has itself.
    pub(crate) fn options_beside(&self, says: impl Fn(&str) -> bool) -> Vec<(&String, &Value)> {
        if self.options.is_empty() {
            return Vec::new();
        }
        let limited = self.max_tokens.is_some() || says("max_tokens");
        // How hard to think is the request's own word for what the provider's switches say.
        let switches: &[&str] = match says("reasoning_effort") {
            true => Server::of(&self.provider).switches(),
            false => &[],
        };
        let is_open = |name: &str| match name {
            "max_completion_tokens" => !limited && !says(name),
            name => !says(name) && !switches.contains(&name) && !RESERVED.contains(&name),
        };
        self.options.iter().filter(|(name, _)| is_open(name)).collect()
    }
}

/// Fills in the members that an object leaves open.
fn fill_in(object: &mut Value, more: &Value) {
    let (Some(object), Some(more)) = (object.as_object_mut(), more.as_object()) else { return };
    for (name, value) in more {
        object.entry(name.clone()).or_insert_with(|| value.clone());
    }
}

/// Deletes the models of a provider config that is being deleted.
pub(crate) async fn delete_models_of(
    connection: &mut PgConnection,
    user: Uuid,
    provider_config_id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), GatewayError> {
    store::delete(connection, user, None, Some(provider_config_id), now).await?;
    Ok(())
}

/// Members of a request that `options` can't set: they have fields of their own or are ours.
pub(crate) const RESERVED: [&str; 7] =
    ["model", "messages", "input", "stream", "stream_options", "max_tokens", "temperature"];
