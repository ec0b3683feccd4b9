//! Settings of one conversation, as key and JSON value. The program itself reads `system_prompt`
//! (text that is added to its instructions), `temperature` (0 to 2) and `max_tokens`.

pub(crate) mod http;
pub(crate) mod store;

use chrono::{DateTime, Utc};
use lyceum_core::new_id;
use lyceum_http::Caller;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Chat, ChatError};

/// One setting of a conversation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConversationConfig {
    /// Its key.
    pub key: String,
    /// Its value, any JSON.
    pub value: Value,
    /// When it was last set.
    pub updated_at: DateTime<Utc>,
}

/// A value to set.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutConfig {
    /// Any JSON up to 64 KiB. For `system_prompt` a text, for `temperature` a number from 0 to 2,
    /// for `max_tokens` a whole number from 1.
    pub value: Value,
}

impl Chat {
    pub(crate) async fn get_config(
        &self,
        caller: &Caller,
        conversation: Uuid,
        key: &str,
    ) -> Result<ConversationConfig, ChatError> {
        self.get_conversation(caller, conversation).await?;
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let found = store::find(&mut tx, caller.user_id, conversation, key).await?;
        tx.commit().await?;
        found.ok_or(ChatError::NotFound("setting"))
    }

    pub(crate) async fn put_config(
        &self,
        caller: &Caller,
        conversation: Uuid,
        key: &str,
        value: Value,
    ) -> Result<ConversationConfig, ChatError> {
        self.get_conversation(caller, conversation).await?;
        check(key, &value)?;
        let at = self.inner.clock.now();
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let owner = store::Owner { user: caller.user_id, conversation };
        store::put(&mut tx, new_id(), owner, key, &value, at).await?;
        let found = store::find(&mut tx, caller.user_id, conversation, key).await?;
        tx.commit().await?;
        found.ok_or(ChatError::NotFound("setting"))
    }
}

fn check(key: &str, value: &Value) -> Result<(), ChatError> {
    let is_key = key.len() <= 64
        && key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.".contains(&b));
    if !is_key {
        return Err(ChatError::InvalidConfigKey);
    }
    if value.to_string().contains("\\u0000") {
        return Err(ChatError::NulCharacter);
    }
    let wrong = match key {
        "system_prompt" if value.as_str().is_none_or(|text| text.chars().count() > 20_000) => {
            Some("A system prompt is a text of at most 20,000 characters.")
        }
        "temperature" if value.as_f64().is_none_or(|t| !(0.0..=2.0).contains(&t)) => {
            Some("A temperature is a number from 0 to 2.")
        }
        "max_tokens" if value.as_u64().is_none_or(|n| !(1..=1_000_000).contains(&n)) => {
            Some("A number of tokens is a whole number from 1 to 1,000,000.")
        }
        _ => None,
    };
    wrong.map_or(Ok(()), |detail| Err(ChatError::InvalidConfigValue(detail)))
}
