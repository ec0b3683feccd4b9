//! What a relying party checks of a registration and of an assertion (Web Authentication, Level 3,
//! sections 7.1 and 7.2). Pure: no clock, no database.
//!
//! Attestation is not asked for and not believed: a statement that comes nevertheless is left
//! unread, so a key is trusted for having been registered by somebody who was signed in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ciborium::Value;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use super::cose::PublicKey;
use crate::token::sha256;

/// Flags of the authenticator data.
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const ATTESTED: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;
/// RP id hash, flags, counter.
const FIXED: usize = 32 + 1 + 4;
const CREDENTIAL_ID_MAX: usize = 1023;
const PUBLIC_KEY_MAX: usize = 2048;

/// Why an authenticator's answer was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not in the form that the standard gives.
    Malformed,
    /// Of another kind of ceremony.
    Type,
    /// For another challenge.
    Challenge,
    /// From another page.
    Origin,
    /// For another platform.
    RelyingParty,
    /// Nobody was there.
    Presence,
    /// The device did not verify its person.
    Verification,
    /// Of an algorithm that is not taken.
    Algorithm,
    /// The signature is wrong.
    Signature,
    /// The counter did not grow, as where the key was copied.
    Counter,
    /// What can be backed up cannot suddenly not be, or the reverse.
    Backup,
    /// Nobody's, or somebody else's.
    Unknown,
}

impl Refused {
    /// The reason, as the log and the audit log name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Refused::Malformed => "passkey_malformed",
            Refused::Type => "passkey_wrong_type",
            Refused::Challenge => "passkey_wrong_challenge",
            Refused::Origin => "passkey_wrong_origin",
            Refused::RelyingParty => "passkey_wrong_relying_party",
            Refused::Presence => "passkey_without_presence",
            Refused::Verification => "passkey_without_verification",
            Refused::Algorithm => "passkey_unknown_algorithm",
            Refused::Signature => "passkey_wrong_signature",
            Refused::Counter => "passkey_counter_went_back",
            Refused::Backup => "passkey_backup_changed",
            Refused::Unknown => "passkey_unknown",
        }
    }
}

/// Whom an answer must be meant for.
pub(super) struct Expected<'a> {
    /// What the browser signed in our name: the token of the step.
    pub(super) challenge: &'a [u8],
    /// Scheme, host and port of the web app.
    pub(super) origin: &'a str,
    pub(super) rp_id: &'a str,
    /// Whether a PIN, a finger or a face is demanded.
    pub(super) user_verified: bool,
}

/// A new credential.
#[derive(Debug)]
pub(super) struct Credential {
    pub(super) id: Vec<u8>,
    pub(super) public_key: Vec<u8>,
    pub(super) sign_count: u32,
    pub(super) backup_eligible: bool,
    pub(super) backed_up: bool,
    pub(super) aaguid: Uuid,
}

/// A credential as it is known.
pub(super) struct Known<'a> {
    pub(super) public_key: &'a [u8],
    pub(super) sign_count: u32,
    pub(super) backup_eligible: bool,
}

/// What an assertion tells anew.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asserted {
    pub(super) sign_count: u32,
    pub(super) backed_up: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

/// The challenge that an answer claims to be for; judged by [`register`] and [`assert`].
pub(super) fn claimed_challenge(client_data: &[u8]) -> Option<Vec<u8>> {
    let data: ClientData = serde_json::from_slice(client_data).ok()?;
    URL_SAFE_NO_PAD.decode(data.challenge).ok()
}

/// Judges a registration.
pub(super) fn register(
    client_data: &[u8],
    attestation_object: &[u8],
    expected: &Expected<'_>,
) -> Result<Credential, Refused> {
    judge_client_data(client_data, "webauthn.create", expected)?;
    let object: Value =
        ciborium::from_reader(attestation_object).map_err(|_| Refused::Malformed)?;
    let members = object.as_map().ok_or(Refused::Malformed)?;
    let data = members.iter().find(|(name, _)| name.as_text() == Some("authData"));
    let data = data.and_then(|(_, data)| data.as_bytes()).ok_or(Refused::Malformed)?;
    let (fixed, rest) = AuthenticatorData::parse(data)?;
    fixed.judge(expected)?;
    if fixed.flags & ATTESTED == 0 {
        return Err(Refused::Malformed);
    }
    let (aaguid, rest) = rest.split_first_chunk::<16>().ok_or(Refused::Malformed)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(Refused::Malformed)?;
    let length = usize::from(u16::from_be_bytes(*length));
    if length == 0 || length > CREDENTIAL_ID_MAX {
        return Err(Refused::Malformed);
    }
    let (id, rest) = rest.split_at_checked(length).ok_or(Refused::Malformed)?;
    let after = after_cbor(rest)?;
    let public_key = &rest[..rest.len() - after.len()];
    fixed.judge_end(after)?;
    if public_key.len() > PUBLIC_KEY_MAX || PublicKey::parse(public_key).is_none() {
        return Err(Refused::Algorithm);
    }
    Ok(Credential {
        id: id.to_vec(),
        public_key: public_key.to_vec(),
        sign_count: fixed.sign_count,
        backup_eligible: fixed.flags & BACKUP_ELIGIBLE != 0,
        backed_up: fixed.flags & BACKED_UP != 0,
        aaguid: Uuid::from_bytes(*aaguid),
    })
}

