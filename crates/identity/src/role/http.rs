use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ProblemDocument};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{AssignedRow, RoleChange, RoleRow};
use crate::{Identity, RoleAssign, RoleManage, RoleRead};

/// A role: a name for a set of rights.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Role {
    id: Uuid,
    name: String,
    description: String,
    /// Patterns `resource:action`; either side may be `*`.
    permissions: Vec<String>,
    /// Whether it came with the platform; such a role never changes.
    is_preset: bool,
    /// How many people have it.
    user_count: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// All roles.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Roles {
    items: Vec<Role>,
}

/// All rights that the program asks for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rights {
    /// Each as `resource:action`; with `*` for a resource that is not there yet.
    items: Vec<String>,
}

/// A role to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateRole {
    /// 1 to 50 lower-case letters, digits and `_`, a letter first.
    name: String,
    /// Up to 500 characters.
    #[serde(default)]
    description: String,
    /// 1 to 100 patterns `resource:action`, of rights that you have yourself.
    permissions: Vec<String>,
}

/// What to change about a role; absent members stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateRole {
    /// A new name.
    name: Option<String>,
    /// A new description.
    description: Option<String>,
    /// All patterns that the role shall have.
    permissions: Option<Vec<String>>,
}

/// A role that a person has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssignedRole {
    role_id: Uuid,
    /// The role's name.
    name: String,
    /// Who gave it; absent where the platform did.
    #[serde(skip_serializing_if = "Option::is_none")]
    granted_by: Option<Uuid>,
    /// Their username.
    #[serde(skip_serializing_if = "Option::is_none")]
    granted_by_name: Option<String>,
    granted_at: DateTime<Utc>,
}

/// The roles of a person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssignedRoles {
    items: Vec<AssignedRole>,
}

impl From<RoleRow> for Role {
    fn from(row: RoleRow) -> Self {
        let patterns = row.permissions.as_array().into_iter().flatten();
        Self {
            permissions: patterns.filter_map(Value::as_str).map(str::to_owned).collect(),
            id: row.id,
            name: row.name,
            description: row.description,
            is_preset: row.is_preset,
            user_count: row.user_count,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<AssignedRow> for AssignedRole {
    fn from(row: AssignedRow) -> Self {
        Self {
            role_id: row.role_id,
            name: row.name,
            granted_by: row.granted_by,
            granted_by_name: row.granted_by_name,
            granted_at: row.granted_at,
        }
    }
}

/// Lists every right that the program asks for; roles and API keys are made of these.
#[utoipa::path(get, path = "/rights", tag = "roles", responses((status = 200, body = Rights)))]
pub(crate) async fn list_rights(
    State(identity): State<Identity>,
    _: Allow<RoleRead>,
) -> Json<Rights> {
    Json(Rights { items: identity.known_rights() })
}

/// Lists the roles, those that came with the platform first.
#[utoipa::path(get, path = "/roles", tag = "roles", responses((status = 200, body = Roles)))]
pub(crate) async fn list_roles(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<RoleRead>,
) -> Result<Json<Roles>, ApiError> {
    let items = identity.roles(&caller).await?.into_iter().map(Role::from).collect();
    Ok(Json(Roles { items }))
}

/// Makes a role. It can have no right that the caller lacks.
#[utoipa::path(post, path = "/roles", tag = "roles", request_body = CreateRole,
    responses(
        (status = 201, body = Role),
        (status = 403, body = ProblemDocument, description = "`permission_not_held`"),
        (status = 409, body = ProblemDocument, description = "`name_taken` or `too_many`"),
        (status = 422, body = ProblemDocument,
         description = "`invalid_field`, or `unknown_right` with the `known` ones"),
    ))]
pub(crate) async fn create_role(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<RoleManage>,
    ApiJson(body): ApiJson<CreateRole>,
) -> Result<(StatusCode, Json<Role>), ApiError> {
    let new = RoleChange {
        name: Some(body.name),
        description: Some(body.description),
        permissions: Some(body.permissions),
    };
    let made = identity.create_role(&caller, new).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Changes a role; whoever has it has the new rights within a second. Roles that came with the
/// platform never change.
#[utoipa::path(patch, path = "/roles/{id}", tag = "roles", request_body = UpdateRole,
    params(("id" = Uuid, Path, description = "The role's id.")),
    responses(
        (status = 200, body = Role),
        (status = 403, body = ProblemDocument, description = "`permission_not_held`"),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument,
         description = "`preset_role`, `name_taken` or `last_administrator`"),
        (status = 422, body = ProblemDocument,
         description = "`invalid_field`, or `unknown_right` with the `known` ones"),
    ))]
pub(crate) async fn update_role(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<RoleManage>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<UpdateRole>,
) -> Result<Json<Role>, ApiError> {
    let change = RoleChange {
        name: body.name,
        description: body.description,
        permissions: body.permissions,
    };
    Ok(Json(identity.change_role(&caller, id, change).await?.into()))
}

/// Deletes a role; whoever had it loses its rights within a second. Roles that came with the
/// platform stay.
#[utoipa::path(delete, path = "/roles/{id}", tag = "roles",
    params(("id" = Uuid, Path, description = "The role's id.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 403, body = ProblemDocument, description = "`permission_not_held`"),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "`preset_role` or `last_administrator`"),
    ))]
pub(crate) async fn delete_role(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<RoleManage>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    identity.delete_role(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the roles of a person, with who gave them and when.
#[utoipa::path(get, path = "/users/{id}/roles", tag = "roles",
    params(("id" = Uuid, Path, description = "The person's id.")),
    responses((status = 200, body = AssignedRoles), (status = 404, body = ProblemDocument)))]
pub(crate) async fn list_user_roles(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<RoleRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<AssignedRoles>, ApiError> {
    let items = identity.roles_of(&caller, id).await?.into_iter().map(AssignedRole::from);
    Ok(Json(AssignedRoles { items: items.collect() }))
}

/// Gives a person a role. Nobody gives rights that they do not have.
#[utoipa::path(put, path = "/users/{id}/roles/{role_id}", tag = "roles",
    params(("id" = Uuid, Path, description = "The person's id."),
           ("role_id" = Uuid, Path, description = "The role's id.")),
    responses(
        (status = 204, description = "The person has the role."),
        (status = 403, body = ProblemDocument, description = "`permission_not_held`"),
        (status = 404, body = ProblemDocument),
    ))]
pub(crate) async fn assign_role(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<RoleAssign>,
    ApiPath((user, role)): ApiPath<(Uuid, Uuid)>,
) -> Result<StatusCode, ApiError> {
    identity.assign_role(&caller, user, role).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a role from a person.
#[utoipa::path(delete, path = "/users/{id}/roles/{role_id}", tag = "roles",
    params(("id" = Uuid, Path, description = "The person's id."),
           ("role_id" = Uuid, Path, description = "The role's id.")),
    responses(
        (status = 204, description = "Taken."),
        (status = 403, body = ProblemDocument, description = "`permission_not_held`"),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "`last_administrator`"),
    ))]
pub(crate) async fn withdraw_role(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<RoleAssign>,
    ApiPath((user, role)): ApiPath<(Uuid, Uuid)>,
) -> Result<StatusCode, ApiError> {
    identity.withdraw_role(&caller, user, role).await?;
    Ok(StatusCode::NO_CONTENT)
}
