//! The routes that are neither chat nor embeddings, and the router of all.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::failure::Failure;
use super::models::Models;
use super::{chat, embed};

/// The largest request: some thousand long texts.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

pub(super) fn router(models: Arc<Models>) -> Router {
    Router::new()
        .route("/health", get(health).post(health))
        .route("/tokenize", post(tokenize))
        .route("/v1/models", get(list))
        .route("/v1/chat/completions", post(chat::complete))
        .route("/v1/embeddings", post(embed::embed))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(models)
}

/// A model in memory, as `/health` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedModel {
    /// Its name.
    pub id: String,
    /// Requests at work.
    pub active: usize,
    /// Requests waiting.
    pub waiting: usize,
}

/// The answer to `/health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The process.
    pub pid: u32,
    /// The models in memory.
    pub loaded: Vec<LoadedModel>,
}

async fn health(State(models): State<Arc<Models>>) -> Json<Health> {
    let show = |(id, active, waiting)| LoadedModel { id, active, waiting };
    let mut loaded: Vec<_> = models.in_memory().into_iter().map(show).collect();
    loaded.sort_by(|left, right| left.id.cmp(&right.id));
    Json(Health { pid: std::process::id(), loaded })
}

async fn list(State(models): State<Arc<Models>>) -> Json<Value> {
    let installed =
        models.catalogue.models.iter().filter(|spec| spec.check(models.folder()).is_ok());
    let show =
        |id: &str| json!({ "id": id, "object": "model", "created": 0, "owned_by": "lyceum" });
    let data: Vec<Value> = installed.map(|spec| show(&spec.id)).collect();
    Json(json!({ "object": "list", "data": data }))
}

/// What `/tokenize` is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TokenizeRequest {
    /// The model whose vocabulary counts.
    pub(crate) model: String,
    /// The texts.
    pub(crate) input: Vec<String>,
    /// Whether to tell the tokens too.
    #[serde(default)]
    pub(crate) tokens: bool,
}

/// What `/tokenize` answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TokenizeResponse {
    /// Tokens of each text, without those that a model adds at the ends.
    pub(crate) counts: Vec<usize>,
    /// The tokens themselves, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tokens: Option<Vec<Vec<i32>>>,
}

async fn tokenize(
    State(models): State<Arc<Models>>,
    Json(request): Json<TokenizeRequest>,
) -> Result<Json<TokenizeResponse>, Failure> {
    let loaded = models.get_any(&request.model).await?;
    let split = move || {
        let texts = request.input.iter();
        let tokens: Vec<_> = texts.map(|text| loaded.native.tokenize(text, false, false)).collect();
        let counts = tokens.iter().map(Vec::len).collect();
        TokenizeResponse { counts, tokens: request.tokens.then_some(tokens) }
    };
    let response = tokio::task::spawn_blocking(split).await;
    response.map(Json).map_err(|error| Failure::Native(error.to_string()))
}
