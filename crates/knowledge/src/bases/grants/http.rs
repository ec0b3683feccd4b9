use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ApiQuery, PageQuery, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{GrantRow, NewGrant};
use crate::{Knowledge, KnowledgeBaseRead, KnowledgeBaseWrite};

/// With whom a knowledge base is shared, and how far.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KnowledgeBaseGrant {
    id: Uuid,
    /// The person; absent where it is a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<Uuid>,
    /// Absent where the person was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// The group; absent where it is a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<Uuid>,
    /// Absent where the group was deleted, or where you are not in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    group_name: Option<String>,
    /// `view`, `use` or `edit`.
    level: String,
    /// Who gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    granted_by: Option<Uuid>,
    /// Their username.
    #[serde(skip_serializing_if = "Option::is_none")]
    granted_by_name: Option<String>,
    granted_at: DateTime<Utc>,
}

/// A page of grants.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KnowledgeBaseGrantPage {
    items: Vec<KnowledgeBaseGrant>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Whom to share with: a person or a group.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutKnowledgeBaseGrant {
    /// Username or id of a person.
    user: Option<String>,
    /// Id of a group that you are in.
    group_id: Option<Uuid>,
    /// `view` lists and reads, `use` also searches and asks, `edit` also uploads and deletes
    /// documents and shares.
    level: String,
}

impl From<GrantRow> for KnowledgeBaseGrant {
    fn from(row: GrantRow) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            username: row.username,
            group_id: row.group_id,
            group_name: row.group_name,
            level: row.level,
            granted_by: row.granted_by,
            granted_by_name: row.granted_by_name,
            granted_at: row.created_at,
        }
    }
}

/// Lists with whom a knowledge base is shared, the latest first.
#[utoipa::path(
    get, path = "/knowledge-bases/{id}/grants", tag = "knowledge",
    params(("id" = Uuid, Path, description = "The knowledge base's id"), PageQuery),
    responses(
        (status = 200, body = KnowledgeBaseGrantPage),
        (status = 403, body = ProblemDocument, description = "`read_only`"),
        (status = 404, body = ProblemDocument),
    )
)]
pub(crate) async fn list_knowledge_base_grants(
    State(knowledge): State<Knowledge>,
    allowed: Allow<KnowledgeBaseRead>,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<KnowledgeBaseGrantPage>, ApiError> {
    let page = knowledge.grants(&allowed.caller, id, query.request()?).await?;
    let page = page.map(KnowledgeBaseGrant::from);
    Ok(Json(KnowledgeBaseGrantPage { items: page.items, next_cursor: page.next_cursor }))
}

/// Shares a knowledge base with a person or a group. A level that was given before is replaced.
#[utoipa::path(
    put, path = "/knowledge-bases/{id}/grants", tag = "knowledge",
    params(("id" = Uuid, Path, description = "The knowledge base's id")),
    request_body = PutKnowledgeBaseGrant,
    responses(
        (status = 200, body = KnowledgeBaseGrant),
        (status = 403, body = ProblemDocument, description = "`read_only`"),
        (status = 404, body = ProblemDocument, description = "No such base, person or group"),
        (status = 409, body = ProblemDocument, description = "`too_many_grants`"),
        (status = 422, body = ProblemDocument, description = "`invalid_field`"),
    )
)]
pub(crate) async fn put_knowledge_base_grant(
    State(knowledge): State<Knowledge>,
    allowed: Allow<KnowledgeBaseWrite>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<PutKnowledgeBaseGrant>,
) -> Result<Json<KnowledgeBaseGrant>, ApiError> {
    let new = NewGrant { user: body.user, group_id: body.group_id, level: body.level };
    let grant = knowledge.grant(&allowed.caller, id, new).await?;
    Ok(Json(grant.into()))
}

/// Takes a grant back. Who has the base by another way as well keeps it.
#[utoipa::path(
    delete, path = "/knowledge-bases/{id}/grants/{grant_id}", tag = "knowledge",
    params(("id" = Uuid, Path, description = "The knowledge base's id"),
           ("grant_id" = Uuid, Path, description = "The grant's id")),
    responses(
        (status = 204),
        (status = 403, body = ProblemDocument, description = "`read_only`"),
        (status = 404, body = ProblemDocument),
    )
)]
pub(crate) async fn delete_knowledge_base_grant(
    State(knowledge): State<Knowledge>,
    allowed: Allow<KnowledgeBaseWrite>,
    ApiPath((base, id)): ApiPath<(Uuid, Uuid)>,
) -> Result<StatusCode, ApiError> {
    knowledge.withdraw_grant(&allowed.caller, base, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
