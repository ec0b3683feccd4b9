use axum::Json;
use axum::extract::State;
use http::StatusCode;
use lyceum_core::Secret;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Confirmation;
use crate::{Identity, IdentityError, ProfileRead, Rule, SecondFactorWrite, UserWrite};

/// What the caller is asked for beside the password.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecondFactors {
    /// Whether an authenticator app is on.
    totp: bool,
    /// How many passkeys there are; with one, a second factor is on.
    passkeys: i64,
    /// Recovery codes that were not used yet.
    recovery_codes: i64,
    /// Whether this person must have a second factor. While they have none, their session has only
    /// the rights to set one up.
    required: bool,
}

/// A secret for an authenticator app.
#[derive(Serialize, ToSchema)]
pub(crate) struct TotpSecret {
    /// In base 32, to be typed where no QR code can be read.
    secret: String,
    /// The `otpauth:` address, to be shown as a QR code.
    uri: String,
}

/// A code of an authenticator app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmTotp {
    /// Six digits.
    #[schema(value_type = String)]
    code: Secret,
}

/// Recovery codes, shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecoveryCodes {
    /// Each signs in once in place of a code of the app; absent where older codes stay in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_codes: Option<Vec<String>>,
}

impl RecoveryCodes {
    pub(crate) fn shown(codes: Option<Vec<Secret>>) -> Option<Vec<String>> {
        codes.map(|codes| codes.iter().map(|code| code.expose().to_owned()).collect())
    }
}

/// A proof that it is still the same person: exactly one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirm {
    /// The password.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Secret>,
    /// A code of the authenticator app, or a recovery code.
    #[schema(value_type = Option<String>)]
    code: Option<Secret>,
}

impl TryFrom<Confirm> for Confirmation {
    type Error = IdentityError;

    fn try_from(body: Confirm) -> Result<Self, IdentityError> {
        match (body.password, body.code) {
            (Some(password), None) => Ok(Confirmation::Password(password)),
            (None, Some(code)) => Ok(Confirmation::Code(code)),
            _ => {
                let rule = Rule::ExactlyOne { fields: &["password", "code"] };
                Err(IdentityError::field("password", rule))
            }
        }
    }
}

/// Tells which second factors the caller has.
#[utoipa::path(get, path = "/me/second-factors", tag = "me",
    responses((status = 200, body = SecondFactors)))]
pub(crate) async fn get_second_factors(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ProfileRead>,
) -> Result<Json<SecondFactors>, ApiError> {
    let factors = identity.factors(&caller).await?;
    Ok(Json(SecondFactors {
        totp: factors.totp,
        passkeys: factors.passkeys,
        recovery_codes: factors.recovery_codes,
        required: factors.required,
    }))
}

/// Proves again who the caller is, so that for ten minutes they may change how they sign in. What
/// needs it is refused with `reauthentication_required` otherwise.
#[utoipa::path(post, path = "/me/confirm", tag = "me", request_body = Confirm,
    responses(
        (status = 204, description = "Confirmed."),
        (status = 422, body = ProblemDocument, description = "Wrong password or code."),
        (status = 429, body = ProblemDocument, description = "Too many failed attempts."),
    ))]
pub(crate) async fn confirm_identity(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<SecondFactorWrite>,
    ApiJson(body): ApiJson<Confirm>,
) -> Result<StatusCode, ApiError> {
    identity.confirm(&caller, &body.try_into()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a secret for an authenticator app. It counts once a code confirms it.
#[utoipa::path(post, path = "/me/totp", tag = "me",
    responses(
        (status = 200, body = TotpSecret),
        (status = 403, body = ProblemDocument, description = "Confirm who you are first."),
        (status = 409, body = ProblemDocument, description = "An app is on already."),
    ))]
pub(crate) async fn begin_totp(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<SecondFactorWrite>,
) -> Result<Json<TotpSecret>, ApiError> {
    let (secret, uri) = identity.begin_totp(&caller).await?;
    Ok(Json(TotpSecret { secret: secret.expose().to_owned(), uri }))
}

/// Switches the authenticator app on by a first code; ends all other sessions. Where it is the
/// first second factor, the answer is the only place where the recovery codes are ever shown.
#[utoipa::path(post, path = "/me/totp/confirm", tag = "me", request_body = ConfirmTotp,
    responses(
        (status = 200, body = RecoveryCodes),
        (status = 409, body = ProblemDocument, description = "There is no app to confirm."),
        (status = 422, body = ProblemDocument, description = "Wrong code."),
    ))]
pub(crate) async fn confirm_totp(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<SecondFactorWrite>,
    ApiJson(body): ApiJson<ConfirmTotp>,
) -> Result<Json<RecoveryCodes>, ApiError> {
    let codes = identity.confirm_totp(&caller, &body.code).await?;
    Ok(Json(RecoveryCodes { recovery_codes: RecoveryCodes::shown(codes) }))
}

/// Switches the authenticator app off, on the password or a code.
#[utoipa::path(post, path = "/me/totp/disable", tag = "me", request_body = Confirm,
    responses(
        (status = 204, description = "Switched off."),
        (status = 409, body = ProblemDocument, description = "None is on, or one is required."),
        (status = 422, body = ProblemDocument, description = "Wrong password or code."),
        (status = 429, body = ProblemDocument, description = "Too many failed attempts."),
    ))]
pub(crate) async fn disable_totp(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<SecondFactorWrite>,
    ApiJson(body): ApiJson<Confirm>,
) -> Result<StatusCode, ApiError> {
    identity.disable_totp(&caller, &body.try_into()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes ten new recovery codes in place of all old ones. The answer is the only place where they
/// are ever shown.
#[utoipa::path(post, path = "/me/recovery-codes", tag = "me",
    responses(
        (status = 200, body = RecoveryCodes),
        (status = 403, body = ProblemDocument, description = "Confirm who you are first."),
        (status = 409, body = ProblemDocument, description = "No second factor is on."),
    ))]
pub(crate) async fn renew_recovery_codes(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<SecondFactorWrite>,
) -> Result<Json<RecoveryCodes>, ApiError> {
    let codes = identity.renew_recovery_codes(&caller).await?;
    Ok(Json(RecoveryCodes { recovery_codes: RecoveryCodes::shown(Some(codes)) }))
}

/// Removes a person's authenticator app, passkeys and recovery codes, and ends their sessions.
#[utoipa::path(delete, path = "/users/{id}/second-factors", tag = "users",
    params(("id" = Uuid, Path, description = "The user.")),
    responses(
        (status = 204, description = "Removed."),
        (status = 404, body = ProblemDocument),
    ))]
pub(crate) async fn reset_second_factors(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<UserWrite>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    identity.reset_second_factors(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
