//! Answers: tasks of the server that retrieve, ask the model, and write what it says into the
//! message's row. A request only starts one; subscribers only watch.

pub(crate) mod buffer;
mod checkpoint;
mod citations;
mod claims;
mod denial;
mod follow_up;
mod live;
mod marker;
mod prompt;
mod recover;
mod run;
mod search;
mod sentences;
mod settle;
mod store;
mod title;

pub(crate) use live::{End, Live};
pub(crate) use recover::{recover, watch};
pub(crate) use title::first_words;

use lyceum_core::TRACE;
use lyceum_http::Caller;
use tracing::{Instrument as _, info_span};
use uuid::Uuid;

use crate::messages::{MessageRole, store as messages};
use crate::model::ModelConfig;
use crate::{Chat, ChatError};

/// What a generation is to do.
#[derive(Clone)]
pub(crate) struct Plan {
    pub user_id: Uuid,
    pub api_key_id: Option<Uuid>,
    pub conversation_id: Uuid,
    /// The empty answer.
    pub message_id: Uuid,
    pub request_id: Uuid,
    pub model: ModelConfig,
    pub knowledge_bases: Vec<Uuid>,
    pub cause: Cause,
}

/// How the question came to be answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The first answer; whether the conversation has its title from this very question.
    Asked { makes_title: bool },
    /// Another answer to a question that has one.
    AskedAgain,
}

impl Chat {
    /// Starts a generation that outlives the request.
    pub(crate) fn start_generation(&self, plan: Plan) {
        let generation =
            self.inner.live.insert(plan.message_id, plan.conversation_id, plan.user_id);
        let chat = self.clone();
        let span = info_span!(
            target: TRACE, "generation",
            gen_ai.conversation.id = %plan.conversation_id,
            lyceum.request.id = %plan.request_id,
        );
        let running = async move { run::run(&chat, &plan, &generation).await };
        self.inner.tasks.spawn(running.instrument(span));
    }

    /// Ends an answer, wherever it is written; its text so far stays.
    pub(crate) async fn stop(&self, caller: &Caller, id: Uuid) -> Result<(), ChatError> {
        let user = caller.user_id;
        let mut tx = self.inner.db.begin_as(user).await?;
        let link =
            messages::link(&mut tx, user, id).await?.ok_or(ChatError::NotFound("message"))?;
        if link.role != MessageRole::Assistant {
            return Err(ChatError::NotAnAnswer);
        }
        if link.status.is_running() {
            // Another node sees this at its next checkpoint.
            store::request_stop(&mut tx, user, id, self.inner.clock.now()).await?;
        }
        tx.commit().await?;
        if let Some(generation) = self.inner.live.get(id) {
            generation.end(End::Stopped);
        }
        Ok(())
    }
}
