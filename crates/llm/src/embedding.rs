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

    /// The same. `answered` becomes the number of texts in the requests that the provider answered,
    /// which counts even where a later request fails.
    async fn embed_counted(
        &self,
        request: EmbeddingRequest,
        _answered: &mut usize,
    ) -> Result<EmbeddingResponse, LlmError> {
        self.embed(request).await
    }
}

/// Collects the vectors of several requests.
pub(crate) struct Collected {
    whole: EmbeddingResponse,
}

impl Collected {
    pub(crate) fn new(request: &EmbeddingRequest) -> Self {
        let whole = EmbeddingResponse {
            model: request.model.clone(),
            embeddings: Vec::with_capacity(request.input.len()),
            usage: Some(Usage::default()),
        };
        Self { whole }
    }

    /// Adds the answer to a request of `texts` texts. One answer without a count, or with one of
    /// nothing, makes the whole unknown.
    pub(crate) fn add(
        &mut self,
        texts: usize,
        model: Option<String>,
        vectors: Vec<Vec<f32>>,
        prompt_tokens: Option<u64>,
    ) -> Result<(), LlmError> {
        if vectors.len() != texts {
            let words = format!("{} vectors came for {texts} texts", vectors.len());
            return Err(LlmError::Malformed(words));
        }
        let broken =
            |vector: &Vec<f32>| vector.is_empty() || vector.iter().any(|value| !value.is_finite());
        if vectors.iter().any(broken) {
            return Err(LlmError::Malformed("a vector is empty or not finite".to_owned()));
        }
        self.whole.usage = match (self.whole.usage, prompt_tokens.filter(|tokens| *tokens > 0)) {
            (Some(sum), Some(tokens)) => Some(Usage {
                prompt_tokens: sum.prompt_tokens.saturating_add(tokens),
                ..Usage::default()
            }),
            _ => None,
        };
        if let Some(model) = model.filter(|model| !model.is_empty()) {
            self.whole.model = model;
        }
        self.whole.embeddings.extend(vectors);
        Ok(())
    }

    /// All vectors, if they are of one length.
    pub(crate) fn finish(self) -> Result<EmbeddingResponse, LlmError> {
        let length = self.whole.embeddings.first().map(Vec::len);
        match self.whole.embeddings.iter().all(|vector| Some(vector.len()) == length) {
            true => Ok(self.whole),
            false => Err(LlmError::Malformed("the vectors differ in length".to_owned())),
        }
    }
}
