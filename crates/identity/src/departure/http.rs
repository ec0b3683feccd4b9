use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use lyceum_core::Secret;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ProblemDocument};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::client::Sender;
use crate::user::http::User;
use crate::{Identity, ProfileWrite, UserDelete};

/// The last word of somebody who leaves.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteMe {
    /// The password, to be sure. An account without one wants a sign-in of the last ten minutes
    /// instead.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Secret>,
}

/// Deletes your account. An administrator can bring it back for some weeks; then everything that
/// belongs to it is removed for good.
#[utoipa::path(post, path = "/me/deletion", tag = "me", request_body = DeleteMe,
    responses(
        (status = 204, description = "Deleted; all sessions and API keys have ended."),
        (status = 403, body = ProblemDocument,
            description = "An API key may not do this (`session_required`), nor who has no password \
                           and signed in long ago (`reauthentication_required`)."),
        (status = 409, body = ProblemDocument, description = "The last active administrator."),
        (status = 422, body = ProblemDocument, description = "The password is wrong."),
        (status = 429, body = ProblemDocument, description = "Too many failed attempts."),
    ))]
pub(crate) async fn delete_me(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ProfileWrite>,
    sender: Sender,
    ApiJson(body): ApiJson<DeleteMe>,
) -> Result<impl IntoResponse, ApiError> {
    identity.delete_own_account(&caller, body.password.as_ref()).await?;
    Ok((StatusCode::NO_CONTENT, sender.without_tokens()))
}

/// Deletes an account; its sessions and API keys end, its name and address are free again.
#[utoipa::path(delete, path = "/users/{id}", tag = "users",
    params(("id" = Uuid, Path, description = "The user.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 403, body = ProblemDocument, description = "Rights beyond your own."),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "The last active administrator."),
    ))]
pub(crate) async fn delete_user(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<UserDelete>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    identity.delete_account(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Brings a deleted account back, as long as it was not purged. Its sessions and API keys stay
/// ended, its links with accounts at issuers stay gone.
#[utoipa::path(post, path = "/users/{id}/restore", tag = "users",
    params(("id" = Uuid, Path, description = "The deleted user.")),
    responses(
        (status = 200, body = User),
        (status = 403, body = ProblemDocument, description = "Rights beyond your own."),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "Name or address is taken by now."),
    ))]
pub(crate) async fn restore_user(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<UserDelete>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<User>, ApiError> {
    Ok(Json(identity.restore_account(&caller, id).await?.into()))
}
