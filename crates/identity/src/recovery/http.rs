use axum::Json;
use axum::extract::State;
use http::StatusCode;
use lyceum_core::Secret;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::client::Sender;
use crate::invitation::http::LinkBody;
use crate::link::Purpose;
use crate::{Identity, ProfileWrite, UserWrite};

/// Who forgot the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestPasswordReset {
    /// Username or e-mail address.
    login: String,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetPassword {
    /// What stands behind `#token=` in the link.
    #[schema(value_type = String)]
    token: Secret,
    /// 10 to 256 characters.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// A one-time link that was made for somebody.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeLink {
    /// Whether it was sent to the account's address.
    is_mailed: bool,
    /// The link to hand over, shown this once; absent where it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

impl From<Option<String>> for MadeLink {
    fn from(link: Option<String>) -> Self {
        Self { is_mailed: link.is_none(), link }
    }
}

/// Asks for a link to set a new password. The answer is the same whether or not there is such an
/// account.
#[utoipa::path(post, path = "/auth/password-reset", tag = "auth", security(()),
    request_body = RequestPasswordReset,
    responses(
        (status = 202, description = "If there is such an account, a link is sent to its address."),
        (status = 409, body = ProblemDocument, description = "`mail_not_configured`"),
        (status = 422, body = ProblemDocument, description = "The login is not acceptable."),
        (status = 429, body = ProblemDocument, description = "Too many attempts."),
    ))]
pub(crate) async fn request_password_reset(
    State(identity): State<Identity>,
    sender: Sender,
    ApiJson(body): ApiJson<RequestPasswordReset>,
) -> Result<StatusCode, ApiError> {
    identity.request_password_reset(&body.login, &sender.client).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Sets a new password by a link and ends all sessions of the account.
#[utoipa::path(post, path = "/auth/password-reset/confirm", tag = "auth", security(()),
    request_body = ResetPassword,
    responses(
        (status = 204, description = "Set; sign in."),
        (status = 404, body = ProblemDocument, description = "`link_invalid`"),
        (status = 410, body = ProblemDocument, description = "`link_used`, `link_expired`"),
        (status = 422, body = ProblemDocument, description = "The password is not acceptable."),
        (status = 429, body = ProblemDocument, description = "Too many attempts."),
    ))]
pub(crate) async fn reset_password(
    State(identity): State<Identity>,
    sender: Sender,
    ApiJson(body): ApiJson<ResetPassword>,
) -> Result<StatusCode, ApiError> {
    identity.reset_password(&body.token, &body.password, &sender.client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Proves an e-mail address by a link: the account's own, or the one that it changes to.
#[utoipa::path(post, path = "/auth/verify-email", tag = "auth", security(()),
    request_body = LinkBody,
    responses(
        (status = 204, description = "Proved."),
        (status = 404, body = ProblemDocument, description = "`link_invalid`"),
        (status = 409, body = ProblemDocument, description = "`email_taken`"),
        (status = 410, body = ProblemDocument, description = "`link_used`, `link_expired`"),
        (status = 429, body = ProblemDocument, description = "Too many attempts."),
    ))]
pub(crate) async fn verify_email(
    State(identity): State<Identity>,
    sender: Sender,
    ApiJson(body): ApiJson<LinkBody>,
) -> Result<StatusCode, ApiError> {
    identity.verify_email(&body.token, &sender.client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a link that proves your e-mail address.
#[utoipa::path(post, path = "/me/email-verification", tag = "me",
    responses(
        (status = 202, description = "The link is sent to your address."),
        (status = 403, body = ProblemDocument, description = "An API key may not do this."),
        (status = 409, body = ProblemDocument, description = "`mail_not_configured`"),
        (status = 429, body = ProblemDocument, description = "Too many attempts."),
    ))]
pub(crate) async fn request_email_verification(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ProfileWrite>,
) -> Result<StatusCode, ApiError> {
    identity.request_verification(&caller).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Makes a link by which a user sets a new password. It goes to the user's address; where the
/// platform cannot send e-mail, it is answered once.
#[utoipa::path(post, path = "/users/{id}/password-reset", tag = "users",
    params(("id" = Uuid, Path, description = "The user.")),
    responses(
        (status = 201, body = MadeLink),
        (status = 403, body = ProblemDocument, description = "Rights beyond your own."),
        (status = 404, body = ProblemDocument),
    ))]
pub(crate) async fn create_password_reset(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<UserWrite>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<(StatusCode, Json<MadeLink>), ApiError> {
    let link = identity.link_for(&caller, id, Purpose::ResetPassword).await?;
    Ok((StatusCode::CREATED, Json(link.into())))
}

/// Makes a link by which a user proves the e-mail address. It goes to that address; where the
/// platform cannot send e-mail, it is answered once.
#[utoipa::path(post, path = "/users/{id}/email-verification", tag = "users",
    params(("id" = Uuid, Path, description = "The user.")),
    responses(
        (status = 201, body = MadeLink),
        (status = 403, body = ProblemDocument, description = "Rights beyond your own."),
        (status = 404, body = ProblemDocument),
    ))]
pub(crate) async fn create_email_verification(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<UserWrite>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<(StatusCode, Json<MadeLink>), ApiError> {
    let link = identity.link_for(&caller, id, Purpose::VerifyEmail).await?;
    Ok((StatusCode::CREATED, Json(link.into())))
}
