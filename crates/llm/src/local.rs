use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    ChatModel, ChatRequest, ChatStream, EmbeddingModel, EmbeddingRequest, EmbeddingResponse,
    LlmError,
};

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

/// Counts tokens in the vocabulary of the local embedding model that is used where nobody chose.
#[async_trait]
pub trait TokenCounter: Send + Sync {
    /// Tokens of each text, without the prefix and the ends that the model adds (E5: at most 8).
    async fn count(&self, texts: &[String]) -> Result<Vec<usize>, LlmError>;
}

/// The local engine as the gateway sees it.
#[derive(Clone)]
pub struct LocalModels {
    /// Answers for every local chat model; the request names which.
    pub chat: Arc<dyn ChatModel>,
    /// Embeds for every local embedding model.
    pub embedding: Arc<dyn EmbeddingModel>,
    /// Counts tokens, in batches.
    pub tokens: Arc<dyn TokenCounter>,
    /// All models of the catalogue.
    pub catalogue: Arc<[LocalModel]>,
}

impl LocalModels {
    /// Of a program that runs no local models: there are none, and every call says so.
    pub fn absent() -> Self {
        let absent = Arc::new(Absent);
        Self {
            chat: absent.clone(),
            embedding: absent.clone(),
            tokens: absent,
            catalogue: Arc::new([]),
        }
    }
}

struct Absent;

impl Absent {
    fn refusal<T>() -> Result<T, LlmError> {
        Err(LlmError::EngineUnavailable("local models are switched off".to_owned()))
    }
}

#[async_trait]
impl ChatModel for Absent {
    async fn chat(&self, _: ChatRequest) -> Result<ChatStream, LlmError> {
        Self::refusal()
    }
}

#[async_trait]
impl EmbeddingModel for Absent {
    async fn embed(&self, _: EmbeddingRequest) -> Result<EmbeddingResponse, LlmError> {
        Self::refusal()
    }
}

#[async_trait]
impl TokenCounter for Absent {
    async fn count(&self, _: &[String]) -> Result<Vec<usize>, LlmError> {
        Self::refusal()
    }
}