/// Judges an assertion of a known credential.
pub(super) fn assert(
    client_data: &[u8],
    authenticator_data: &[u8],
    signature: &[u8],
    known: &Known<'_>,
    expected: &Expected<'_>,
) -> Result<Asserted, Refused> {
    judge_client_data(client_data, "webauthn.get", expected)?;
    let (fixed, rest) = AuthenticatorData::parse(authenticator_data)?;
    fixed.judge(expected)?;
    if fixed.flags & ATTESTED != 0 {
        return Err(Refused::Malformed);
    }
    fixed.judge_end(rest)?;
    let key = PublicKey::parse(known.public_key).ok_or(Refused::Algorithm)?;
    let message = [authenticator_data, &sha256(client_data)].concat();
    if !key.verifies(&message, signature) {
        return Err(Refused::Signature);
    }
    if (fixed.flags & BACKUP_ELIGIBLE != 0) != known.backup_eligible {
        return Err(Refused::Backup);
    }
    // Authenticators without a counter always say 0. A counter that does not grow tells of a copy.
    let counts = fixed.sign_count > 0 || known.sign_count > 0;
    if counts && fixed.sign_count <= known.sign_count {
        return Err(Refused::Counter);
    }
    Ok(Asserted { sign_count: fixed.sign_count, backed_up: fixed.flags & BACKED_UP != 0 })
}

fn judge_client_data(
    client_data: &[u8],
    kind: &str,
    expected: &Expected<'_>,
) -> Result<(), Refused> {
    let data: ClientData = serde_json::from_slice(client_data).map_err(|_| Refused::Malformed)?;
    if data.r#type != kind {
        return Err(Refused::Type);
    }
    let challenge = URL_SAFE_NO_PAD.decode(data.challenge).map_err(|_| Refused::Challenge)?;
    if !bool::from(challenge.ct_eq(expected.challenge)) {
        return Err(Refused::Challenge);
    }
    if data.origin != expected.origin || data.cross_origin {
        return Err(Refused::Origin);
    }
    Ok(())
}

/// The fixed part of the authenticator data.
struct AuthenticatorData {
    rp_id_hash: [u8; 32],
    flags: u8,
    sign_count: u32,
}

impl AuthenticatorData {
    fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Refused> {
        let (fixed, rest) = bytes.split_first_chunk::<FIXED>().ok_or(Refused::Malformed)?;
        let (rp_id_hash, fixed) = fixed.split_first_chunk::<32>().ok_or(Refused::Malformed)?;
        let [flags, counter @ ..] = fixed else { return Err(Refused::Malformed) };
        let counter = counter.try_into().map_err(|_| Refused::Malformed)?;
        let sign_count = u32::from_be_bytes(counter);
        Ok((Self { rp_id_hash: *rp_id_hash, flags: *flags, sign_count }, rest))
    }

    fn judge(&self, expected: &Expected<'_>) -> Result<(), Refused> {
        if self.rp_id_hash != sha256(expected.rp_id.as_bytes()) {
            return Err(Refused::RelyingParty);
        }
        if self.flags & USER_PRESENT == 0 {
            return Err(Refused::Presence);
        }
        if expected.user_verified && self.flags & USER_VERIFIED == 0 {
            return Err(Refused::Verification);
        }
        if self.flags & BACKED_UP != 0 && self.flags & BACKUP_ELIGIBLE == 0 {
            return Err(Refused::Malformed);
        }
        Ok(())
    }

    /// Whether what follows is what the flags announce, and nothing after it.
    fn judge_end(&self, rest: &[u8]) -> Result<(), Refused> {
        let end = if self.flags & EXTENSIONS != 0 { after_cbor(rest)? } else { rest };
        if end.is_empty() { Ok(()) } else { Err(Refused::Malformed) }
    }
}

/// What follows the first CBOR item of `bytes`.
fn after_cbor(mut bytes: &[u8]) -> Result<&[u8], Refused> {
    let _: Value = ciborium::from_reader(&mut bytes).map_err(|_| Refused::Malformed)?;
    Ok(bytes)
}
