//! The JSON forms of Web Authentication, as browsers read (`parseCreationOptionsFromJSON`,
//! `parseRequestOptionsFromJSON`) and write them (`toJSON`). Members that we do not use are let
//! pass.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::webauthn::Refused;

/// The platform, as an authenticator names it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RelyingPartyJson {
    pub(super) id: String,
    pub(super) name: &'static str,
}

/// The person, as an authenticator names them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PasskeyUser {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) display_name: String,
}

/// An algorithm that is taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PasskeyParameters {
    pub(super) r#type: &'static str,
    pub(super) alg: i64,
}

/// A passkey by its id.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PasskeyDescriptor {
    pub(super) r#type: &'static str,
    pub(super) id: String,
}

/// What is asked of the authenticator.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuthenticatorSelection {
    pub(super) resident_key: &'static str,
    pub(super) require_resident_key: bool,
    pub(super) user_verification: &'static str,
}

/// For `PublicKeyCredential.parseCreationOptionsFromJSON`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreationOptions {
    pub(super) rp: RelyingPartyJson,
    pub(super) user: PasskeyUser,
    pub(super) challenge: String,
    pub(super) pub_key_cred_params: Vec<PasskeyParameters>,
    /// Milliseconds.
    pub(super) timeout: u32,
    pub(super) exclude_credentials: Vec<PasskeyDescriptor>,
    pub(super) authenticator_selection: AuthenticatorSelection,
    pub(super) attestation: &'static str,
}

/// For `PublicKeyCredential.parseRequestOptionsFromJSON`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestOptions {
    pub(super) challenge: String,
    pub(super) rp_id: String,
    /// Milliseconds.
    pub(super) timeout: u32,
    pub(super) allow_credentials: Vec<PasskeyDescriptor>,
    pub(super) user_verification: &'static str,
}

/// A new passkey, as `toJSON` of `navigator.credentials.create`'s answer writes it.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RegistrationJson {
    pub(super) response: AttestationResponseJson,
}

/// What the authenticator answered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttestationResponseJson {
    #[serde(rename = "clientDataJSON")]
    pub(super) client_data_json: String,
    pub(super) attestation_object: String,
}

/// A use of a passkey, as `toJSON` of `navigator.credentials.get`'s answer writes it.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AssertionJson {
    /// The passkey's id.
    pub(super) id: String,
    pub(super) response: AssertionResponseJson,
}

/// What the authenticator answered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssertionResponseJson {
    #[serde(rename = "clientDataJSON")]
    pub(super) client_data_json: String,
    pub(super) authenticator_data: String,
    pub(super) signature: String,
    pub(super) user_handle: Option<String>,
}

/// Bytes as the JSON forms carry them.
pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode(text: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Refused::Malformed)
}
