use lyceum_core::new_id;
use lyceum_http::{ApiError, Caller};
use lyceum_store::{StoreError, Tx};
use uuid::Uuid;

use super::{Message, MessageRole, SendMessage, Sent, store};
use crate::conversations::store as conversations;
use crate::conversations::store::{Advance, Locked};
use crate::generation::{Cause, Plan, first_words};
use crate::model::ModelConfig;
use crate::{Chat, ChatError, words};

impl Chat {
    /// Writes the question and its empty answer in one transaction, then begins to answer. The
    /// second value is `false` where this very request was served before.
    pub(crate) async fn send(
        &self,
        caller: &Caller,
        conversation_id: Uuid,
        message: SendMessage,
        key: Option<String>,
    ) -> Result<(Sent, bool), ApiError> {
        let user = caller.user_id;
        let conversation = self.get_conversation(caller, conversation_id).await?;
        let content = self.checked_content(message.content)?;
        if let Some(key) = &key {
            let mut tx = self.inner.db.begin_as(user).await?;
            if let Some(sent) = sent_before(&mut tx, user, conversation_id, key).await? {
                return Ok((sent, false));
            }
        }
        let stated_bases = match message.knowledge_base_ids {
            Some(bases) => Some(self.checked_knowledge_bases(user, bases).await?),
            None => None,
        };
        let wanted = message.model_config_id.or(conversation.model_config_id);
        let model = self.inner.gateway.resolve_chat_model(user, wanted).await?;
        let model = model.for_caller(caller)?;
        let words = words::indexed_off_thread(content.clone()).await;
        let title = first_words(&content);
        let title_words = words::indexed_off_thread(title.clone()).await;
        self.check_room(user)?;

        let mut tx = self.inner.db.begin_as(user).await?;
        let locked = lock(&mut tx, user, conversation_id).await?;
        // A repeat that waited for the first one's lock is served as one that came later.
        if let Some(key) = &key
            && let Some(sent) = sent_before(&mut tx, user, conversation_id, key).await?
        {
            return Ok((sent, false));
        }
        let parent_id = message.parent_id.unwrap_or(locked.active_leaf_id);
        check_parent(&mut tx, user, conversation_id, parent_id, &content).await?;
        let now = self.inner.clock.now();
        let question = store::Place {
            id: new_id(),
            conversation_id,
            user_id: user,
            parent_id,
            sequence_number: locked.last_sequence + 1,
            at: now,
        };
        let answer = store::Place {
            id: new_id(),
            parent_id: Some(question.id),
            sequence_number: locked.last_sequence + 2,
            ..question
        };
        store::insert_question(&mut tx, question, &content, &words, key.as_deref())
            .await
            .map_err(ChatError::from)?;
        let auto_title = (locked.title_source == "auto" && locked.title.is_empty())
            .then_some((title.as_str(), title_words.as_str()));
        let advance = Advance {
            added: 2,
            active_leaf_id: answer.id,
            model_config_id: message.model_config_id,
            knowledge_base_ids: stated_bases.as_deref(),
            auto_title,
            at: now,
        };
        let assistant_message = self.insert_answer(&mut tx, caller, answer, &advance).await?;
        let user_message =
            one(store::walk(&mut tx, user, question.id, 1).await.map_err(ChatError::from)?)?;
        tx.commit().await.map_err(StoreError)?;

        let knowledge_bases = stated_bases.unwrap_or(locked.knowledge_base_ids);
        let cause = Cause::Asked { makes_title: auto_title.is_some() };
        self.begin(caller, answer, model, knowledge_bases, cause);
        Ok((Sent { user_message, assistant_message }, true))
    }

