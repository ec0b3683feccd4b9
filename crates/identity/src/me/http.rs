use axum::Json;
use axum::extract::State;
use http::StatusCode;
use lyceum_core::Secret;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ProblemDocument};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Me, ProfileChange};
use crate::user::Profile;
use crate::{Identity, ProfileRead, ProfileWrite};

/// What to change; absent members stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateMe {
    /// At most 100 characters; an empty text removes the name.
    display_name: Option<String>,
    /// The given name; an empty text removes it, as with the members that follow.
    first_name: Option<String>,
    /// The family name.
    last_name: Option<String>,
    /// The organisation that you belong to.
    organization: Option<String>,
    /// The department in it.
    department: Option<String>,
    /// Your position there.
    position: Option<String>,
    /// The e-mail address. Where the platform sends e-mail, it changes when the link in a letter to
    /// the new address is followed.
    email: Option<String>,
    /// The IANA name of a time zone, such as `Europe/Berlin`.
    timezone: Option<String>,
}

/// A change of password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangePassword {
    /// The present password. An account without one wants a sign-in of the last ten minutes instead.
    #[schema(value_type = Option<String>, format = Password)]
    current: Option<Secret>,
    /// 10 to 256 characters.
    #[schema(value_type = String, format = Password)]
    new: Secret,
}

/// A preference's new value.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutPreference {
    /// Any JSON of at most 32 KiB; `null` removes the preference. That of `chat` is an object of
    /// `send_with`, the key that sends (`enter` or `ctrl_enter`), and `knowledge_base_ids`, at most
    /// 20 that a new chat asks unless others are chosen; those that cannot be read are passed over.
    #[schema(value_type = Value)]
    value: Value,
}

/// Tells who is signed in. `permissions` are what this session or key may do, which may be less
/// than what the person may.
#[utoipa::path(get, path = "/me", tag = "me", responses((status = 200, body = Me)))]
pub(crate) async fn get_me(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ProfileRead>,
) -> Result<Json<Me>, ApiError> {
    Ok(Json(identity.me(caller.user_id, Some(caller.permissions)).await?))
}

/// Changes the caller's profile or e-mail address. Absent members stay. Where the platform sends
/// e-mail, a new address counts once the link in the letter to it was followed.
#[utoipa::path(patch, path = "/me", tag = "me", request_body = UpdateMe,
    responses(
        (status = 200, body = Me),
        (status = 409, body = ProblemDocument, description = "The address is taken."),
        (status = 422, body = ProblemDocument, description = "A field is not acceptable."),
    ))]
pub(crate) async fn update_me(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ProfileWrite>,
    ApiJson(body): ApiJson<UpdateMe>,
) -> Result<Json<Me>, ApiError> {
    let profile = Profile {
        display_name: body.display_name,
        first_name: body.first_name,
        last_name: body.last_name,
        organization: body.organization,
        department: body.department,
        position: body.position,
    };
    let change = ProfileChange { profile, email: body.email, timezone: body.timezone };
    identity.change_profile(&caller, change).await?;
    Ok(Json(identity.me(caller.user_id, Some(caller.permissions)).await?))
}

/// Changes the caller's password, or sets their first one, and ends all their other sessions.
#[utoipa::path(post, path = "/me/password", tag = "me", request_body = ChangePassword,
    responses(
        (status = 204, description = "Changed."),
        (status = 403, body = ProblemDocument,
            description = "An API key may not do this (`session_required`), nor who has no password \
                           and signed in long ago (`reauthentication_required`)."),
        (status = 422, body = ProblemDocument, description = "A password is not acceptable."),
        (status = 429, body = ProblemDocument, description = "Too many failed attempts."),
    ))]
pub(crate) async fn change_password(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ProfileWrite>,
    ApiJson(body): ApiJson<ChangePassword>,
) -> Result<StatusCode, ApiError> {
    identity.change_password(&caller, body.current.as_ref(), &body.new).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps one of the caller's preferences. `null` removes it. `GET /me` shows all of them.
#[utoipa::path(put, path = "/me/preferences/{key}", tag = "me",
    params(("key" = String, Path, description = "Lower-case letters, digits, `_`, `.`, `-`.")),
    request_body = PutPreference,
    responses(
        (status = 204, description = "Kept."),
        (status = 422, body = ProblemDocument, description = "Key or value is not acceptable."),
    ))]
pub(crate) async fn put_preference(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ProfileWrite>,
    ApiPath(key): ApiPath<String>,
    ApiJson(body): ApiJson<PutPreference>,
) -> Result<StatusCode, ApiError> {
    identity.put_preference(&caller, &key, &body.value).await?;
    Ok(StatusCode::NO_CONTENT)
}
