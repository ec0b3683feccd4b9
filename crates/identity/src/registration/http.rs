use axum::Json;
use axum::extract::State;
use http::StatusCode;
use lyceum_core::Secret;
use lyceum_http::{ApiError, ApiJson, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Mode, Wanted};
use crate::Identity;
use crate::client::Sender;
use crate::invitation::http::LinkBody;
use crate::mail::Language;

/// How one gets an account here.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RegistrationState {
    mode: Mode,
    /// The domains whose addresses may register by themselves; all where the list is empty.
    email_domains: Vec<String>,
    /// Whether the platform sends e-mail: links to confirm an address or to set a new password.
    sends_mail: bool,
}

/// The account that somebody wants.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    /// 2 to 64 letters or digits, inside also `.`, `_` and `-`.
    username: String,
    /// The e-mail address.
    email: String,
    /// 10 to 256 characters.
    #[schema(value_type = String, format = Password)]
    password: Secret,
    /// The name to be shown.
    display_name: Option<String>,
    /// The language of the letter; English by default.
    #[serde(default)]
    language: Language,
}

/// What has to happen next.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Registered {
    /// `mail`: follow the link in the letter; `none`: sign in.
    confirmation: &'static str,
}

/// Tells how one gets an account here. `mode` says whether by oneself, by an invitation or through
/// an administrator.
#[utoipa::path(get, path = "/auth/registration", tag = "auth", security(()),
    responses((status = 200, body = RegistrationState)))]
pub(crate) async fn get_registration(
    State(identity): State<Identity>,
) -> Result<Json<RegistrationState>, ApiError> {
    let (mode, email_domains) = identity.registration().await?;
    // Where they do not matter, the domains are nobody's business.
    let email_domains = if mode == Mode::Open { email_domains } else { Vec::new() };
    Ok(Json(RegistrationState { mode, email_domains, sends_mail: identity.can_mail() }))
}

/// Registers by oneself. The answer does not tell whether the address has an account already.
#[utoipa::path(post, path = "/auth/register", tag = "auth", security(()),
    request_body = Register,
    responses(
        (status = 202, body = Registered),
        (status = 403, body = ProblemDocument, description = "`registration_closed`"),
        (status = 409, body = ProblemDocument, description = "`username_taken`"),
        (status = 422, body = ProblemDocument, description = "A field is not acceptable."),
        (status = 429, body = ProblemDocument, description = "Too many attempts."),
    ))]
pub(crate) async fn register(
    State(identity): State<Identity>,
    sender: Sender,
    ApiJson(body): ApiJson<Register>,
) -> Result<(StatusCode, Json<Registered>), ApiError> {
    let wanted = Wanted {
        username: body.username,
        email: body.email,
        password: body.password,
        display_name: body.display_name,
        language: body.language,
    };
    identity.register(wanted, &sender.client).await?;
    let confirmation = if identity.can_mail() { "mail" } else { "none" };
    Ok((StatusCode::ACCEPTED, Json(Registered { confirmation })))
}

/// Confirms a registration by the link in its letter; the account can be used from then on.
#[utoipa::path(post, path = "/auth/register/confirm", tag = "auth", security(()),
    request_body = LinkBody,
    responses(
        (status = 204, description = "The account is made; sign in."),
        (status = 403, body = ProblemDocument, description = "`registration_closed`"),
        (status = 404, body = ProblemDocument, description = "`link_invalid`"),
        (status = 409, body = ProblemDocument, description = "Name or address was taken meanwhile."),
        (status = 410, body = ProblemDocument, description = "`link_used`, `link_expired`"),
        (status = 429, body = ProblemDocument, description = "Too many attempts."),
    ))]
pub(crate) async fn confirm_registration(
    State(identity): State<Identity>,
    sender: Sender,
    ApiJson(body): ApiJson<LinkBody>,
) -> Result<StatusCode, ApiError> {
    identity.confirm_registration(&body.token, &sender.client).await?;
    Ok(StatusCode::NO_CONTENT)
}
