//! Texts to vectors, through the gateway.

use lyceum_gateway::{CallContext, GatewayError, ModelConfig, Purpose};
use lyceum_http::Caller;
use lyceum_llm::{EmbeddingRequest, EmbeddingTask};
use uuid::Uuid;

use crate::chunk::Counter;
use crate::{Knowledge, KnowledgeError};

impl Knowledge {
    /// The model of this name or id that the caller may use; their default where none is named.
    pub(crate) async fn embedding_model(
        &self,
        caller: &Caller,
        name: Option<&str>,
    ) -> Result<ModelConfig, GatewayError> {
        let user = caller.user_id;
        let model = match name {
            Some(name) => self.gateway.embedding_model(user, name).await,
            None => self.gateway.default_embedding_model(user).await,
        };
        model?.for_caller(caller)
    }

    /// The model that a knowledge base was made with, found with the rights of its owner: whoever
    /// may use the base may ask its model.
    pub(crate) async fn model_of_base(
        &self,
        owner: Uuid,
        config: Option<Uuid>,
        name: &str,
    ) -> Result<ModelConfig, GatewayError> {
        match config {
            Some(id) => self.gateway.embedding_model(owner, &id.to_string()).await,
            None => self.gateway.embedding_model(owner, name).await,
        }
    }

    /// Counts as `model` does.
    pub(crate) fn counter(&self, model: &ModelConfig) -> Counter {
        if model.provider == "local" {
            Counter::Model(std::sync::Arc::clone(&self.tokens))
        } else {
            Counter::Estimate
        }
    }

    /// Vectors of the texts; all as long as `dimension` where one is given.
    pub(crate) async fn embed(
        &self,
        context: CallContext,
        model: &ModelConfig,
        task: EmbeddingTask,
        input: Vec<String>,
        dimension: Option<usize>,
    ) -> Result<Vec<Vec<f32>>, KnowledgeError> {
        let wanted = input.len();
        let request =
            EmbeddingRequest { model: model.model.clone(), input, task, dimensions: None };
        let answer = self.gateway.embed(context, model, request).await?;
        if answer.embeddings.len() != wanted {
            let malformed = "not one vector for each text".to_owned();
            return Err(GatewayError::Llm(lyceum_llm::LlmError::Malformed(malformed)).into());
        }
        if let (Some(expected), Some(wrong)) = (
            dimension,
            answer.embeddings.iter().map(Vec::len).find(|found| Some(*found) != dimension),
        ) {
            return Err(KnowledgeError::Dimension { expected, found: wrong });
        }
        Ok(answer.embeddings)
    }

    /// The length of the model's vectors, asked of it where its config does not say.
    pub(crate) async fn dimension_of(
        &self,
        caller: &Caller,
        model: &ModelConfig,
    ) -> Result<i32, KnowledgeError> {
        if let Some(dimension) = model.dimensions {
            return Ok(dimension);
        }
        let context = CallContext {
            api_key_id: caller.credential.api_key_id(),
            ..CallContext::new(caller.user_id, Purpose::Test)
        };
        let texts = vec!["dimension".to_owned()];
        let vectors = self.embed(context, model, EmbeddingTask::Passage, texts, None).await?;
        Ok(vectors.first().and_then(|vector| i32::try_from(vector.len()).ok()).unwrap_or(0))
    }
}