    /// Answers the same question again, as a sibling of the answer given.
    pub(crate) async fn regenerate(
        &self,
        caller: &Caller,
        message: Uuid,
    ) -> Result<Message, ApiError> {
        let user = caller.user_id;
        let mut tx = self.inner.db.begin_as(user).await?;
        let link = store::link(&mut tx, user, message)
            .await
            .map_err(ChatError::from)?
            .ok_or(ChatError::NotFound("message"))?;
        tx.commit().await.map_err(StoreError)?;
        let question = match (link.role, link.parent_id) {
            (MessageRole::Assistant, Some(parent)) => parent,
            (MessageRole::User, _) => message,
            _ => return Err(ChatError::NotAnAnswer.into()),
        };
        let conversation = self.get_conversation(caller, link.conversation_id).await?;
        let wanted = conversation.model_config_id;
        let model = self.inner.gateway.resolve_chat_model(user, wanted).await?;
        let model = model.for_caller(caller)?;
        self.check_room(user)?;

        let mut tx = self.inner.db.begin_as(user).await?;
        let locked = lock(&mut tx, user, conversation.id).await?;
        if store::answer_running(&mut tx, user, conversation.id, question)
            .await
            .map_err(ChatError::from)?
        {
            return Err(ChatError::AnswerInProgress.into());
        }
        let now = self.inner.clock.now();
        let answer = store::Place {
            id: new_id(),
            conversation_id: conversation.id,
            user_id: user,
            parent_id: Some(question),
            sequence_number: locked.last_sequence + 1,
            at: now,
        };
        let advance = Advance {
            added: 1,
            active_leaf_id: answer.id,
            model_config_id: None,
            knowledge_base_ids: None,
            auto_title: None,
            at: now,
        };
        let assistant_message = self.insert_answer(&mut tx, caller, answer, &advance).await?;
        tx.commit().await.map_err(StoreError)?;
        self.begin(caller, answer, model, locked.knowledge_base_ids, Cause::AskedAgain);
        Ok(assistant_message)
    }

    async fn insert_answer(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        answer: store::Place,
        advance: &Advance<'_>,
    ) -> Result<Message, ChatError> {
        let key = caller.credential.api_key_id();
        store::insert_answer(tx, answer, &self.inner.settings.node, key).await?;
        conversations::advance(tx, answer.user_id, answer.conversation_id, advance).await?;
        one(store::walk(tx, answer.user_id, answer.id, 1).await?)
    }

    fn begin(
        &self,
        caller: &Caller,
        answer: store::Place,
        model: ModelConfig,
        knowledge_bases: Vec<Uuid>,
        cause: Cause,
    ) {
        self.start_generation(Plan {
            user_id: answer.user_id,
            api_key_id: caller.credential.api_key_id(),
            conversation_id: answer.conversation_id,
            message_id: answer.id,
            request_id: new_id(),
            model,
            knowledge_bases,
            cause,
        });
    }

    fn checked_content(&self, content: String) -> Result<String, ChatError> {
        if content.trim().is_empty() {
            return Err(ChatError::EmptyContent);
        }
        let limit = self.inner.settings.max_content_chars;
        let length = content.chars().count();
        if length > limit {
            return Err(ChatError::ContentTooLong { length, limit });
        }
        if content.contains('\0') {
            return Err(ChatError::NulCharacter);
        }
        Ok(content)
    }

    fn check_room(&self, user: Uuid) -> Result<(), ChatError> {
        let limit = self.inner.settings.max_running_per_user;
        if self.inner.live.of_user(user) >= limit {
            return Err(ChatError::TooManyRunning(limit));
        }
        Ok(())
    }
}

async fn lock(tx: &mut Tx, user: Uuid, conversation: Uuid) -> Result<Locked, ChatError> {
    let locked = conversations::lock(tx, user, conversation).await?;
    locked.ok_or(ChatError::NotFound("conversation"))
}

/// The question and answer that a request with this key made before.
async fn sent_before(
    tx: &mut Tx,
    user: Uuid,
    conversation: Uuid,
    key: &str,
) -> Result<Option<Sent>, ChatError> {
    let Some(answer) = store::sent_with_key(tx, user, conversation, key).await? else {
        return Ok(None);
    };
    let mut pair = store::walk(tx, user, answer, 2).await?;
    let assistant_message = one_of(pair.pop())?;
    let user_message = one_of(pair.pop())?;
    Ok(Some(Sent { user_message, assistant_message }))
}

/// A question follows an answer of the same conversation that is not being written any more.
async fn check_parent(
    tx: &mut Tx,
    user: Uuid,
    conversation: Uuid,
    parent: Option<Uuid>,
    content: &str,
) -> Result<(), ChatError> {
    if let Some(parent) = parent {
        let link = store::link(tx, user, parent)
            .await?
            .filter(|link| link.conversation_id == conversation)
            .ok_or(ChatError::NotFound("parent message"))?;
        if link.role != MessageRole::Assistant {
            return Err(ChatError::InvalidParent);
        }
        if link.status.is_running() {
            return Err(ChatError::AnswerInProgress);
        }
    }
    match store::same_question_running(tx, user, conversation, parent, content).await? {
        true => Err(ChatError::AnswerInProgress),
        false => Ok(()),
    }
}

fn one(mut messages: Vec<Message>) -> Result<Message, ChatError> {
    one_of(messages.pop())
}

fn one_of(message: Option<Message>) -> Result<Message, ChatError> {
    message.ok_or(ChatError::NotFound("message"))
}
