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
use super::store::PersonRow;
use crate::Identity;

/// A person.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScimUser {
    schemas: [&'static str; 2],
    id: Uuid,
    /// The directory's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// The directory's name for the person, often an address.
    user_name: String,
    name: ScimName,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// One address.
    emails: [ScimEmail; 1],
    /// Whether the person may sign in.
    active: bool,
    /// The groups that the person is in; changed through the groups.
    groups: Vec<ScimReference>,
    /// What organisations add.
    #[serde(rename = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")]
    enterprise: ScimEnterprise,
    meta: ScimMeta,
}

/// The parts of a name.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScimName {
    #[serde(skip_serializing_if = "Option::is_none")]
    given_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family_name: Option<String>,
}

/// An address.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScimEmail {
    value: String,
    #[serde(rename = "type")]
    kind: &'static str,
    primary: bool,
}

/// What organisations add to a person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScimEnterprise {
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    department: Option<String>,
}

impl ScimUser {
    fn new(identity: &Identity, row: PersonRow) -> Self {
        let mut groups = row.groups.0;
        for group in &mut groups {
            group.address = Some(identity.scim_address(&format!("/Groups/{}", group.value)));
        }
        Self {
            schemas: [schemas::USER, schemas::ENTERPRISE_USER],
            id: row.id,
            external_id: row.external_id,
            user_name: row.user_name,
            name: ScimName { given_name: row.first_name, family_name: row.last_name },
            display_name: row.display_name,
            title: row.position,
            emails: [ScimEmail { value: row.email, kind: "work", primary: true }],
            active: row.status == "active",
            groups,
            enterprise: ScimEnterprise {
                organization: row.organization,
                department: row.department,
            },
            meta: ScimMeta {
                resource_type: "User",
                created: row.created_at,
                last_modified: row.updated_at,
                location: identity.scim_address(&format!("/Users/{}", row.id)),
            },
        }
    }
}

/// Lists people, oldest first, for a directory.
#[utoipa::path(get, path = "/Users", tag = "scim", security(("scim" = [])), params(ScimQuery),
    responses(
        (status = 200, body = ScimList, content_type = "application/scim+json"),
        (status = 400, body = ScimErrorDocument, description = "`invalidFilter`"),
        (status = 401, body = ScimErrorDocument),
    ))]
pub(crate) async fn list_scim_users(
    State(identity): State<Identity>,
    directory: Directory,
    query: ScimQuery,
) -> Result<Scim<ScimList>, ScimError> {
    let wanted = query.wanted()?;
    let (total, rows) = identity.scim_users(&directory, &wanted).await?;
    let users = rows.into_iter().map(|row| ScimUser::new(&identity, row)).collect();
    Ok(Scim(query.page(&wanted, total, users)?))
}

/// Makes a person's account, without a password: they sign in through an issuer, or set a password
/// by a letter.
#[utoipa::path(post, path = "/Users", tag = "scim", security(("scim" = [])),
    request_body(content = ScimUser, content_type = "application/scim+json"),
    responses(
        (status = 201, body = ScimUser, content_type = "application/scim+json"),
        (status = 400, body = ScimErrorDocument, description = "`invalidValue`"),
        (status = 401, body = ScimErrorDocument),
        (status = 409, body = ScimErrorDocument, description = "`uniqueness`"),
    ))]
pub(crate) async fn create_scim_user(
    State(identity): State<Identity>,
    directory: Directory,
    query: ScimQuery,
    ScimBody(body): ScimBody,
) -> Result<Response, ScimError> {
    let made = ScimUser::new(&identity, identity.make_scim_user(&directory, &body).await?);
    let location = made.meta.location.clone();
    Ok(created(&location, query.select(made)?))
}

/// Shows one person to a directory.
#[utoipa::path(get, path = "/Users/{id}", tag = "scim", security(("scim" = [])),
    params(("id" = Uuid, Path, description = "The person's id."), ScimQuery),
    responses(
        (status = 200, body = ScimUser, content_type = "application/scim+json"),
        (status = 401, body = ScimErrorDocument),
        (status = 404, body = ScimErrorDocument),
    ))]
pub(crate) async fn get_scim_user(
    State(identity): State<Identity>,
    directory: Directory,
    ScimId(id): ScimId,
    query: ScimQuery,
) -> Result<Scim<serde_json::Value>, ScimError> {
    let row = identity.scim_user(&directory, id).await?;
    Ok(Scim(query.select(ScimUser::new(&identity, row))?))
}

/// Sets everything that the directory says of a person; what is left out is removed.
#[utoipa::path(put, path = "/Users/{id}", tag = "scim", security(("scim" = [])),
    params(("id" = Uuid, Path, description = "The person's id.")),
    request_body(content = ScimUser, content_type = "application/scim+json"),
    responses(
        (status = 200, body = ScimUser, content_type = "application/scim+json"),
        (status = 400, body = ScimErrorDocument, description = "`invalidValue`"),
        (status = 401, body = ScimErrorDocument),
        (status = 404, body = ScimErrorDocument),
        (status = 409, body = ScimErrorDocument, description = "`uniqueness`, or the last active \
            administrator."),
    ))]
pub(crate) async fn replace_scim_user(
    State(identity): State<Identity>,
    directory: Directory,
    ScimId(id): ScimId,
    query: ScimQuery,
    ScimBody(body): ScimBody,
) -> Result<Scim<serde_json::Value>, ScimError> {
    let row = identity.replace_scim_user(&directory, id, &body).await?;
    Ok(Scim(query.select(ScimUser::new(&identity, row))?))
}

/// Changes something that the directory says of a person. `active: false` shuts them out at once.
#[utoipa::path(patch, path = "/Users/{id}", tag = "scim", security(("scim" = [])),
    params(("id" = Uuid, Path, description = "The person's id.")),
    request_body(content = ScimPatch, content_type = "application/scim+json"),
    responses(
        (status = 200, body = ScimUser, content_type = "application/scim+json"),
        (status = 400, body = ScimErrorDocument, description = "`invalidPath`, `invalidValue` …"),
        (status = 401, body = ScimErrorDocument),
        (status = 404, body = ScimErrorDocument),
        (status = 409, body = ScimErrorDocument, description = "`uniqueness`, or the last active \
            administrator."),
    ))]
pub(crate) async fn patch_scim_user(
    State(identity): State<Identity>,
    directory: Directory,
    ScimId(id): ScimId,
    query: ScimQuery,
    ScimBody(body): ScimBody,
) -> Result<Scim<serde_json::Value>, ScimError> {
    let row = identity.patch_scim_user(&directory, id, body).await?;
    Ok(Scim(query.select(ScimUser::new(&identity, row))?))
}

/// Deletes a person's account; an administrator can bring it back for some weeks.
#[utoipa::path(delete, path = "/Users/{id}", tag = "scim", security(("scim" = [])),
    params(("id" = Uuid, Path, description = "The person's id.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 401, body = ScimErrorDocument),
        (status = 404, body = ScimErrorDocument),
        (status = 409, body = ScimErrorDocument, description = "The last active administrator."),
    ))]
pub(crate) async fn delete_scim_user(
    State(identity): State<Identity>,
    directory: Directory,
    ScimId(id): ScimId,
) -> Result<StatusCode, ScimError> {
    identity.delete_scim_user(&directory, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
