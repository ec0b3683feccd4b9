use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Citation, Context, Message, MessageError, MessageRole, MessageStatus};

type Result<T> = std::result::Result<T, sqlx::Error>;

/// `last` and the messages before it, up to `limit` in all, oldest first. Goes up from child to
/// parent by key, so its cost follows `limit` alone.
pub(crate) async fn walk(
    connection: &mut PgConnection,
    user: Uuid,
    last: Uuid,
    limit: i64,
) -> Result<Vec<Message>> {
    let rows = sqlx::query!(
        r#"WITH RECURSIVE branch AS (
               SELECT m.id, m.parent_id, 1::bigint AS depth FROM chat.messages m
               WHERE m.id = $1 AND m.user_id = $2 AND m.deleted_at IS NULL
             UNION ALL
               SELECT p.id, p.parent_id, b.depth + 1
               FROM branch b JOIN chat.messages p ON p.id = b.parent_id
               WHERE b.depth < $3
           )
           SELECT m.id AS "id!", m.conversation_id AS "conversation_id!", m.parent_id,
                  m.sequence_number AS "sequence_number!", m.role AS "role!: MessageRole",
                  m.content AS "content!", m.reasoning, m.status AS "status!: MessageStatus",
                  m.error_code, m.error_detail, m.finish_reason,
                  m.citations AS "citations!: Json<Vec<Citation>>", m.model, m.provider,
                  m.prompt_tokens, m.completion_tokens, m.cost, m.created_at AS "created_at!",
                  ARRAY(
                      SELECT s.id FROM (
                          SELECT id, sequence_number FROM chat.messages
                          WHERE conversation_id = m.conversation_id AND parent_id = m.parent_id
                        UNION ALL
                          SELECT id, sequence_number FROM chat.messages
                          WHERE m.parent_id IS NULL AND conversation_id = m.conversation_id
                            AND parent_id IS NULL
                      ) s ORDER BY s.sequence_number LIMIT 500
                  ) AS "siblings!: Vec<Uuid>"
           FROM branch b JOIN chat.messages m ON m.id = b.id
           WHERE m.user_id = $2
           ORDER BY m.sequence_number"#,
        last,
        user,
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Message {
            id: row.id,
            conversation_id: row.conversation_id,
            parent_id: row.parent_id,
            sequence_number: row.sequence_number,
            role: row.role,
            content: row.content,
            reasoning: row.reasoning,
            status: row.status,
            error: row
                .error_code
                .map(|code| MessageError { code, detail: row.error_detail.unwrap_or_default() }),
            finish_reason: row.finish_reason,
            citations: row.citations.0,
            siblings: row.siblings,
            model: row.model,
            provider: row.provider,
            prompt_tokens: row.prompt_tokens,
            completion_tokens: row.completion_tokens,
            cost: row.cost,
            created_at: row.created_at,
        })
        .collect())
}

/// The parent of the message with a sequence number: `None` without such a message, `Some(None)`
/// where it is the first.
pub(crate) async fn parent_of(
    connection: &mut PgConnection,
    user: Uuid,
    conversation: Uuid,
    sequence_number: i64,
) -> Result<Option<Option<Uuid>>> {
    sqlx::query_scalar!(
        "SELECT parent_id FROM chat.messages
         WHERE conversation_id = $1 AND user_id = $2 AND sequence_number = $3
           AND deleted_at IS NULL",
        conversation,
        user,
        sequence_number,
    )
    .fetch_optional(connection)
    .await
}

/// The end of the branch that goes on below a message, always along the newest child.
pub(crate) async fn end_of_branch(
    connection: &mut PgConnection,
    user: Uuid,
    conversation: Uuid,
    message: Uuid,
) -> Result<Option<Uuid>> {
    sqlx::query_scalar!(
        r#"WITH RECURSIVE down AS (
               SELECT m.id, 0::bigint AS depth FROM chat.messages m
               WHERE m.id = $1 AND m.conversation_id = $2 AND m.user_id = $3
                 AND m.deleted_at IS NULL
             UNION ALL
               SELECT child.id, d.depth + 1
               FROM down d CROSS JOIN LATERAL (
                   SELECT c.id FROM chat.messages c
                   WHERE c.conversation_id = $2 AND c.parent_id = d.id
                   ORDER BY c.sequence_number DESC LIMIT 1
               ) child
           )
           SELECT id AS "id!" FROM down ORDER BY depth DESC LIMIT 1"#,
        message,
        conversation,
        user,
    )
    .fetch_optional(connection)
    .await
}

