//! A Dify application (`/chat-messages`) behind [`ChatModel`]. The application's key says which one
//! it is; the model's name means nothing to it.
//!
//! Dify keeps conversations by itself, by ids and users of its own. Here the conversation comes
//! whole with each request, so it is folded into one question of a new conversation. Answers are
//! streamed always: applications with agents know no other way.

mod events;
mod request;

use async_trait::async_trait;
use serde::Deserialize;

use crate::{
    ChatModel, ChatRequest, ChatStream, Endpoint, ListedModel, ListedTask, LlmError, convert,
    stops, stream,
};

/// A client of one application. Cheap to clone.
#[derive(Clone)]
pub struct DifyClient {
    endpoint: Endpoint,
}

#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    name: String,
}

impl DifyClient {
    /// A client of the API at `endpoint`, with or without `/v1` at its end.
    pub fn at(endpoint: Endpoint) -> Self {
        Self { endpoint: endpoint.below("v1", &["v1"]) }
    }

    /// The application's name, which stands for its only model.
    pub async fn models(&self) -> Result<Vec<ListedModel>, LlmError> {
        let info: Info = self.endpoint.json(self.endpoint.get("info", &[]).await?).await?;
        let name = info.name.trim().to_owned();
        let id = if name.is_empty() { "app".to_owned() } else { name };
        Ok(vec![ListedModel { id, task: Some(ListedTask::Chat), context_length: None }])
    }
}

#[async_trait]
impl ChatModel for DifyClient {
    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, LlmError> {
        let question = request::question(&self.endpoint, &request).await?;
        let response = self.endpoint.post_json("chat-messages", &[], &question.body).await?;
        let reader = events::Events::new(self.endpoint.clone(), question.user, &request.model);
        let answer = stream::events(self.endpoint.events(response), reader);
        Ok(stops::cut(answer, convert::stops(&request)))
    }

    fn takes(&self, member: &str) -> bool {
        convert::takes(&["stop", "user"], member)
    }
}
