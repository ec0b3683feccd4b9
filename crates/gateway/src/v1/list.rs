use axum::Json;
use axum::extract::{Path, State};
use lyceum_llm::openai::{ModelEntry, ModelList};

use super::{Admitted, Failure};
use crate::{Gateway, GatewayError, ModelConfig};

fn entry(model: &ModelConfig) -> ModelEntry {
    ModelEntry {
        id: model.name.clone(),
        object: "model".into(),
        created: 0,
        owned_by: model.provider.clone(),
    }
}

/// Lists the models that the caller may use, by the names that requests take.
#[utoipa::path(get, path = "/models", tag = "openai",
    responses((status = 200, description = "The models", body = Object),
              (status = 401, description = "In OpenAI's form", body = Object)))]
pub(super) async fn list_openai_models(
    State(gateway): State<Gateway>,
    Admitted(caller): Admitted,
) -> Result<Json<ModelList>, Failure> {
    let catalogue = gateway.catalogue(caller.user_id).await?;
    let usable = catalogue.models().iter().filter(|model| model.available);
    let mut data: Vec<ModelEntry> = Vec::new();
    for model in usable {
        // A personal model goes before a shared one of the same name.
        if !data.iter().any(|entry| entry.id == model.name) {
            data.push(entry(model));
        }
    }
    Ok(Json(ModelList { object: "list".into(), data }))
}

/// Shows one model.
#[utoipa::path(get, path = "/models/{model}", tag = "openai",
    params(("model" = String, Path, description = "The model's name")),
    responses((status = 200, description = "The model", body = Object),
              (status = 404, description = "In OpenAI's form", body = Object)))]
pub(super) async fn get_openai_model(
    State(gateway): State<Gateway>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
) -> Result<Json<ModelEntry>, Failure> {
    let catalogue = gateway.catalogue(caller.user_id).await?;
    let usable = || catalogue.models().iter().filter(|model| model.available);
    match usable().find(|model| model.name == name || model.id.to_string() == name) {
        Some(model) => Ok(Json(entry(model))),
        None => {
            let available = usable().map(|model| model.name.clone()).collect();
            let requested = name.chars().take(100).collect();
            Err(GatewayError::UnknownModel { requested, available }.into())
        }
    }
}
