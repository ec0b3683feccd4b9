use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{LlmError, Usage};

/// What a text is embedded for; models trained with prefixes (E5) tell the two apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmbeddingTask {
    /// A question that looks for passages.
    Query,
    /// A passage to be found.
    #[default]
    Passage,
    /// The text as it is, without any prefix.
    Raw,
}

/// Texts to embed.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingRequest {
    /// The provider's own name of the model.
    pub model: String,
    /// The texts, in order.
    pub input: Vec<String>,
    /// What for.
    pub task: EmbeddingTask,
    /// Wanted length of the vectors, for models that can shorten them.
    pub dimensions: Option<u32>,
}

/// Vectors of the texts, in the same order.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingResponse {
    /// The model that served, by the provider's name.
    pub model: String,
    /// One vector a text, all of the same length.
    pub embeddings: Vec<Vec<f32>>,
    /// Tokens read; `completion_tokens` is 0.
    pub usage: Option<Usage>,
}

/// A model that turns texts into vectors.
#[async_trait]
pub trait EmbeddingModel: Send + Sync {
    /// Embeds all texts or none.
    async fn embed(&self, request: EmbeddingRequest) -> Result<EmbeddingResponse, LlmError>;
}
