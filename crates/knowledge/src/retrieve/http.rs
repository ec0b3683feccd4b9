use axum::Json;
use axum::extract::State;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ProblemDocument};
use uuid::Uuid;

use super::{CANDIDATES, SearchAnswer, SearchQuestion};
use crate::{Knowledge, KnowledgeBaseRead};

/// Searches a knowledge base by meaning and by words.
#[utoipa::path(
    post, path = "/knowledge-bases/{id}/search", tag = "knowledge", params(("id" = Uuid, Path)),
    request_body = SearchQuestion,
    responses(
        (status = 200, body = SearchAnswer),
        (status = 404, body = ProblemDocument),
        (status = 422, body = ProblemDocument, description = "`invalid_field`"),
        (status = 503, body = ProblemDocument, description = "The embedding model is not ready"),
    )
)]
pub(crate) async fn search_knowledge_base(
    State(knowledge): State<Knowledge>,
    allowed: Allow<KnowledgeBaseRead>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(question): ApiJson<SearchQuestion>,
) -> Result<Json<SearchAnswer>, ApiError> {
    let limit = question.limit.map(|limit| limit.clamp(1, CANDIDATES.unsigned_abs() as usize));
    let user = allowed.caller.user_id;
    let request = lyceum_core::new_id();
    let found = knowledge.retrieve(user, &[id], &question.query, limit, request).await?;
    Ok(Json(SearchAnswer { items: found.chunks, took_ms: found.took_ms }))
}
