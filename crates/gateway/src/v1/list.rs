use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use chrono::SecondsFormat;
use http::HeaderMap;
use lyceum_http::{AllowedModels, misread_query};
use lyceum_llm::openai::{ModelEntry, ModelList};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admitted, Failure};
use crate::limits::Dialect;
use crate::models::Catalogue;
use crate::{Gateway, GatewayError, ModelConfig};

fn openai(model: &ModelConfig) -> ModelEntry {
    ModelEntry {
        id: model.name.clone(),
        object: "model".into(),
        created: model.created_at.timestamp(),
        owned_by: model.provider.clone(),
    }
}

fn anthropic(model: &ModelConfig) -> Value {
    json!({
        "type": "model",
        "id": model.name,
        "display_name": model.name,
        "created_at": model.created_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        "lifecycle": "active",
        "max_input_tokens": model.context_length,
        "max_tokens": model.max_tokens,
    })
}

/// The protocol of whoever asks: Anthropic's clients name its version always.
fn dialect(gateway: &Gateway, headers: &HeaderMap) -> Dialect {
    match headers.contains_key("anthropic-version") {
        true => Dialect::Anthropic(gateway.inner.clock.now()),
        false => Dialect::OpenAi,
    }
}

/// The models that can be called, each name once: a personal model goes before a shared one of the
/// same name.
fn usable<'a>(catalogue: &'a Catalogue, allowed: &AllowedModels) -> Vec<&'a ModelConfig> {
    let mut models: Vec<&ModelConfig> = Vec::new();
    let can_be_called = |model: &&ModelConfig| model.available && allowed.allows(&model.name);
    for model in catalogue.models().iter().filter(can_be_called) {
        if !models.iter().any(|known| known.name == model.name) {
            models.push(model);
        }
    }
    models
}

/// A page as Anthropic's clients ask for it.
#[derive(Deserialize)]
pub(super) struct PageOfModels {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    after_id: Option<String>,
    #[serde(default)]
    before_id: Option<String>,
}

impl PageOfModels {
    fn of(&self, models: &[&ModelConfig]) -> Value {
        let at =
            |id: &Option<String>| models.iter().position(|model| Some(&model.name) == id.as_ref());
        let limit = self.limit.unwrap_or(20).clamp(1, 1000);
        let (page, has_more) = match at(&self.before_id) {
            Some(end) => (&models[end.saturating_sub(limit)..end], end > limit),
            None => {
                let start = at(&self.after_id).map_or(0, |after| after + 1);
                let end = models.len().min(start + limit);
                (&models[start..end], end < models.len())
            }
        };
        let data: Vec<Value> = page.iter().map(|model| anthropic(model)).collect();
        let id = |model: Option<&&ModelConfig>| model.map(|model| model.name.clone());
        json!({ "data": data, "has_more": has_more, "first_id": id(page.first()),
            "last_id": id(page.last()) })
    }
}

/// Lists the models that the caller may use, by the names that requests take; with a key that is
/// limited to some only these. In Anthropic's form with the header `anthropic-version`.
#[utoipa::path(get, path = "/v1/models", tag = "openai",
    params(("limit" = Option<u32>, Query, description = "Models of a page, in Anthropic's form"),
           ("after_id" = Option<String>, Query, description = "The model before the page, in Anthropic's form"),
           ("before_id" = Option<String>, Query, description = "The model behind the page, in Anthropic's form")),
    responses((status = 200, description = "The models", body = Object),
              (status = 401, description = "In the form of the protocol", body = Object)))]
pub(super) async fn list_openai_models(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    page: Result<Query<PageOfModels>, QueryRejection>,
    admitted: Result<Admitted, Failure>,
) -> Response {
    let dialect = dialect(&gateway, &headers);
    let list = async {
        let Admitted(caller) = admitted?;
        let unreadable = |rejection: QueryRejection| {
            Failure::bad_request("invalid_field", misread_query(&rejection).sentence("The query"))
        };
        let Query(page) = page.map_err(unreadable)?;
        let catalogue = gateway.catalogue(caller.user_id).await?;
        let models = usable(&catalogue, &caller.models);
        Ok(match dialect {
            Dialect::Anthropic(_) => Json(page.of(&models)).into_response(),
            Dialect::OpenAi => {
                let data = models.into_iter().map(openai).collect();
                Json(ModelList { object: "list".into(), data }).into_response()
            }
        })
    };
    list.await.unwrap_or_else(|failure: Failure| failure.respond(dialect))
}

/// Shows one model; in Anthropic's form with the header `anthropic-version`. `model` is its name or
/// its id.
#[utoipa::path(get, path = "/v1/models/{model}", tag = "openai",
    params(("model" = String, Path, description = "The model's name")),
    responses((status = 200, description = "The model", body = Object),
              (status = 404, description = "In the form of the protocol", body = Object)))]
pub(super) async fn get_openai_model(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    Path(name): Path<String>,
    admitted: Result<Admitted, Failure>,
) -> Response {
    let dialect = dialect(&gateway, &headers);
    let show = async {
        let Admitted(caller) = admitted?;
        let catalogue = gateway.catalogue(caller.user_id).await?;
        let models = usable(&catalogue, &caller.models);
        let named = |model: &&&ModelConfig| model.name == name || model.id.to_string() == name;
        match (models.iter().find(named), dialect) {
            (Some(model), Dialect::Anthropic(_)) => Ok(Json(anthropic(model)).into_response()),
            (Some(model), Dialect::OpenAi) => Ok(Json(openai(model)).into_response()),
            (None, _) => {
                let available = models.iter().map(|model| model.name.clone()).collect();
                let requested = name.chars().take(100).collect();
                Err(Failure::from(GatewayError::UnknownModel { requested, available }))
            }
        }
    };
    show.await.unwrap_or_else(|failure| failure.respond(dialect))
}
