use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ConversationConfig;

type Result<T> = std::result::Result<T, sqlx::Error>;

#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub user: Uuid,
    pub conversation: Uuid,
}

pub(crate) async fn find(
    connection: &mut PgConnection,
    user: Uuid,
    conversation: Uuid,
    key: &str,
) -> Result<Option<ConversationConfig>> {
    sqlx::query_as!(
        ConversationConfig,
        "SELECT key, value, updated_at FROM chat.conversation_configs
         WHERE conversation_id = $1 AND user_id = $2 AND key = $3",
        conversation,
        user,
        key,
    )
    .fetch_optional(connection)
    .await
}

pub(crate) async fn put(
    connection: &mut PgConnection,
    id: Uuid,
    owner: Owner,
    key: &str,
    value: &Value,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO chat.conversation_configs
           (id, conversation_id, user_id, key, value, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6)
         ON CONFLICT ON CONSTRAINT conversation_configs_key DO UPDATE SET value = excluded.value",
        id,
        owner.conversation,
        owner.user,
        key,
        value,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The settings that the program itself reads.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub system_prompt: Option<String>,
    pub temperature: Option<f32>,
    pub max_tokens: Option<u32>,
}

pub(crate) async fn known(
    connection: &mut PgConnection,
    user: Uuid,
    conversation: Uuid,
) -> Result<Known> {
    let rows = sqlx::query!(
        "SELECT key, value FROM chat.conversation_configs
         WHERE conversation_id = $1 AND user_id = $2
           AND key IN ('system_prompt', 'temperature', 'max_tokens')",
        conversation,
        user,
    )
    .fetch_all(connection)
    .await?;
    let mut known = Known::default();
    for row in rows {
        match row.key.as_str() {
            "system_prompt" => known.system_prompt = row.value.as_str().map(str::to_owned),
            "temperature" => known.temperature = row.value.as_f64().map(|t| t as f32),
            _ => known.max_tokens = row.value.as_u64().and_then(|n| u32::try_from(n).ok()),
        }
    }
    Ok(known)
}
