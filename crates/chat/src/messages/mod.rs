//! Messages: reading a branch page by page, sending, regenerating, and why an answer is as it is.

pub(crate) mod http;
mod send;
pub(crate) mod store;
mod types;

pub use types::{
    ActiveLeaf, Citation, Explanation, Message, MessageError, MessagePage, MessageRole,
    MessageStatus, Regenerated, SendMessage, Sent,
};
pub(crate) use types::{Context, ExplainedChunk, ExplainedRetrieval, PromptMessage};

use lyceum_http::Caller;
use uuid::Uuid;

use crate::conversations;
use crate::{Chat, ChatError};

/// Which part of a branch to read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BranchPage {
    pub limit: i64,
    /// Messages before the one with this sequence number.
    pub before: Option<i64>,
    /// A message of the branch; the conversation's active one where absent.
    pub leaf: Option<Uuid>,
}

impl Chat {
    /// A page of a branch, read from its end upwards: the cost follows the page, not the
    /// conversation.
    pub(crate) async fn list_messages(
        &self,
        caller: &Caller,
        conversation: Uuid,
        page: BranchPage,
    ) -> Result<MessagePage, ChatError> {
        let user = caller.user_id;
        let mut tx = self.inner.db.begin_as(user).await?;
        let found = conversations::store::find(&mut tx, user, conversation).await?;
        let active = found.ok_or(ChatError::NotFound("conversation"))?.active_leaf_id;
        let last = match (page.before, page.leaf) {
            // Whichever branch it is, what comes before a message is the same.
            (Some(before), _) => store::parent_of(&mut tx, user, conversation, before)
                .await?
                .ok_or(ChatError::UnknownSequence(before))?,
            (None, Some(leaf)) => Some(
                store::end_of_branch(&mut tx, user, conversation, leaf)
                    .await?
                    .ok_or(ChatError::NotFound("message"))?,
            ),
            (None, None) => active,
        };
        let items: Vec<Message> = match last {
            Some(last) => store::walk(&mut tx, user, last, page.limit).await?,
            None => Vec::new(),
        };
        tx.commit().await?;
        let oldest = items.first();
        let previous =
            oldest.filter(|message| message.parent_id.is_some()).map(|m| m.sequence_number);
        Ok(MessagePage { items, previous })
    }

    /// One message of the caller.
    pub(crate) async fn get_message(&self, user: Uuid, id: Uuid) -> Result<Message, ChatError> {
        let mut tx = self.inner.db.begin_as(user).await?;
        let found = store::walk(&mut tx, user, id, 1).await?.pop();
        tx.commit().await?;
        found.ok_or(ChatError::NotFound("message"))
    }

    /// Shows the branch that `message` is on. Its end is remembered, not the message itself.
    pub(crate) async fn set_active_leaf(
        &self,
        caller: &Caller,
        conversation: Uuid,
        message: Uuid,
    ) -> Result<Uuid, ChatError> {
        let user = caller.user_id;
        let mut tx = self.inner.db.begin_as(user).await?;
        conversations::store::lock(&mut tx, user, conversation)
            .await?
            .ok_or(ChatError::NotFound("conversation"))?;
        let leaf = store::end_of_branch(&mut tx, user, conversation, message)
            .await?
            .ok_or(ChatError::NotFound("message"))?;
        conversations::store::set_active_leaf(&mut tx, user, conversation, leaf).await?;
        tx.commit().await?;
        Ok(leaf)
    }

    /// Why an answer is as it is.
    pub(crate) async fn explain(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Explanation, ChatError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let found = store::explained(&mut tx, caller.user_id, id).await?;
        tx.commit().await?;
        let row = found.ok_or(ChatError::NotFound("message"))?;
        if row.role != MessageRole::Assistant {
            return Err(ChatError::NotAnAnswer);
        }
        let context = row.context.ok_or(ChatError::NotExplainedYet)?.0;
        Ok(Explanation {
            question: context.question,
            retrieval: context.retrieval,
            prompt: context.prompt,
            model: row.model,
            provider: row.provider,
            prompt_tokens: row.prompt_tokens,
            completion_tokens: row.completion_tokens,
            cost: row.cost,
            latency_ms: row.latency_ms,
            first_token_ms: row.first_token_ms,
            request_id: row.request_id,
        })
    }
}
