use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::Plan;
use super::settle::Final;
use crate::messages::Context;
use crate::model::ModelConfig;

type Result<T> = std::result::Result<T, sqlx::Error>;

/// From now on the answer is written, by `model` if one is asked; `false` if the message is gone or
/// ended.
pub(crate) async fn mark_streaming(
    connection: &mut PgConnection,
    plan: &Plan,
    model: Option<&ModelConfig>,
    context: &Context,
    at: DateTime<Utc>,
) -> Result<bool> {
    // The column takes no U+0000, and passages may come from anywhere.
    let context = serde_json::to_value(context).unwrap_or_default();
    let updated = sqlx::query!(
        "UPDATE chat.messages SET status = 'streaming', context = $3, model = $4, provider = $5,
            request_id = $6, heartbeat_at = $7
         WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL AND status = 'pending'",
        plan.message_id,
        plan.user_id,
        without_nul(context),
        model.map(|model| model.model.as_str()),
        model.map(|model| model.provider.as_str()),
        model.is_some().then_some(plan.request_id),
        at,
    )
    .execute(connection)
    .await?;
    Ok(updated.rows_affected() == 1)
}

fn without_nul(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "")),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nul).collect()),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(k, v)| (k, without_nul(v))).collect())
        }
        other => other,
    }
}

/// Writes the text so far. Answers whether somebody asked to stop; `None` if the message is gone
/// or ended.
pub(crate) async fn checkpoint(
    connection: &mut PgConnection,
    plan: &Plan,
    answer: &str,
    reasoning: &str,
    at: DateTime<Utc>,
) -> Result<Option<bool>> {
    sqlx::query_scalar!(
        r#"UPDATE chat.messages SET content = $3, reasoning = nullif($4, ''), heartbeat_at = $5
           WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL
             AND status IN ('pending', 'streaming')
           RETURNING stop_requested_at IS NOT NULL AS "stop!""#,
        plan.message_id,
        plan.user_id,
        answer,
        reasoning,
        at,
    )
    .fetch_optional(connection)
    .await
}

/// Whether somebody asked to stop; `None` if the message is gone or ended.
pub(crate) async fn stop_requested(
    connection: &mut PgConnection,
    plan: &Plan,
) -> Result<Option<bool>> {
    sqlx::query_scalar!(
        r#"SELECT stop_requested_at IS NOT NULL AS "stop!" FROM chat.messages
           WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL
             AND status IN ('pending', 'streaming')"#,
        plan.message_id,
        plan.user_id,
    )
    .fetch_optional(connection)
    .await
}

/// Writes the final state; `false` if the message is gone or ended.
pub(crate) async fn finish(
    connection: &mut PgConnection,
    user: Uuid,
    message: Uuid,
    end: &Final,
    at: DateTime<Utc>,
) -> Result<bool> {
    let record = end.record.as_ref();
    let (code, detail) = match &end.error {
        Some((code, detail)) => (Some(storable(code, 100)), Some(storable(detail, 2_000))),
        None => (None, None),
    };
    let updated = sqlx::query!(
        "UPDATE chat.messages SET
            status = $3, content = $4, reasoning = nullif($5, ''),
            words = to_tsvector('simple', $6), error_code = $7, error_detail = $8,
            finish_reason = $9, citations = $10, prompt_tokens = $11, completion_tokens = $12,
            cost = $13, latency_ms = $14, first_token_ms = $15, model = coalesce($16, model),
            heartbeat_at = $17, provider = coalesce($18, provider)
         WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL
           AND status IN ('pending', 'streaming')",
        message,
        user,
        end.status.as_str(),
        end.answer,
        end.reasoning,
        end.words,
        code,
        detail,
        end.finish_reason,
        Json(&end.citations) as _,
        record.map(|record| record.prompt_tokens),
        record.map(|record| record.completion_tokens),
        record.and_then(|record| record.cost),
        record.map(|record| i64::from(record.latency_ms)),
        record.and_then(|record| record.first_token_ms).map(i64::from),
        record.map(|record| record.model.as_str()),
        at,
        record.map(|record| record.provider.as_str()),
    )
    .execute(connection)
    .await?;
    Ok(updated.rows_affected() == 1)
}

