//! Conversations: making, listing, searching, changing and deleting them.

pub(crate) mod http;
pub(crate) mod store;

use chrono::{DateTime, Utc};
use lyceum_core::{Cursor, Page, PageRequest, new_id};
use lyceum_http::{ApiError, Caller};
use lyceum_store::StoreError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Chat, ChatError, words};

const MAX_TITLE_CHARS: usize = 200;
const MAX_KNOWLEDGE_BASES: usize = 20;

/// A conversation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Conversation {
    /// Its id.
    pub id: Uuid,
    /// `chat`, `query` (questions to a database) or `application`.
    pub kind: String,
    /// Its title; empty until the first message.
    pub title: String,
    /// `auto` while the program chooses the title, `user` once a person did.
    pub title_source: String,
    /// `active` while an answer is being written, else `completed`, or `error` after a failure.
    pub status: String,
    /// The model that answers; absent for the caller's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_config_id: Option<Uuid>,
    /// The knowledge bases that are asked.
    pub knowledge_base_ids: Vec<Uuid>,
    /// Whether it is a favourite.
    pub is_favorite: bool,
    /// When it was archived; absent if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<DateTime<Utc>>,
    /// Tokens of all its answers, prompts included.
    pub total_tokens: i64,
    /// Messages in all branches.
    pub message_count: i64,
    /// When it was last written in; the order of the list.
    pub last_message_at: DateTime<Utc>,
    /// The last message of the branch that is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_leaf_id: Option<Uuid>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A page of conversations, the last active first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConversationPage {
    /// The conversations.
    pub items: Vec<Conversation>,
    /// Pass as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A conversation to begin.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConversation {
    /// A title; without one the first question gives it.
    #[serde(default)]
    pub title: Option<String>,
    /// The model that answers; the caller's default where absent.
    #[serde(default)]
    pub model_config_id: Option<Uuid>,
    /// Knowledge bases to ask.
    #[serde(default)]
    pub knowledge_base_ids: Vec<Uuid>,
}

/// What to change; absent members stay as they are.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateConversation {
    /// A title of 1 to 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The model that answers; `null` for the caller's default.
    #[serde(
        default,
        deserialize_with = "lyceum_http::present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Uuid>)]
    pub model_config_id: Option<Option<Uuid>>,
    /// The knowledge bases to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knowledge_base_ids: Option<Vec<Uuid>>,
    /// Whether it is a favourite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_favorite: Option<bool>,
    /// Whether it is archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
}

/// Which conversations to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// A query as [`words::query`] makes it.
    pub words: Option<String>,
    pub archived: bool,
    pub favorite: Option<bool>,
}

impl Chat {
    pub(crate) async fn list_conversations(
        &self,
        caller: &Caller,
        filter: Filter,
        page: PageRequest,
    ) -> Result<Page<Conversation>, ChatError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let rows = store::list(&mut tx, caller.user_id, &filter, page).await?;
        tx.commit().await?;
        let cursor_of = |row: &Conversation| Cursor { at: row.last_message_at, id: row.id };
        Ok(Page::from_rows(rows, page.limit, cursor_of))
    }

    pub(crate) async fn create_conversation(
        &self,
        caller: &Caller,
        new: NewConversation,
    ) -> Result<Conversation, ApiError> {
        let title = new.title.as_deref().map(checked_title).transpose()?;
        let title_words = words_of(title.as_deref()).await;
        let user = caller.user_id;
        let bases = self.checked_knowledge_bases(user, new.knowledge_base_ids).await?;
        self.check_model(caller, new.model_config_id).await?;
        let row = store::NewRow {
            id: new_id(),
            user_id: user,
            title: title.as_deref(),
            title_words: title_words.as_deref(),
            model_config_id: new.model_config_id,
            knowledge_base_ids: &bases,
            at: self.inner.clock.now(),
        };
        let mut tx = self.inner.db.begin_as(user).await?;
        store::insert(&mut tx, &row).await.map_err(ChatError::from)?;
        let made = store::find(&mut tx, user, row.id).await.map_err(ChatError::from)?;
        tx.commit().await.map_err(StoreError)?;
        Ok(made.ok_or(ChatError::NotFound("conversation"))?)
    }

    pub(crate) async fn get_conversation(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Conversation, ChatError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let found = store::find(&mut tx, caller.user_id, id).await?;
        tx.commit().await?;
        found.ok_or(ChatError::NotFound("conversation"))
    }

    pub(crate) async fn update_conversation(
        &self,
        caller: &Caller,
        id: Uuid,
        update: UpdateConversation,
    ) -> Result<Conversation, ApiError> {
        let user = caller.user_id;
        // What is not the caller's answers 404 before anything in the request is judged.
        self.get_conversation(caller, id).await?;
        let title = update.title.as_deref().map(checked_title).transpose()?;
        let title_words = words_of(title.as_deref()).await;
        let bases = match update.knowledge_base_ids {
            Some(bases) => Some(self.checked_knowledge_bases(user, bases).await?),
            None => None,
        };
        self.check_model(caller, update.model_config_id.flatten()).await?;
        let change = store::Change {
            title: title.as_deref(),
            title_words: title_words.as_deref(),
            model_config_id: update.model_config_id,
            knowledge_base_ids: bases.as_deref(),
            is_favorite: update.is_favorite,
            archived: update.archived,
        };
        let mut tx = self.inner.db.begin_as(user).await?;
        store::update(&mut tx, user, id, &change, self.inner.clock.now())
            .await
            .map_err(ChatError::from)?;
        let found = store::find(&mut tx, user, id).await.map_err(ChatError::from)?;
        tx.commit().await.map_err(StoreError)?;
        Ok(found.ok_or(ChatError::NotFound("conversation"))?)
    }

    /// Deletes the conversation with everything in it, and ends its running answers.
    pub(crate) async fn delete_conversation(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<(), ChatError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        if !store::delete(&mut tx, caller.user_id, id, self.inner.clock.now()).await? {
            return Err(ChatError::NotFound("conversation"));
        }
        tx.commit().await?;
        self.inner.live.end_conversation(id);
        Ok(())
    }

    /// Refuses knowledge bases that the user may not ask.
    pub(crate) async fn checked_knowledge_bases(
        &self,
        user: Uuid,
        mut bases: Vec<Uuid>,
    ) -> Result<Vec<Uuid>, ApiError> {
        let mut seen = std::collections::HashSet::new();
        bases.retain(|base| seen.insert(*base));
        if bases.len() > MAX_KNOWLEDGE_BASES {
            return Err(ChatError::TooManyKnowledgeBases.into());
        }
        if !bases.is_empty() {
            let retriever = self.inner.retriever.as_ref().ok_or(ChatError::NoRetriever)?;
            retriever.check(user, &bases).await?;
        }
        Ok(bases)
    }

    async fn check_model(&self, caller: &Caller, model: Option<Uuid>) -> Result<(), ApiError> {
        if model.is_some() {
            let found = self.inner.gateway.resolve_chat_model(caller.user_id, model).await?;
            found.for_caller(caller)?;
        }
        Ok(())
    }
}

async fn words_of(title: Option<&str>) -> Option<String> {
    match title {
        Some(title) => Some(words::indexed_off_thread(title.to_owned()).await),
        None => None,
    }
}

fn checked_title(title: &str) -> Result<String, ChatError> {
    let title = title.trim();
    if title.is_empty() || title.chars().count() > MAX_TITLE_CHARS {
        return Err(ChatError::InvalidTitle);
    }
    if title.contains('\0') {
        return Err(ChatError::NulCharacter);
    }
    Ok(title.to_owned())
}
