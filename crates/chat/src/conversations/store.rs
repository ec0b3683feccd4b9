use chrono::{DateTime, Utc};
use lyceum_core::PageRequest;
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::{Conversation, Filter};

type Result<T> = std::result::Result<T, sqlx::Error>;

pub(crate) struct NewRow<'a> {
    pub id: Uuid,
    pub user_id: Uuid,
    /// A title that the person chose.
    pub title: Option<&'a str>,
    pub title_words: Option<&'a str>,
    pub model_config_id: Option<Uuid>,
    pub knowledge_base_ids: &'a [Uuid],
    pub at: DateTime<Utc>,
}

pub(crate) async fn insert(connection: &mut PgConnection, row: &NewRow<'_>) -> Result<()> {
    sqlx::query!(
        "INSERT INTO chat.conversations
           (id, user_id, title, title_source, title_words, status, model_config_id,
            knowledge_base_ids, last_message_at, created_at, updated_at)
         VALUES ($1, $2, coalesce($3, ''), CASE WHEN $3::text IS NULL THEN 'auto' ELSE 'user' END,
                 to_tsvector('simple', $4), 'completed', $5, $6, $7, $7, $7)",
        row.id,
        row.user_id,
        row.title,
        row.title_words,
        row.model_config_id,
        row.knowledge_base_ids,
        row.at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn find(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
) -> Result<Option<Conversation>> {
    sqlx::query_as!(
        Conversation,
        "SELECT id, kind, title, title_source, status, model_config_id, knowledge_base_ids,
                is_favorite, archived_at, total_tokens, message_count, last_message_at,
                active_leaf_id, created_at, updated_at
         FROM chat.conversations WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL",
        id,
        user,
    )
    .fetch_optional(connection)
    .await
}

pub(crate) async fn list(
    connection: &mut PgConnection,
    user: Uuid,
    filter: &Filter,
    page: PageRequest,
) -> Result<Vec<Conversation>> {
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT id, kind, title, title_source, status, model_config_id, knowledge_base_ids,
                is_favorite, archived_at, total_tokens, message_count, last_message_at,
                active_leaf_id, created_at, updated_at
         FROM chat.conversations WHERE deleted_at IS NULL AND user_id = ",
    );
    query.push_bind(user);
    query.push(if filter.archived {
        " AND archived_at IS NOT NULL"
    } else {
        " AND archived_at IS NULL"
    });
    if let Some(favorite) = filter.favorite {
        query.push(" AND is_favorite = ").push_bind(favorite);
    }
    if let Some(words) = &filter.words {
        query
            .push(" AND id IN (SELECT app.conversations_matching(to_tsquery('simple', ")
            .push_bind(words)
            .push(")))");
    }
    if let Some(after) = page.after {
        query.push(" AND (last_message_at, id) < (").push_bind(after.at).push(", ");
        query.push_bind(after.id).push(")");
    }
    query.push(" ORDER BY last_message_at DESC, id DESC LIMIT ").push_bind(page.limit + 1);
    query.build_query_as().fetch_all(connection).await
}

impl<'r> FromRow<'r, sqlx::postgres::PgRow> for Conversation {
    fn from_row(row: &'r sqlx::postgres::PgRow) -> Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            kind: row.try_get("kind")?,
            title: row.try_get("title")?,
            title_source: row.try_get("title_source")?,
            status: row.try_get("status")?,
            model_config_id: row.try_get("model_config_id")?,
            knowledge_base_ids: row.try_get("knowledge_base_ids")?,
            is_favorite: row.try_get("is_favorite")?,
            archived_at: row.try_get("archived_at")?,
            total_tokens: row.try_get("total_tokens")?,
            message_count: row.try_get("message_count")?,
            last_message_at: row.try_get("last_message_at")?,
            active_leaf_id: row.try_get("active_leaf_id")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// What to change; `None` stays.
#[derive(Default)]
pub(crate) struct Change<'a> {
    pub title: Option<&'a str>,
    pub title_words: Option<&'a str>,
    pub model_config_id: Option<Option<Uuid>>,
    pub knowledge_base_ids: Option<&'a [Uuid]>,
    pub is_favorite: Option<bool>,
    pub archived: Option<bool>,
}

pub(crate) async fn update(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    change: &Change<'_>,
    at: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "UPDATE chat.conversations SET
            title = coalesce($3, title),
            title_source = CASE WHEN $3::text IS NULL THEN title_source ELSE 'user' END,
            title_words = CASE WHEN $3::text IS NULL THEN title_words
                               ELSE to_tsvector('simple', $4) END,
            model_config_id = CASE WHEN $5 THEN $6 ELSE model_config_id END,
            knowledge_base_ids = coalesce($7, knowledge_base_ids),
            is_favorite = coalesce($8, is_favorite),
            archived_at = CASE WHEN $9::boolean IS NULL THEN archived_at
                               WHEN $9 THEN coalesce(archived_at, $10) END
         WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL",
        id,
        user,
        change.title,
        change.title_words,
        change.model_config_id.is_some(),
        change.model_config_id.flatten(),
        change.knowledge_base_ids,
        change.is_favorite,
        change.archived,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A title that the program chose; a person's own is left alone.
pub(crate) async fn set_auto_title(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    title: &str,
    title_words: &str,
) -> Result<()> {
    sqlx::query!(
        "UPDATE chat.conversations SET title = $3, title_words = to_tsvector('simple', $4)
         WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL AND title_source = 'auto'",
        id,
        user,
        title,
        title_words,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks the conversation and all its messages as deleted; `false` if there is none.
pub(crate) async fn delete(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    at: DateTime<Utc>,
) -> Result<bool> {
    let deleted = sqlx::query!(
        "UPDATE chat.conversations SET deleted_at = $3
         WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL",
        id,
        user,
        at,
    )
    .execute(&mut *connection)
    .await?;
    if deleted.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "UPDATE chat.messages SET deleted_at = $3,
            status = CASE WHEN status IN ('pending', 'streaming') THEN 'stopped' ELSE status END
         WHERE conversation_id = $1 AND user_id = $2 AND deleted_at IS NULL",
        id,
        user,
        at,
    )
    .execute(connection)
    .await?;
    Ok(true)
}

/// The row of a conversation that is about to be written in.
pub(crate) struct Locked {
    pub title: String,
    pub title_source: String,
    pub knowledge_base_ids: Vec<Uuid>,
    pub last_sequence: i64,
    pub active_leaf_id: Option<Uuid>,
}

/// Locks the conversation against other writers until the transaction ends.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
) -> Result<Option<Locked>> {
    sqlx::query_as!(
        Locked,
        "SELECT title, title_source, knowledge_base_ids, last_sequence, active_leaf_id
         FROM chat.conversations WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL
         FOR NO KEY UPDATE",
        id,
        user,
    )
    .fetch_optional(connection)
    .await
}

/// What new messages change in their conversation.
pub(crate) struct Advance<'a> {
    pub added: i64,
    pub active_leaf_id: Uuid,
    pub model_config_id: Option<Uuid>,
    pub knowledge_base_ids: Option<&'a [Uuid]>,
    pub auto_title: Option<(&'a str, &'a str)>,
    pub at: DateTime<Utc>,
}

/// Counts new messages; to be called with the row locked.
pub(crate) async fn advance(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    by: &Advance<'_>,
) -> Result<()> {
    sqlx::query!(
        "UPDATE chat.conversations SET
            last_sequence = last_sequence + $3, message_count = message_count + $3,
            last_message_at = greatest(last_message_at, $4), active_leaf_id = $5,
            status = 'active', archived_at = NULL,
            model_config_id = coalesce($6, model_config_id),
            knowledge_base_ids = coalesce($7, knowledge_base_ids),
            title = coalesce($8, title),
            title_words = CASE WHEN $8::text IS NULL THEN title_words
                               ELSE to_tsvector('simple', $9) END
         WHERE id = $1 AND user_id = $2",
        id,
        user,
        by.added,
        by.at,
        by.active_leaf_id,
        by.model_config_id,
        by.knowledge_base_ids,
        by.auto_title.map(|(title, _)| title),
        by.auto_title.map(|(_, words)| words),
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn set_active_leaf(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    leaf: Uuid,
) -> Result<()> {
    sqlx::query!(
        "UPDATE chat.conversations SET active_leaf_id = $3
         WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL",
        id,
        user,
        leaf,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts an answer that ended. Locks the row, so it goes before the message in a transaction.
pub(crate) async fn settle(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    tokens: i64,
    status: &str,
    at: DateTime<Utc>,
) -> Result<bool> {
    let settled = sqlx::query!(
        "UPDATE chat.conversations SET total_tokens = total_tokens + $3, status = $4,
            last_message_at = greatest(last_message_at, $5)
         WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL",
        id,
        user,
        tokens,
        status,
        at,
    )
    .execute(connection)
    .await?;
    Ok(settled.rows_affected() == 1)
}
