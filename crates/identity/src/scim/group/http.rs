use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::auth::Directory;
use super::super::error::{ScimError, ScimErrorDocument};
use super::super::patch::ScimPatch;
use super::super::resource::{
    Scim, ScimBody, ScimId, ScimList, ScimMeta, ScimQuery, ScimReference, created,
};
use super::super::schemas;
use super::store::GroupRow;
use crate::Identity;

/// A group.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScimGroup {
    schemas: [&'static str; 1],
    id: Uuid,
    /// The directory's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// Up to 100 characters; no two groups have the same.
    display_name: String,
    /// The people in it; absent where `excludedAttributes` names them.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<ScimReference>>,
    meta: ScimMeta,
}

impl ScimGroup {
    fn new(identity: &Identity, row: GroupRow) -> Self {
        let mut members = row.members.map(|members| members.0);
        for member in members.iter_mut().flatten() {
            member.address = Some(identity.scim_address(&format!("/Users/{}", member.value)));
        }
        Self {
            schemas: [schemas::GROUP],
            id: row.id,
            external_id: row.external_id,
            display_name: row.name,
            members,
            meta: ScimMeta {
                resource_type: "Group",
                created: row.created_at,
                last_modified: row.updated_at,
                location: identity.scim_address(&format!("/Groups/{}", row.id)),
            },
        }
    }
}

/// Lists groups, oldest first, for a directory.
#[utoipa::path(get, path = "/Groups", tag = "scim", security(("scim" = [])), params(ScimQuery),
    responses(
        (status = 200, body = ScimList, content_type = "application/scim+json"),
        (status = 400, body = ScimErrorDocument, description = "`invalidFilter`"),
        (status = 401, body = ScimErrorDocument),
    ))]
pub(crate) async fn list_scim_groups(
    State(identity): State<Identity>,
    directory: Directory,
    query: ScimQuery,
) -> Result<Scim<ScimList>, ScimError> {
    let (wanted, members) = (query.wanted()?, query.includes("members"));
    let (total, rows) = identity.scim_groups(&directory, &wanted, members).await?;
    let groups = rows.into_iter().map(|row| ScimGroup::new(&identity, row)).collect();
    Ok(Scim(query.page(&wanted, total, groups)?))
}

/// Makes a group.
#[utoipa::path(post, path = "/Groups", tag = "scim", security(("scim" = [])),
    request_body(content = ScimGroup, content_type = "application/scim+json"),
    responses(
        (status = 201, body = ScimGroup, content_type = "application/scim+json"),
        (status = 400, body = ScimErrorDocument, description = "`invalidValue`"),
        (status = 401, body = ScimErrorDocument),
        (status = 409, body = ScimErrorDocument, description = "`uniqueness`"),
    ))]
pub(crate) async fn create_scim_group(
    State(identity): State<Identity>,
    directory: Directory,
    query: ScimQuery,
    ScimBody(body): ScimBody,
) -> Result<Response, ScimError> {
    let made = ScimGroup::new(&identity, identity.make_scim_group(&directory, &body).await?);
    let location = made.meta.location.clone();
    Ok(created(&location, query.select(made)?))
}

/// Shows one group to a directory.
#[utoipa::path(get, path = "/Groups/{id}", tag = "scim", security(("scim" = [])),
    params(("id" = Uuid, Path, description = "The group's id."), ScimQuery),
    responses(
        (status = 200, body = ScimGroup, content_type = "application/scim+json"),
        (status = 401, body = ScimErrorDocument),
        (status = 404, body = ScimErrorDocument),
    ))]
pub(crate) async fn get_scim_group(
    State(identity): State<Identity>,
    directory: Directory,
    ScimId(id): ScimId,
    query: ScimQuery,
) -> Result<Scim<serde_json::Value>, ScimError> {
    let row = identity.scim_group(&directory, id, query.includes("members")).await?;
    Ok(Scim(query.select(ScimGroup::new(&identity, row))?))
}

/// Sets everything that the directory says of a group, its members too.
#[utoipa::path(put, path = "/Groups/{id}", tag = "scim", security(("scim" = [])),
    params(("id" = Uuid, Path, description = "The group's id.")),
    request_body(content = ScimGroup, content_type = "application/scim+json"),
    responses(
        (status = 200, body = ScimGroup, content_type = "application/scim+json"),
        (status = 400, body = ScimErrorDocument, description = "`invalidValue`"),
        (status = 401, body = ScimErrorDocument),
        (status = 404, body = ScimErrorDocument),
        (status = 409, body = ScimErrorDocument, description = "`uniqueness`"),
    ))]
pub(crate) async fn replace_scim_group(
    State(identity): State<Identity>,
    directory: Directory,
    ScimId(id): ScimId,
    query: ScimQuery,
    ScimBody(body): ScimBody,
) -> Result<Scim<serde_json::Value>, ScimError> {
    let row = identity.replace_scim_group(&directory, id, &body).await?;
    Ok(Scim(query.select(ScimGroup::new(&identity, row))?))
}

/// Changes a group: its name, or who is in it.
#[utoipa::path(patch, path = "/Groups/{id}", tag = "scim", security(("scim" = [])),
    params(("id" = Uuid, Path, description = "The group's id.")),
    request_body(content = ScimPatch, content_type = "application/scim+json"),
    responses(
        (status = 204, description = "Changed."),
        (status = 400, body = ScimErrorDocument, description = "`invalidPath`, `invalidValue` …"),
        (status = 401, body = ScimErrorDocument),
        (status = 404, body = ScimErrorDocument),
        (status = 409, body = ScimErrorDocument, description = "`uniqueness`"),
    ))]
pub(crate) async fn patch_scim_group(
    State(identity): State<Identity>,
    directory: Directory,
    ScimId(id): ScimId,
    ScimBody(body): ScimBody,
) -> Result<StatusCode, ScimError> {
    identity.patch_scim_group(&directory, id, body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a group.
#[utoipa::path(delete, path = "/Groups/{id}", tag = "scim", security(("scim" = [])),
    params(("id" = Uuid, Path, description = "The group's id.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 401, body = ScimErrorDocument),
        (status = 404, body = ScimErrorDocument),
    ))]
pub(crate) async fn delete_scim_group(
    State(identity): State<Identity>,
    directory: Directory,
    ScimId(id): ScimId,
) -> Result<StatusCode, ScimError> {
    identity.delete_scim_group(&directory, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