/// What sending needs to know about a message.
pub(crate) struct Link {
    pub conversation_id: Uuid,
    pub parent_id: Option<Uuid>,
    pub role: MessageRole,
    pub status: MessageStatus,
}

pub(crate) async fn link(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
) -> Result<Option<Link>> {
    sqlx::query_as!(
        Link,
        r#"SELECT conversation_id, parent_id, role AS "role: MessageRole",
                  status AS "status: MessageStatus"
           FROM chat.messages WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL"#,
        id,
        user,
    )
    .fetch_optional(connection)
    .await
}

/// Whether an answer to a message is being written.
pub(crate) async fn answer_running(
    connection: &mut PgConnection,
    user: Uuid,
    conversation: Uuid,
    question: Uuid,
) -> Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM chat.messages
               WHERE conversation_id = $1 AND user_id = $2 AND parent_id = $3
                 AND status IN ('pending', 'streaming')
           ) AS "running!""#,
        conversation,
        user,
        question,
    )
    .fetch_one(connection)
    .await
}

/// Whether the same words at the same place are being answered: a double click.
pub(crate) async fn same_question_running(
    connection: &mut PgConnection,
    user: Uuid,
    conversation: Uuid,
    parent: Option<Uuid>,
    content: &str,
) -> Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM chat.messages answer
               JOIN chat.messages question ON question.id = answer.parent_id
               WHERE answer.user_id = $2 AND answer.conversation_id = $1
                 AND answer.status IN ('pending', 'streaming')
                 AND question.parent_id IS NOT DISTINCT FROM $3 AND question.content = $4
           ) AS "running!""#,
        conversation,
        user,
        parent,
        content,
    )
    .fetch_one(connection)
    .await
}

/// The question sent with an idempotency key, and its first answer.
pub(crate) async fn sent_with_key(
    connection: &mut PgConnection,
    user: Uuid,
    conversation: Uuid,
    key: &str,
) -> Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "SELECT answer.id FROM chat.messages question
         JOIN chat.messages answer
           ON answer.conversation_id = question.conversation_id AND answer.parent_id = question.id
         WHERE question.conversation_id = $1 AND question.user_id = $2
           AND question.idempotency_key = $3
         ORDER BY answer.sequence_number LIMIT 1",
        conversation,
        user,
        key,
    )
    .fetch_optional(connection)
    .await
}

/// Whose a new message is and where it goes.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub id: Uuid,
    pub conversation_id: Uuid,
    pub user_id: Uuid,
    pub parent_id: Option<Uuid>,
    pub sequence_number: i64,
    pub at: DateTime<Utc>,
}

pub(crate) async fn insert_question(
    connection: &mut PgConnection,
    place: Place,
    content: &str,
    words: &str,
    idempotency_key: Option<&str>,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO chat.messages
           (id, conversation_id, user_id, parent_id, sequence_number, role, content, status, words,
            idempotency_key, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, 'user', $6, 'completed', to_tsvector('simple', $7), $8, $9,
                 $9)",
        place.id,
        place.conversation_id,
        place.user_id,
        place.parent_id,
        place.sequence_number,
        content,
        words,
        idempotency_key,
        place.at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn insert_answer(
    connection: &mut PgConnection,
    place: Place,
    node: &str,
    api_key_id: Option<Uuid>,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO chat.messages
           (id, conversation_id, user_id, parent_id, sequence_number, role, status, node,
            api_key_id, heartbeat_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, 'assistant', 'pending', $6, $7, $8, $8, $8)",
        place.id,
        place.conversation_id,
        place.user_id,
        place.parent_id,
        place.sequence_number,
        node,
        api_key_id,
        place.at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What an explanation is made of.
pub(crate) struct ExplainedRow {
    pub role: MessageRole,
    pub context: Option<Json<Context>>,
    pub model: Option<String>,
    pub provider: Option<String>,
    pub prompt_tokens: Option<i64>,
    pub completion_tokens: Option<i64>,
    pub cost: Option<Decimal>,
    pub latency_ms: Option<i64>,
    pub first_token_ms: Option<i64>,
    pub request_id: Option<Uuid>,
}

pub(crate) async fn explained(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
) -> Result<Option<ExplainedRow>> {
    sqlx::query_as!(
        ExplainedRow,
        r#"SELECT role AS "role: MessageRole", context AS "context: Json<Context>", model, provider,
                  prompt_tokens, completion_tokens, cost, latency_ms, first_token_ms, request_id
           FROM chat.messages WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL"#,
        id,
        user,
    )
    .fetch_optional(connection)
    .await
}
