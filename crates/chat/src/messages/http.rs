use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ApiQuery, ProblemDocument};
use serde::Deserialize;
use uuid::Uuid;

use super::{ActiveLeaf, BranchPage, Explanation, MessagePage, Regenerated, SendMessage, Sent};
use crate::{Chat, ChatError, Conversation, ConversationRead, ConversationWrite};

/// Which part of a branch to read.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MessageQuery {
    /// Messages wanted, 1 to 200; 50 by default.
    pub limit: Option<i64>,
    /// `previous` of the page after: messages before that sequence number.
    pub before: Option<i64>,
    /// Any message of the wanted branch; the active branch where absent.
    pub leaf: Option<Uuid>,
}

/// Reads a branch of a conversation, from its end upwards. It is the branch that is shown, unless
/// `leaf` names another; `previous` leads further up.
#[utoipa::path(
    get, path = "/conversations/{id}/messages", tag = "messages",
    params(("id" = Uuid, Path), MessageQuery),
    responses(
        (status = 200, body = MessagePage),
        (status = 404, body = ProblemDocument),
        (status = 422, body = ProblemDocument, description = "`unknown_sequence_number`"),
    )
)]
pub(crate) async fn list_messages(
    State(chat): State<Chat>,
    allowed: Allow<ConversationRead>,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<MessageQuery>,
) -> Result<Json<MessagePage>, ApiError> {
    let limit = query.limit.unwrap_or(50).clamp(1, 200);
    let page = BranchPage { limit, before: query.before, leaf: query.leaf };
    Ok(Json(chat.list_messages(&allowed.caller, id, page).await?))
}

/// Sends a message; the answer is generated on the server and read from its events. Follow
/// `assistant_message` at `/messages/{id}/events`: it is written to its end whether or not somebody
/// does.
#[utoipa::path(
    post, path = "/conversations/{id}/messages", tag = "messages",
    params(
        ("id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header,
         description = "The same key again answers with the messages made the first time"),
    ),
    request_body = SendMessage,
    responses(
        (status = 200, body = Sent, description = "Sent before with the same Idempotency-Key"),
        (status = 201, body = Sent),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "`answer_in_progress`"),
        (status = 422, body = ProblemDocument,
         description = "`empty_content`, `content_too_long`, `invalid_parent` …"),
        (status = 429, body = ProblemDocument, description = "`too_many_running_answers`"),
    )
)]
pub(crate) async fn send_message(
    State(chat): State<Chat>,
    allowed: Allow<ConversationWrite>,
    ApiPath(id): ApiPath<Uuid>,
    headers: HeaderMap,
    ApiJson(message): ApiJson<SendMessage>,
) -> Result<(StatusCode, Json<Sent>), ApiError> {
    let key = idempotency_key(&headers)?;
    let (sent, new) = chat.send(&allowed.caller, id, message, key).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(sent)))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ChatError> {
    match headers.get("idempotency-key") {
        None => Ok(None),
        Some(value) => match value.to_str() {
            Ok(key) if (1..=200).contains(&key.len()) => Ok(Some(key.to_owned())),
            _ => Err(ChatError::InvalidIdempotencyKey),
        },
    }
}

/// Answers again, beside the answer given; also for a question whose answer failed. The new answer
/// begins a branch of its own, which is shown from then on.
#[utoipa::path(
    post, path = "/messages/{id}/regenerate", tag = "messages", params(("id" = Uuid, Path)),
    responses(
        (status = 201, body = Regenerated),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "`answer_in_progress`"),
        (status = 429, body = ProblemDocument, description = "`too_many_running_answers`"),
    )
)]
pub(crate) async fn regenerate_message(
    State(chat): State<Chat>,
    allowed: Allow<ConversationWrite>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<(StatusCode, Json<Regenerated>), ApiError> {
    let assistant_message = chat.regenerate(&allowed.caller, id).await?;
    Ok((StatusCode::CREATED, Json(Regenerated { assistant_message })))
}

/// Ends an answer; its text so far stays. Nothing happens if it has ended already.
#[utoipa::path(
    post, path = "/messages/{id}/stop", tag = "messages", params(("id" = Uuid, Path)),
    responses(
        (status = 204),
        (status = 404, body = ProblemDocument),
        (status = 422, body = ProblemDocument, description = "`not_an_answer`"),
    )
)]
pub(crate) async fn stop_message(
    State(chat): State<Chat>,
    allowed: Allow<ConversationWrite>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    chat.stop(&allowed.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Chooses the branch that is shown. There are branches where a message was edited or answered
/// again.
#[utoipa::path(
    patch, path = "/conversations/{id}/active-leaf", tag = "messages", params(("id" = Uuid, Path)),
    request_body = ActiveLeaf,
    responses((status = 200, body = Conversation), (status = 404, body = ProblemDocument))
)]
pub(crate) async fn set_active_leaf(
    State(chat): State<Chat>,
    allowed: Allow<ConversationWrite>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(leaf): ApiJson<ActiveLeaf>,
) -> Result<Json<Conversation>, ApiError> {
    chat.set_active_leaf(&allowed.caller, id, leaf.message_id).await?;
    Ok(Json(chat.get_conversation(&allowed.caller, id).await?))
}

/// Why an answer is as it is: passages found and dropped, prompt, model, tokens, time and cost.
#[utoipa::path(
    get, path = "/messages/{id}/explanation", tag = "messages", params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = Explanation),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "`not_explained_yet`"),
        (status = 422, body = ProblemDocument, description = "`not_an_answer`"),
    )
)]
pub(crate) async fn explain_message(
    State(chat): State<Chat>,
    allowed: Allow<ConversationRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<Explanation>, ApiError> {
    Ok(Json(chat.explain(&allowed.caller, id).await?))
}
