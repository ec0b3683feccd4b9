use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{AssertionJson, CreationOptions, PasskeyRow, RegistrationJson, RequestOptions};
use crate::client::Sender;
use crate::me::Me;
use crate::second_factor::http::RecoveryCodes;
use crate::sign_in::http::signed_in;
use crate::{Identity, ProfileRead, SecondFactorWrite};

/// A passkey.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Passkey {
    id: Uuid,
    name: String,
    /// Whether it is copied to other devices of the person.
    backed_up: bool,
    /// The kind of authenticator; all zeros where it does not tell.
    aaguid: Uuid,
    last_used_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

/// The caller's passkeys, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PasskeyList {
    items: Vec<Passkey>,
}

/// A passkey that was registered just now.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewPasskey {
    passkey: Passkey,
    /// Shown this once; absent where older codes stay in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_codes: Option<Vec<String>>,
}

/// A passkey to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterPasskey {
    /// 1 to 100 characters, such as the device's name.
    name: String,
    /// What `navigator.credentials.create` answered, as its `toJSON` writes it.
    credential: RegistrationJson,
}

/// A passkey's new name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenamePasskey {
    /// 1 to 100 characters.
    name: String,
}

/// A sign-in by a passkey alone.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeySignIn {
    /// What `navigator.credentials.get` answered, as its `toJSON` writes it.
    credential: AssertionJson,
}

impl From<PasskeyRow> for Passkey {
    fn from(row: PasskeyRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            backed_up: row.backed_up,
            aaguid: row.aaguid,
            last_used_at: row.last_used_at,
            created_at: row.created_at,
        }
    }
}

/// Lists the caller's passkeys, oldest first.
#[utoipa::path(get, path = "/me/passkeys", tag = "me",
    responses((status = 200, body = PasskeyList)))]
pub(crate) async fn list_passkeys(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ProfileRead>,
) -> Result<Json<PasskeyList>, ApiError> {
    let rows = identity.passkeys(&caller).await?;
    Ok(Json(PasskeyList { items: rows.into_iter().map(Passkey::from).collect() }))
}

/// Begins to register a passkey; answers what `navigator.credentials.create` needs, good for five
/// minutes.
#[utoipa::path(post, path = "/me/passkeys/options", tag = "me",
    responses(
        (status = 200, body = CreationOptions),
        (status = 403, body = ProblemDocument, description = "Confirm who you are first."),
        (status = 409, body = ProblemDocument, description = "Too many, or no public address."),
    ))]
pub(crate) async fn begin_passkey(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<SecondFactorWrite>,
) -> Result<Json<CreationOptions>, ApiError> {
    Ok(Json(identity.begin_passkey(&caller).await?))
}

/// Keeps a new passkey; ends all other sessions. Where it is the first second factor, the answer is
/// the only place where the recovery codes are ever shown.
#[utoipa::path(post, path = "/me/passkeys", tag = "me", request_body = RegisterPasskey,
    responses(
        (status = 201, body = NewPasskey),
        (status = 403, body = ProblemDocument, description = "Confirm who you are first."),
        (status = 409, body = ProblemDocument, description = "It is registered already."),
        (status = 410, body = ProblemDocument, description = "The five minutes are over."),
        (status = 422, body = ProblemDocument, description = "The passkey is refused."),
    ))]
pub(crate) async fn register_passkey(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<SecondFactorWrite>,
    ApiJson(body): ApiJson<RegisterPasskey>,
) -> Result<(StatusCode, Json<NewPasskey>), ApiError> {
    let (kept, codes) = identity.register_passkey(&caller, &body.name, &body.credential).await?;
    let recovery_codes = RecoveryCodes::shown(codes);
    Ok((StatusCode::CREATED, Json(NewPasskey { passkey: kept.into(), recovery_codes })))
}

/// Renames a passkey.
#[utoipa::path(patch, path = "/me/passkeys/{id}", tag = "me", request_body = RenamePasskey,
    params(("id" = Uuid, Path, description = "The passkey.")),
    responses(
        (status = 200, body = Passkey),
        (status = 404, body = ProblemDocument),
        (status = 422, body = ProblemDocument, description = "The name is not acceptable."),
    ))]
pub(crate) async fn rename_passkey(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<SecondFactorWrite>,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<RenamePasskey>,
) -> Result<Json<Passkey>, ApiError> {
    Ok(Json(identity.rename_passkey(&caller, id, &body.name).await?.into()))
}

/// Deletes a passkey.
#[utoipa::path(delete, path = "/me/passkeys/{id}", tag = "me",
    params(("id" = Uuid, Path, description = "The passkey.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 403, body = ProblemDocument, description = "Confirm who you are first."),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "The last way in, or required."),
    ))]
pub(crate) async fn delete_passkey(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<SecondFactorWrite>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    identity.delete_passkey(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begins to sign in by a passkey alone; answers what `navigator.credentials.get` needs, good for
/// five minutes.
#[utoipa::path(post, path = "/auth/passkey/options", tag = "auth", security(()),
    responses(
        (status = 200, body = RequestOptions),
        (status = 409, body = ProblemDocument, description = "There is no public address."),
        (status = 429, body = ProblemDocument, description = "`too_many_attempts`"),
    ))]
pub(crate) async fn begin_passkey_sign_in(
    State(identity): State<Identity>,
    sender: Sender,
) -> Result<Json<RequestOptions>, ApiError> {
    Ok(Json(identity.begin_passkey_sign_in(&sender.client).await?))
}

/// Signs in by a passkey alone, which counts as both factors.
#[utoipa::path(post, path = "/auth/passkey", tag = "auth", security(()),
    request_body = PasskeySignIn,
    responses(
        (status = 200, body = Me, description = "Signed in; two cookies are set."),
        (status = 401, body = ProblemDocument, description = "The passkey is refused."),
        (status = 403, body = ProblemDocument, description = "The account is not active."),
        (status = 410, body = ProblemDocument, description = "The five minutes are over."),
    ))]
pub(crate) async fn sign_in_with_passkey(
    State(identity): State<Identity>,
    sender: Sender,
    ApiJson(body): ApiJson<PasskeySignIn>,
) -> Result<Response, ApiError> {
    let issued = identity.sign_in_with_passkey(&body.credential, &sender.client).await?;
    signed_in(&identity, &sender, &issued).await
}
