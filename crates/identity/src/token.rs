use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use lyceum_core::Secret;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::IdentityError;
use crate::key::{SigningKey, hmac_sha256};

/// How long an access token is good for.
pub(crate) const ACCESS_LIFETIME: TimeDelta = TimeDelta::minutes(15);
/// Who makes and reads the tokens, and what for.
const ISSUER: &str = "lyceum";
const AUDIENCE: &str = "lyceum:access";
/// What an API key starts with.
pub(crate) const API_KEY_PREFIX: &str = "lyc_";
/// What the token of a directory starts with.
pub(crate) const SCIM_TOKEN_PREFIX: &str = "lycscim_";
/// 43 characters of an alphabet of 62 hold 256 bits.
const API_KEY_CHARACTERS: usize = 43;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Session id, generation, MAC.
const REFRESH_BYTES: usize = 16 + 4 + 32;

/// Makes and checks the tokens of sessions.
pub(crate) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    refresh: [u8; 32],
}

/// The contents of an access token.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AccessClaims {
    iss: String,
    aud: String,
    /// The user.
    pub(crate) sub: Uuid,
    /// The session.
    pub(crate) sid: Uuid,
    iat: i64,
    exp: i64,
}

/// A genuine refresh token, current or not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    pub(crate) session: Uuid,
    pub(crate) generation: i32,
    pub(crate) hash: [u8; 32],
}

impl Tokens {
    pub(crate) fn new(key: &SigningKey) -> Self {
        let access = key.derive("lyceum access token 1");
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // Judged below, by the program's own clock.
        validation.validate_exp = false;
        Self {
            encoding: EncodingKey::from_secret(&access),
            decoding: DecodingKey::from_secret(&access),
            validation,
            refresh: key.derive("lyceum refresh token 1"),
        }
    }

