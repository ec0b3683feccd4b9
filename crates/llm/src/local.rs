use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ChatModel, EmbeddingModel};

/// What a local model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Answers messages.
    Chat,
    /// Turns texts into vectors.
    Embedding,
}

/// A model that runs beside the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalModel {
    /// The name that requests use, such as `qwen2.5-coder-0.5b-instruct`.
    pub id: String,
    /// The name that people read.
    pub display_name: String,
    /// What it is for.
    pub kind: ModelKind,
    /// Tokens of prompt and answer together.
    pub context_length: u32,
    /// Length of the vectors, of an embedding model.
    pub dimensions: Option<u32>,
    /// Its file's licence.
    pub licence: String,
    /// Whether its file is on disk.
    pub installed: bool,
    /// Whether it is the one used where nobody chose.
    pub default: bool,
}

/// The local engine as the gateway sees it.
#[derive(Clone)]
pub struct LocalModels {
    /// Answers for every local chat model; the request names which.
    pub chat: Arc<dyn ChatModel>,
    /// Embeds for every local embedding model.
    pub embedding: Arc<dyn EmbeddingModel>,
    /// All models of the catalogue.
    pub catalogue: Arc<[LocalModel]>,
}
