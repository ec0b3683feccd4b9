use axum::Json;
use axum::extract::State;
use http::StatusCode;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ApiQuery, PageQuery, ProblemDocument};
use uuid::Uuid;

use super::{KnowledgeBase, KnowledgeBasePage, NewKnowledgeBase, UpdateKnowledgeBase};
use crate::{Knowledge, KnowledgeBaseDelete, KnowledgeBaseRead, KnowledgeBaseWrite};

/// Lists the knowledge bases that the caller may see, the newest first.
#[utoipa::path(
    get, path = "/knowledge-bases", tag = "knowledge", params(PageQuery),
    responses(
        (status = 200, body = KnowledgeBasePage),
        (status = 400, body = ProblemDocument, description = "`invalid_cursor`"),
    )
)]
pub(crate) async fn list_knowledge_bases(
    State(knowledge): State<Knowledge>,
    allowed: Allow<KnowledgeBaseRead>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<KnowledgeBasePage>, ApiError> {
    let page = knowledge.list_bases(&allowed.caller, query.request()?).await?;
    Ok(Json(KnowledgeBasePage { items: page.items, next_cursor: page.next_cursor }))
}

/// Makes a knowledge base. Its embedding model never changes.
#[utoipa::path(
    post, path = "/knowledge-bases", tag = "knowledge", request_body = NewKnowledgeBase,
    responses(
        (status = 201, body = KnowledgeBase),
        (status = 404, body = ProblemDocument, description = "No such embedding model"),
        (status = 409, body = ProblemDocument, description = "`name_taken`"),
        (status = 422, body = ProblemDocument, description = "`invalid_field`"),
    )
)]
pub(crate) async fn create_knowledge_base(
    State(knowledge): State<Knowledge>,
    allowed: Allow<KnowledgeBaseWrite>,
    ApiJson(new): ApiJson<NewKnowledgeBase>,
) -> Result<(StatusCode, Json<KnowledgeBase>), ApiError> {
    let base = knowledge.create_base(&allowed.caller, new).await?;
    Ok((StatusCode::CREATED, Json(base)))
}

/// Reads a knowledge base.
#[utoipa::path(
    get, path = "/knowledge-bases/{id}", tag = "knowledge", params(("id" = Uuid, Path)),
    responses((status = 200, body = KnowledgeBase), (status = 404, body = ProblemDocument))
)]
pub(crate) async fn get_knowledge_base(
    State(knowledge): State<Knowledge>,
    allowed: Allow<KnowledgeBaseRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<KnowledgeBase>, ApiError> {
    Ok(Json(knowledge.get_base(&allowed.caller, id).await?))
}

/// Changes a knowledge base of one's own. Absent members stay.
#[utoipa::path(
    patch, path = "/knowledge-bases/{id}", tag = "knowledge", params(("id" = Uuid, Path)),
    request_body = UpdateKnowledgeBase,
    responses(
        (status = 200, body = KnowledgeBase),
        (status = 403, body = ProblemDocument, description = "`read_only`"),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "`name_taken`"),
        (status = 422, body = ProblemDocument, description = "`invalid_field`"),
    )
)]
pub(crate) async fn update_knowledge_base(
    State(knowledge): State<Knowledge>,
    allowed: Allow<KnowledgeBaseWrite>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(change): ApiJson<UpdateKnowledgeBase>,
) -> Result<Json<KnowledgeBase>, ApiError> {
    Ok(Json(knowledge.update_base(&allowed.caller, id, change).await?))
}

/// Deletes a knowledge base of one's own with all its documents.
#[utoipa::path(
    delete, path = "/knowledge-bases/{id}", tag = "knowledge", params(("id" = Uuid, Path)),
    responses(
        (status = 204),
        (status = 403, body = ProblemDocument, description = "`read_only`"),
        (status = 404, body = ProblemDocument),
    )
)]
pub(crate) async fn delete_knowledge_base(
    State(knowledge): State<Knowledge>,
    allowed: Allow<KnowledgeBaseDelete>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    knowledge.delete_base(&allowed.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
