use axum::Json;
use axum::extract::State;
use http::StatusCode;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ApiQuery, PageQuery, ProblemDocument};
use serde::Deserialize;
use uuid::Uuid;

use super::{Conversation, ConversationPage, Filter, NewConversation, UpdateConversation};
use crate::{Chat, ConversationDelete, ConversationRead, ConversationWrite, words};

/// What to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Words that the title or a message must have, each at least its beginning.
    pub q: Option<String>,
    /// Archived ones instead of the others.
    pub archived: Option<bool>,
    /// Only favourites (`true`) or only others (`false`).
    pub favorite: Option<bool>,
    /// Rows wanted, 1 to 200; 50 by default.
    pub limit: Option<i64>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Lists the caller's conversations, the last active first. Those that are archived are listed by
/// themselves (`archived`).
#[utoipa::path(
    get, path = "/conversations", tag = "conversations", params(ListQuery),
    responses(
        (status = 200, body = ConversationPage),
        (status = 400, body = ProblemDocument, description = "`invalid_cursor`"),
    )
)]
pub(crate) async fn list_conversations(
    State(chat): State<Chat>,
    allowed: Allow<ConversationRead>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<ConversationPage>, ApiError> {
    let page = PageQuery { limit: query.limit, cursor: query.cursor }.request()?;
    let search = query.q.filter(|q| !q.trim().is_empty());
    let words = match search {
        None => None,
        Some(search) => {
            let search: String = search.chars().take(500).collect();
            let words = tokio::task::spawn_blocking(move || words::query(&search)).await;
            match words.map_err(ApiError::internal)? {
                Some(words) => Some(words),
                // Nothing but punctuation: nothing can match.
                None => return Ok(Json(ConversationPage { items: vec![], next_cursor: None })),
            }
        }
    };
    let filter =
        Filter { words, archived: query.archived.unwrap_or(false), favorite: query.favorite };
    let page = chat.list_conversations(&allowed.caller, filter, page).await?;
    Ok(Json(ConversationPage { items: page.items, next_cursor: page.next_cursor }))
}

/// Begins a conversation. It begins empty: `POST /conversations/{id}/messages` asks the first
/// question.
#[utoipa::path(
    post, path = "/conversations", tag = "conversations", request_body = NewConversation,
    responses(
        (status = 201, body = Conversation),
        (status = 404, body = ProblemDocument, description = "No such model or knowledge base"),
        (status = 422, body = ProblemDocument),
    )
)]
pub(crate) async fn create_conversation(
    State(chat): State<Chat>,
    allowed: Allow<ConversationWrite>,
    ApiJson(new): ApiJson<NewConversation>,
) -> Result<(StatusCode, Json<Conversation>), ApiError> {
    Ok((StatusCode::CREATED, Json(chat.create_conversation(&allowed.caller, new).await?)))
}

/// Reads one conversation. Its messages are at `/conversations/{id}/messages`.
#[utoipa::path(
    get, path = "/conversations/{id}", tag = "conversations", params(("id" = Uuid, Path)),
    responses((status = 200, body = Conversation), (status = 404, body = ProblemDocument))
)]
pub(crate) async fn get_conversation(
    State(chat): State<Chat>,
    allowed: Allow<ConversationRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<Conversation>, ApiError> {
    Ok(Json(chat.get_conversation(&allowed.caller, id).await?))
}

/// Changes a conversation. Absent members stay. Another model or other knowledge bases count from
/// the next answer on.
#[utoipa::path(
    patch, path = "/conversations/{id}", tag = "conversations", params(("id" = Uuid, Path)),
    request_body = UpdateConversation,
    responses(
        (status = 200, body = Conversation),
        (status = 404, body = ProblemDocument),
        (status = 422, body = ProblemDocument),
    )
)]
pub(crate) async fn update_conversation(
    State(chat): State<Chat>,
    allowed: Allow<ConversationWrite>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(update): ApiJson<UpdateConversation>,
) -> Result<Json<Conversation>, ApiError> {
    Ok(Json(chat.update_conversation(&allowed.caller, id, update).await?))
}

/// Deletes a conversation with its messages; a running answer is ended.
#[utoipa::path(
    delete, path = "/conversations/{id}", tag = "conversations", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 404, body = ProblemDocument))
)]
pub(crate) async fn delete_conversation(
    State(chat): State<Chat>,
    allowed: Allow<ConversationDelete>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    chat.delete_conversation(&allowed.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
