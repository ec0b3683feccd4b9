use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_core::Secret;
use lyceum_http::{ApiError, ApiJson, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::second_step::{Pending, Shown, SignedIn};
use crate::client::Sender;
use crate::me::Me;
use crate::passkey::{AssertionJson, RequestOptions};
use crate::session::Issued;
use crate::{Identity, IdentityError, Rule};

/// Who wants to sign in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// Username or e-mail address.
    login: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// A sign-in that waits for its second factor.
#[derive(Serialize, ToSchema)]
pub(crate) struct SecondFactorChallenge {
    /// To be sent with the second factor; good for nothing else.
    challenge: String,
    /// When it ends, five minutes after the first step.
    expires_at: DateTime<Utc>,
    /// What may be shown: `totp`, `recovery_code`, `passkey`.
    methods: Vec<&'static str>,
    /// For `navigator.credentials.get`, where the person has passkeys.
    #[serde(skip_serializing_if = "Option::is_none")]
    passkey: Option<RequestOptions>,
}

/// The token of a sign-in that waits for its second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PendingSignIn {
    /// As the first step gave it.
    #[schema(value_type = String)]
    challenge: Secret,
}

/// The second factor: exactly one of `code` and `passkey`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompleteSignIn {
    /// As the first step gave it.
    #[schema(value_type = String)]
    challenge: Secret,
    /// Six digits of an authenticator app, or a recovery code.
    #[schema(value_type = Option<String>)]
    code: Option<Secret>,
    /// What `navigator.credentials.get` answered, as its `toJSON` writes it.
    passkey: Option<Box<AssertionJson>>,
}

/// One way to sign in through an issuer.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignInProvider {
    id: Uuid,
    /// To be shown on the button.
    name: String,
}

/// The ways to sign in.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignInMethods {
    /// By username or e-mail address and password.
    password: bool,
    /// By a passkey alone.
    passkey: bool,
    /// Through these issuers.
    providers: Vec<SignInProvider>,
}

/// Lists the ways to sign in. Those of `providers` begin at `/auth/oidc/{id}/start`.
#[utoipa::path(get, path = "/auth/methods", tag = "auth", security(()),
    responses((status = 200, body = SignInMethods)))]
pub(crate) async fn list_sign_in_methods(
    State(identity): State<Identity>,
) -> Result<Json<SignInMethods>, ApiError> {
    let providers = identity.active_oidc_providers().await?;
    let providers = providers.into_iter().map(|(id, name)| SignInProvider { id, name });
    Ok(Json(SignInMethods {
        password: true,
        passkey: identity.relying_party().is_ok(),
        providers: providers.collect(),
    }))
}

/// Signs in; the tokens come as two HttpOnly cookies. Where a second factor is on, the answer is
/// what to show next.
#[utoipa::path(post, path = "/auth/sign-in", tag = "auth", security(()),
    request_body = SignIn,
    responses(
        (status = 200, body = Me, description = "Signed in; two cookies are set."),
        (status = 202, body = SecondFactorChallenge, description = "A second factor is asked for."),
        (status = 401, body = ProblemDocument, description = "Wrong account or password."),
        (status = 403, body = ProblemDocument, description = "The account is not active."),
        (status = 429, body = ProblemDocument, description = "Too many failed attempts."),
    ))]
pub(crate) async fn sign_in(
    State(identity): State<Identity>,
    sender: Sender,
    ApiJson(body): ApiJson<SignIn>,
) -> Result<Response, ApiError> {
    match identity.sign_in(&body.login, &body.password, &sender.client).await? {
        SignedIn::Session(issued) => signed_in(&identity, &sender, &issued).await,
        SignedIn::SecondFactor(pending) => {
            Ok((StatusCode::ACCEPTED, Json(describe(&identity, pending))).into_response())
        }
    }
}

/// Describes a sign-in that waits for its second factor, for a page that comes back to it.
#[utoipa::path(post, path = "/auth/sign-in/pending", tag = "auth", security(()),
    request_body = PendingSignIn,
    responses(
        (status = 200, body = SecondFactorChallenge),
        (status = 410, body = ProblemDocument, description = "It has ended; sign in again."),
    ))]
pub(crate) async fn get_pending_sign_in(
    State(identity): State<Identity>,
    ApiJson(body): ApiJson<PendingSignIn>,
) -> Result<Json<SecondFactorChallenge>, ApiError> {
    let pending = identity.pending_sign_in(&body.challenge).await?;
    Ok(Json(describe(&identity, pending)))
}

/// Completes a sign-in with its second factor. Five wrong codes, or one wrong passkey, end it.
#[utoipa::path(post, path = "/auth/sign-in/second-factor", tag = "auth", security(()),
    request_body = CompleteSignIn,
    responses(
        (status = 200, body = Me, description = "Signed in; two cookies are set."),
        (status = 401, body = ProblemDocument, description = "Wrong code or passkey."),
        (status = 403, body = ProblemDocument, description = "The account is not active."),
        (status = 410, body = ProblemDocument, description = "It has ended; sign in again."),
        (status = 429, body = ProblemDocument, description = "Too many failed attempts."),
    ))]
pub(crate) async fn complete_sign_in(
    State(identity): State<Identity>,
    sender: Sender,
    ApiJson(body): ApiJson<CompleteSignIn>,
) -> Result<Response, ApiError> {
    let shown = match (body.code, body.passkey) {
        (Some(code), None) => Shown::Code(code),
        (None, Some(passkey)) => Shown::Passkey(passkey),
        _ => {
            let rule = Rule::ExactlyOne { fields: &["code", "passkey"] };
            return Err(IdentityError::field("code", rule).into());
        }
    };
    let issued = identity.complete_sign_in(&body.challenge, &shown, &sender.client).await?;
    signed_in(&identity, &sender, &issued).await
}

/// The answer that begins a session.
pub(crate) async fn signed_in(
    identity: &Identity,
    sender: &Sender,
    issued: &Issued,
) -> Result<Response, ApiError> {
    let rights = identity.rights_of_session(issued.session_id).await?;
    let me = identity.me(issued.user_id, rights).await?;
    Ok((sender.with_tokens(issued, identity.clock().now()), Json(me)).into_response())
}

fn describe(identity: &Identity, pending: Pending) -> SecondFactorChallenge {
    let passkey = match identity.relying_party() {
        Ok(party) if !pending.passkeys.is_empty() => {
            Some(party.request_options(&pending.token, &pending.passkeys, "preferred"))
        }
        _ => None,
    };
    let methods = [
        (pending.totp, "totp"),
        (pending.recovery_code, "recovery_code"),
        (passkey.is_some(), "passkey"),
    ];
    SecondFactorChallenge {
        challenge: pending.token.expose().to_owned(),
        expires_at: pending.expires_at,
        methods: methods.into_iter().filter_map(|(on, name)| on.then_some(name)).collect(),
        passkey,
    }
}
