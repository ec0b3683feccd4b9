use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_core::Secret;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ApiQuery, PageQuery, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Invitation, Profile, UserChange, UserRow};
use crate::{Identity, UserRead, UserWrite};

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct User {
    id: Uuid,
    username: String,
    email: String,
    /// Whether the person proved that the address is theirs.
    email_verified: bool,
    display_name: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    organization: Option<String>,
    department: Option<String>,
    position: Option<String>,
    /// The address of the person's picture on this platform.
    avatar_url: Option<String>,
    /// `active`, `inactive` or `suspended`.
    status: String,
    /// Names of the roles.
    roles: Vec<String>,
    last_login_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    /// When the account was deleted.
    deleted_at: Option<DateTime<Utc>>,
}

/// A page of accounts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserPage {
    items: Vec<User>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Which accounts to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UserSearch {
    /// Part of a username, e-mail address or name.
    q: Option<String>,
    /// Whether to list the deleted accounts, which can be brought back until they are purged,
    /// instead of the living ones.
    #[serde(default)]
    deleted: bool,
    /// Rows wanted, 1 to 200; 50 by default.
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// An account to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateUser {
    /// 2 to 64 letters or digits, inside also `.`, `_` and `-`.
    username: String,
    /// The e-mail address.
    email: String,
    /// The first password, 10 to 256 characters; the person should change it.
    #[schema(value_type = String, format = Password)]
    password: Secret,
    /// The name to be shown.
    display_name: Option<String>,
    /// Names of roles; `user` where absent.
    roles: Option<Vec<String>>,
}

/// What to change; absent members stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateUser {
    /// `active`, `inactive` or `suspended`; the last two end all sessions.
    status: Option<String>,
    /// Names of all roles that the user shall have.
    roles: Option<Vec<String>>,
    /// The name to be shown; an empty text removes it.
    display_name: Option<String>,
    /// The given name; an empty text removes it, as with the members that follow.
    first_name: Option<String>,
    /// The family name.
    last_name: Option<String>,
    /// The organisation that the person belongs to.
    organization: Option<String>,
    /// The department in it.
    department: Option<String>,
    /// The position there.
    position: Option<String>,
    /// A new password, which ends all sessions of the user.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Secret>,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            username: row.username,
            email: row.email,
            email_verified: row.email_verified,
            display_name: row.display_name,
            first_name: row.first_name,
            last_name: row.last_name,
            organization: row.organization,
            department: row.department,
            position: row.position,
            avatar_url: row.avatar_url,
            status: row.status,
            roles: row.roles,
            last_login_at: row.last_login_at,
            created_at: row.created_at,
            deleted_at: row.deleted_at,
        }
    }
}

/// Lists the accounts, newest first.
#[utoipa::path(get, path = "/users", tag = "users", params(UserSearch),
    responses((status = 200, body = UserPage)))]
pub(crate) async fn list_users(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<UserRead>,
    ApiQuery(search): ApiQuery<UserSearch>,
) -> Result<Json<UserPage>, ApiError> {
    let query = PageQuery { limit: search.limit, cursor: search.cursor };
    let text = search.q.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let page =
        identity.users(&caller, text, search.deleted, query.request()?).await?.map(User::from);
    Ok(Json(UserPage { items: page.items, next_cursor: page.next_cursor }))
}

/// Makes an account. To have people choose their own name and password, invite them:
/// `POST /invitations`.
#[utoipa::path(post, path = "/users", tag = "users", request_body = CreateUser,
    responses(
        (status = 201, body = User),
        (status = 403, body = ProblemDocument, description = "A role beyond your own rights."),
        (status = 409, body = ProblemDocument, description = "Username or address is taken."),
        (status = 422, body = ProblemDocument, description = "A field is not acceptable."),
    ))]
pub(crate) async fn create_user(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<UserWrite>,
    ApiJson(body): ApiJson<CreateUser>,
) -> Result<(StatusCode, Json<User>), ApiError> {
    let invitation = Invitation {
        username: body.username,
        email: body.email,
        password: body.password,
        display_name: body.display_name,
        roles: body.roles,
    };
    let made = identity.create_user(&caller, invitation).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Shows one account.
#[utoipa::path(get, path = "/users/{id}", tag = "users",
    params(("id" = Uuid, Path, description = "The user.")),
    responses((status = 200, body = User), (status = 404, body = ProblemDocument)))]
pub(crate) async fn get_user(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<UserRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<User>, ApiError> {
    Ok(Json(identity.user(&caller, id).await?.into()))
}

/// Changes an account. Absent members stay; `roles` are all that the person has from then on.
#[utoipa::path(patch, path = "/users/{id}", tag = "users", request_body = UpdateUser,
    params(("id" = Uuid, Path, description = "The user.")),
    responses(
        (status = 200, body = User),
        (status = 403, body = ProblemDocument, description = "Rights beyond your own."),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "The last active administrator."),
        (status = 422, body = ProblemDocument, description = "A field is not acceptable."),
    ))]
pub(crate) async fn update_user(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<UserWrite>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<UpdateUser>,
) -> Result<Json<User>, ApiError> {
    let change = UserChange {
        status: body.status,
        roles: body.roles,
        profile: Profile {
            display_name: body.display_name,
            first_name: body.first_name,
            last_name: body.last_name,
            organization: body.organization,
            department: body.department,
            position: body.position,
        },
        password: body.password,
    };
    Ok(Json(identity.change_user(&caller, id, change).await?.into()))
}