fn storable(text: &str, limit: usize) -> String {
    text.chars().filter(|c| *c != '\0').take(limit).collect()
}

pub(crate) async fn request_stop(
    connection: &mut PgConnection,
    user: Uuid,
    message: Uuid,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "UPDATE chat.messages SET stop_requested_at = coalesce(stop_requested_at, $3)
         WHERE id = $1 AND user_id = $2 AND status IN ('pending', 'streaming')",
        message,
        user,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// An answer that nobody keeps alive.
pub(crate) struct Orphan {
    pub id: Uuid,
    pub user_id: Uuid,
    pub conversation_id: Uuid,
    pub begun: bool,
    /// Whether the question has an earlier answer.
    pub asked_again: bool,
    pub stop_requested: bool,
    pub content: String,
    pub reasoning: Option<String>,
    pub request_id: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    pub model_config_id: Option<Uuid>,
    pub knowledge_base_ids: Vec<Uuid>,
    pub api_key_id: Option<Uuid>,
    /// The models that whoever asked may name now: `None` for all, none by a key that has ended.
    pub models: Option<Vec<String>>,
}

/// Answers of `node` itself (which has just started, so nothing can be running there), and those
/// whose node was last heard of before `silent_since`, except those in `running`. A key that expired
/// by `at` has ended. As the platform.
pub(crate) async fn orphans(
    connection: &mut PgConnection,
    node: Option<&str>,
    silent_since: DateTime<Utc>,
    running: &[Uuid],
    at: DateTime<Utc>,
) -> Result<Vec<Orphan>> {
    sqlx::query_as!(
        Orphan,
        r#"SELECT m.id, m.user_id, m.conversation_id, m.status = 'streaming' AS "begun!",
                  EXISTS (SELECT FROM chat.messages s
                          WHERE s.conversation_id = m.conversation_id
                            AND s.parent_id = m.parent_id
                            AND s.sequence_number < m.sequence_number) AS "asked_again!",
                  m.stop_requested_at IS NOT NULL AS "stop_requested!", m.content, m.reasoning,
                  m.request_id, m.created_at, c.model_config_id, c.knowledge_base_ids, m.api_key_id,
                  CASE WHEN m.api_key_id IS NULL OR EXISTS (
                           SELECT FROM identity.api_keys k
                           WHERE k.id = m.api_key_id AND k.status = 'active'
                             AND k.deleted_at IS NULL AND coalesce(k.expires_at > $4, true))
                       THEN (SELECT k.models FROM identity.api_keys k WHERE k.id = m.api_key_id)
                       ELSE '{}' END AS models
           FROM chat.messages m JOIN chat.conversations c ON c.id = m.conversation_id
           WHERE m.status IN ('pending', 'streaming') AND m.deleted_at IS NULL
             AND (m.node = $1 OR m.heartbeat_at < $2) AND m.id <> ALL ($3)
           ORDER BY m.created_at LIMIT 1000"#,
        node,
        silent_since,
        running,
        at,
    )
    .fetch_all(connection)
    .await
}

/// Takes over an answer that was not begun; `false` if another node was faster.
pub(crate) async fn adopt(
    connection: &mut PgConnection,
    orphan: &Orphan,
    node: &str,
    silent_since: DateTime<Utc>,
    at: DateTime<Utc>,
) -> Result<bool> {
    let updated = sqlx::query!(
        "UPDATE chat.messages SET node = $3, heartbeat_at = $4
         WHERE id = $1 AND user_id = $2 AND status = 'pending' AND deleted_at IS NULL
           AND (node = $3 OR heartbeat_at < $5)",
        orphan.id,
        orphan.user_id,
        node,
        at,
        silent_since,
    )
    .execute(connection)
    .await?;
    Ok(updated.rows_affected() == 1)
}
