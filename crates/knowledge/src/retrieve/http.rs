use axum::Json;
use axum::extract::State;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ProblemDocument};
use uuid::Uuid;

use super::{Asker, CANDIDATES, Retrieval, SearchAnswer, SearchQuestion};
use crate::{Knowledge, KnowledgeBaseRead};

/// Searches a knowledge base by meaning and by words. `relevant` says whether any of what was found
/// seems to be about the question.
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
    let asker = Asker {
        user_id: allowed.caller.user_id,
        api_key_id: allowed.caller.credential.api_key_id(),
        request_id: lyceum_core::new_id(),
    };
    let found = knowledge.retrieve(asker, &[id], &question.query, limit).await?;
    let Retrieval { chunks: items, relevant, took_ms, .. } = found;
    Ok(Json(SearchAnswer { items, relevant, took_ms }))
}
