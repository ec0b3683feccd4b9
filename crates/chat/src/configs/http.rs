use axum::Json;
use axum::extract::State;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ProblemDocument};
use uuid::Uuid;

use super::{ConversationConfig, PutConfig};
use crate::{Chat, ConversationRead, ConversationWrite};

/// Reads a setting of a conversation. `system_prompt`, `temperature` and `max_tokens` are read by
/// the program; all others are kept for the client.
#[utoipa::path(
    get, path = "/conversations/{id}/configs/{key}", tag = "conversations",
    params(("id" = Uuid, Path), ("key" = String, Path)),
    responses((status = 200, body = ConversationConfig), (status = 404, body = ProblemDocument))
)]
pub(crate) async fn get_conversation_config(
    State(chat): State<Chat>,
    allowed: Allow<ConversationRead>,
    ApiPath((id, key)): ApiPath<(Uuid, String)>,
) -> Result<Json<ConversationConfig>, ApiError> {
    Ok(Json(chat.get_config(&allowed.caller, id, &key).await?))
}

/// Sets a setting of a conversation. `system_prompt`, `temperature` and `max_tokens` are read by
/// the program; all others are kept for the client.
#[utoipa::path(
    put, path = "/conversations/{id}/configs/{key}", tag = "conversations",
    params(("id" = Uuid, Path), ("key" = String, Path)),
    request_body = PutConfig,
    responses(
        (status = 200, body = ConversationConfig),
        (status = 404, body = ProblemDocument),
        (status = 422, body = ProblemDocument),
    )
)]
pub(crate) async fn put_conversation_config(
    State(chat): State<Chat>,
    allowed: Allow<ConversationWrite>,
    ApiPath((id, key)): ApiPath<(Uuid, String)>,
    ApiJson(put): ApiJson<PutConfig>,
) -> Result<Json<ConversationConfig>, ApiError> {
    Ok(Json(chat.put_config(&allowed.caller, id, &key, put.value).await?))
}