    /// An access token for a session.
    pub(crate) fn access(
        &self,
        user: Uuid,
        session: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Secret, IdentityError> {
        let claims = AccessClaims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user,
            sid: session,
            iat: now.timestamp(),
            exp: (now + ACCESS_LIFETIME).timestamp(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .map(Secret::new)
            .map_err(|_| IdentityError::Internal("an access token cannot be made"))
    }

    /// The contents of an access token of ours that has not expired.
    pub(crate) fn read_access(&self, token: &str, now: DateTime<Utc>) -> Option<AccessClaims> {
        let claims = self.read_access_even_expired(token)?;
        (now.timestamp() < claims.exp).then_some(claims)
    }

    /// The same without a look at the clock: whoever signs out may come late.
    pub(crate) fn read_access_even_expired(&self, token: &str) -> Option<AccessClaims> {
        jsonwebtoken::decode::<AccessClaims>(token, &self.decoding, &self.validation)
            .ok()
            .map(|data| data.claims)
    }

    /// The refresh token of one generation of a session. It is the same each time, so that two
    /// tabs that refresh at the same moment get the same successor.
    pub(crate) fn refresh(&self, session: Uuid, generation: i32) -> Secret {
        Secret::new(URL_SAFE_NO_PAD.encode(self.refresh_bytes(session, generation)))
    }

    fn refresh_bytes(&self, session: Uuid, generation: i32) -> [u8; REFRESH_BYTES] {
        let mut bytes = [0u8; REFRESH_BYTES];
        bytes[..16].copy_from_slice(session.as_bytes());
        bytes[16..20].copy_from_slice(&generation.to_be_bytes());
        let mac = hmac_sha256(&self.refresh, &bytes[..20]);
        bytes[20..].copy_from_slice(&mac);
        bytes
    }

    /// Reads a refresh token; none where this program did not make it.
    pub(crate) fn read_refresh(&self, token: &str) -> Option<RefreshToken> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let bytes: [u8; REFRESH_BYTES] = bytes.try_into().ok()?;
        let session = Uuid::from_slice(&bytes[..16]).ok()?;
        let generation = i32::from_be_bytes(bytes[16..20].try_into().ok()?);
        let genuine = self.refresh_bytes(session, generation);
        bool::from(genuine.ct_eq(&bytes)).then(|| RefreshToken {
            session,
            generation,
            hash: sha256(token.as_bytes()),
        })
    }

    /// SHA-256 of the refresh token of one generation.
    pub(crate) fn refresh_hash(&self, session: Uuid, generation: i32) -> [u8; 32] {
        sha256(self.refresh(session, generation).expose().as_bytes())
    }
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A new API key: the prefix and 256 random bits.
pub(crate) fn new_api_key() -> Result<Secret, IdentityError> {
    Ok(Secret::new(format!("{API_KEY_PREFIX}{}", random_text(API_KEY_CHARACTERS)?.expose())))
}

/// A new token for a directory: the prefix and 256 random bits.
pub(crate) fn new_scim_token() -> Result<Secret, IdentityError> {
    Ok(Secret::new(format!("{SCIM_TOKEN_PREFIX}{}", random_text(API_KEY_CHARACTERS)?.expose())))
}

/// Random characters of the alphabet of 62, each equally likely.
pub(crate) fn random_text(length: usize) -> Result<Secret, IdentityError> {
    let mut text = String::with_capacity(length);
    let mut bytes = zeroize::Zeroizing::new([0u8; 64]);
    while text.len() < length {
        getrandom::fill(&mut *bytes)
            .map_err(|_| IdentityError::Internal("the system gives no randomness"))?;
        // 248 is the greatest multiple of 62 in a byte; what is above would favour some.
        let fair = bytes.iter().filter(|&&byte| byte < 248);
        let characters = fair.map(|&byte| char::from(ALPHABET[usize::from(byte % 62)]));
        text.extend(characters.take(length - text.len()));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(byte: u8) -> Tokens {
        Tokens::new(&SigningKey::from_bytes([byte; 32]))
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    const USER: Uuid = Uuid::from_u128(1);
    const SESSION: Uuid = Uuid::from_u128(2);

    #[test]
    fn an_access_token_lives_fifteen_minutes_under_its_own_key() {
        let token = tokens(1).access(USER, SESSION, at(1_000)).unwrap();
        let claims = tokens(1).read_access(token.expose(), at(1_000 + 899)).unwrap();
        assert_eq!((claims.sub, claims.sid), (USER, SESSION));
        assert!(tokens(1).read_access(token.expose(), at(1_000 + 900)).is_none());
        assert!(tokens(2).read_access(token.expose(), at(1_000)).is_none());
        let changed = format!("{}x", token.expose());
        assert!(tokens(1).read_access(&changed, at(1_000)).is_none());
    }

    #[test]
    fn other_algorithms_purposes_and_missing_claims_are_refused() {
        let tokens = tokens(1);
        let key = SigningKey::from_bytes([1; 32]).derive("lyceum access token 1");
        let sign = |algorithm, claims: serde_json::Value| {
            jsonwebtoken::encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(&key))
                .unwrap()
        };
        let claims = |aud: &str, iss: &str| {
            serde_json::json!({ "iss": iss, "aud": aud, "sub": USER, "sid": SESSION, "iat": 0,
                                "exp": 4_000_000_000i64 })
        };
        let read = |token: &str| tokens.read_access(token, at(1_000)).is_some();
        assert!(read(&sign(Algorithm::HS256, claims(AUDIENCE, ISSUER))), "the control");
        assert!(!read(&sign(Algorithm::HS384, claims(AUDIENCE, ISSUER))));
        assert!(!read(&sign(Algorithm::HS512, claims(AUDIENCE, ISSUER))));
        assert!(!read(&sign(Algorithm::HS256, claims("lyceum:refresh", ISSUER))));
        assert!(!read(&sign(Algorithm::HS256, claims(AUDIENCE, "another"))));
        let mut without = claims(AUDIENCE, ISSUER);
        without.as_object_mut().unwrap().remove("aud");
        assert!(!read(&sign(Algorithm::HS256, without)));
        let body = URL_SAFE_NO_PAD.encode(claims(AUDIENCE, ISSUER).to_string());
        for alg in ["none", "None", "NONE", "nOnE"] {
            let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"JWT","alg":"{alg}"}}"#));
            assert!(!read(&format!("{header}.{body}.")), "{alg}");
        }
        assert!(!read(tokens.refresh(SESSION, 0).expose()));
    }

    #[test]
    fn a_refresh_token_is_bound_to_session_generation_and_key() {
        let token = tokens(1).refresh(SESSION, 7);
        let read = tokens(1).read_refresh(token.expose()).unwrap();
        assert_eq!((read.session, read.generation), (SESSION, 7));
        assert_eq!(read.hash, tokens(1).refresh_hash(SESSION, 7));
        assert!(tokens(2).read_refresh(token.expose()).is_none());
        let mut bytes = URL_SAFE_NO_PAD.decode(token.expose()).unwrap();
        for place in 0..bytes.len() {
            bytes[place] ^= 1;
            assert!(tokens(1).read_refresh(&URL_SAFE_NO_PAD.encode(&bytes)).is_none(), "{place}");
            bytes[place] ^= 1;
        }
        assert!(tokens(1).read_refresh("").is_none());
    }

    #[test]
    fn api_keys_are_long_and_never_the_same() {
        let (one, two) = (new_api_key().unwrap(), new_api_key().unwrap());
        assert_eq!(one.expose().len(), 47);
        assert!(one.expose()[4..].bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_ne!(one.expose(), two.expose());
    }
}
