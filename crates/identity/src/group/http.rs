use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ApiQuery, PageQuery, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{GroupRow, MemberRow};
use crate::{GroupManage, GroupRead, Identity, ProfileRead};

/// A group of people.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Group {
    id: Uuid,
    name: String,
    description: String,
    /// How many members it has; absent in one's own list, which tells of nobody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    member_count: Option<i64>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<Uuid>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A page of groups.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupPage {
    items: Vec<Group>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A group to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateGroup {
    /// 1 to 100 characters, unique whatever their case.
    name: String,
    /// Up to 1000 characters.
    #[serde(default)]
    description: String,
}

/// What to change about a group; absent members stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateGroup {
    /// A new name.
    name: Option<String>,
    /// A new description.
    description: Option<String>,
}

/// A member of a group.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupMember {
    user_id: Uuid,
    username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// `active`, `inactive` or `suspended`.
    status: String,
    /// Who added them.
    #[serde(skip_serializing_if = "Option::is_none")]
    added_by: Option<Uuid>,
    added_at: DateTime<Utc>,
}

/// A page of members.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupMemberPage {
    items: Vec<GroupMember>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl From<GroupRow> for Group {
    fn from(row: GroupRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            description: row.description,
            member_count: Some(row.member_count),
            created_by: row.created_by,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<MemberRow> for GroupMember {
    fn from(row: MemberRow) -> Self {
        Self {
            user_id: row.user_id,
            username: row.username,
            display_name: row.display_name,
            status: row.status,
            added_by: row.added_by,
            added_at: row.added_at,
        }
    }
}

/// Lists the groups that the caller is in, newest first.
#[utoipa::path(get, path = "/me/groups", tag = "groups", params(PageQuery),
    responses((status = 200, body = GroupPage)))]
pub(crate) async fn list_my_groups(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ProfileRead>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<GroupPage>, ApiError> {
    let page = identity.my_groups(&caller, query.request()?).await?;
    let page = page.map(|row| Group { member_count: None, ..Group::from(row) });
    Ok(Json(GroupPage { items: page.items, next_cursor: page.next_cursor }))
}

/// Lists all groups, newest first.
#[utoipa::path(get, path = "/groups", tag = "groups", params(PageQuery),
    responses((status = 200, body = GroupPage)))]
pub(crate) async fn list_groups(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<GroupRead>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<GroupPage>, ApiError> {
    let page = identity.groups(&caller, query.request()?).await?.map(Group::from);
    Ok(Json(GroupPage { items: page.items, next_cursor: page.next_cursor }))
}

/// Makes a group. It has no members yet; `PUT /groups/{id}/members/{user_id}` adds them.
#[utoipa::path(post, path = "/groups", tag = "groups", request_body = CreateGroup,
    responses(
        (status = 201, body = Group),
        (status = 409, body = ProblemDocument, description = "`name_taken`"),
        (status = 422, body = ProblemDocument, description = "`invalid_field`"),
    ))]
pub(crate) async fn create_group(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<GroupManage>,
    ApiJson(body): ApiJson<CreateGroup>,
) -> Result<(StatusCode, Json<Group>), ApiError> {
    let made = identity.create_group(&caller, &body.name, &body.description).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Lists the groups that a person is in, newest first.
#[utoipa::path(get, path = "/users/{id}/groups", tag = "groups",
    params(("id" = Uuid, Path, description = "The person's id."), PageQuery),
    responses((status = 200, body = GroupPage), (status = 404, body = ProblemDocument)))]
pub(crate) async fn list_user_groups(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<GroupRead>,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<GroupPage>, ApiError> {
    let page = identity.groups_of(&caller, id, query.request()?).await?.map(Group::from);
    Ok(Json(GroupPage { items: page.items, next_cursor: page.next_cursor }))
}

/// Reads a group.
#[utoipa::path(get, path = "/groups/{id}", tag = "groups",
    params(("id" = Uuid, Path, description = "The group's id.")),
    responses((status = 200, body = Group), (status = 404, body = ProblemDocument)))]
pub(crate) async fn get_group(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<GroupRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<Group>, ApiError> {
    Ok(Json(identity.group(&caller, id).await?.into()))
}

/// Changes a group; what is absent stays as it is.
#[utoipa::path(patch, path = "/groups/{id}", tag = "groups", request_body = UpdateGroup,
    params(("id" = Uuid, Path, description = "The group's id.")),
    responses(
        (status = 200, body = Group),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "`name_taken`"),
        (status = 422, body = ProblemDocument, description = "`invalid_field`"),
    ))]
pub(crate) async fn update_group(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<GroupManage>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<UpdateGroup>,
) -> Result<Json<Group>, ApiError> {
    let (name, description) = (body.name.as_deref(), body.description.as_deref());
    Ok(Json(identity.change_group(&caller, id, name, description).await?.into()))
}

/// Deletes a group; what was shared with it is shared no more, at once.
#[utoipa::path(delete, path = "/groups/{id}", tag = "groups",
    params(("id" = Uuid, Path, description = "The group's id.")),
    responses((status = 204, description = "Deleted."), (status = 404, body = ProblemDocument)))]
pub(crate) async fn delete_group(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<GroupManage>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    identity.delete_group(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the members of a group, the latest first.
#[utoipa::path(get, path = "/groups/{id}/members", tag = "groups",
    params(("id" = Uuid, Path, description = "The group's id."), PageQuery),
    responses((status = 200, body = GroupMemberPage), (status = 404, body = ProblemDocument)))]
pub(crate) async fn list_group_members(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<GroupRead>,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<GroupMemberPage>, ApiError> {
    let page = identity.members(&caller, id, query.request()?).await?.map(GroupMember::from);
    Ok(Json(GroupMemberPage { items: page.items, next_cursor: page.next_cursor }))
}

/// Adds a person to a group. Where they are in it already, nothing happens.
#[utoipa::path(put, path = "/groups/{id}/members/{user_id}", tag = "groups",
    params(("id" = Uuid, Path, description = "The group's id."),
           ("user_id" = Uuid, Path, description = "The person's id.")),
    responses(
        (status = 204, description = "The person is a member."),
        (status = 404, body = ProblemDocument),
    ))]
pub(crate) async fn add_group_member(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<GroupManage>,
    ApiPath((group, user)): ApiPath<(Uuid, Uuid)>,
) -> Result<StatusCode, ApiError> {
    identity.add_member(&caller, group, user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a person out of a group. What they had only as a member is gone at once.
#[utoipa::path(delete, path = "/groups/{id}/members/{user_id}", tag = "groups",
    params(("id" = Uuid, Path, description = "The group's id."),
           ("user_id" = Uuid, Path, description = "The person's id.")),
    responses((status = 204, description = "Taken out."), (status = 404, body = ProblemDocument)))]
pub(crate) async fn remove_group_member(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<GroupManage>,
    ApiPath((group, user)): ApiPath<(Uuid, Uuid)>,
) -> Result<StatusCode, ApiError> {
    identity.remove_member(&caller, group, user).await?;
    Ok(StatusCode::NO_CONTENT)
}
