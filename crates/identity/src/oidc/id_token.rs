//! What a client checks of an ID token (OpenID Connect Core, section 3.1.3.7).
//!
//! By hand on `jsonwebtoken`, which the program has anyway: the algorithm is pinned to the key, the
//! time is the program's own clock, and every request goes through the outgoing client, none of
//! which a whole OpenID library would let us do more simply.

use chrono::{DateTime, Utc};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

/// Seconds by which clocks may differ.
const SKEW: i64 = 60;
const SUBJECT_MAX: usize = 255;
/// Algorithms with a public key. Never `none`, and never a shared secret, as which a public key
/// could be passed off.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Why an ID token is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// None of the keys; the issuer may have newer ones.
    UnknownKey,
    /// For good.
    Refused(&'static str),
}

/// Whom the token must be for.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: DateTime<Utc>,
}

/// The claims of a token that is acceptable in every respect.
pub(super) fn verify(
    token: &str,
    keys: &[Jwk],
    expected: &Expected<'_>,
) -> Result<Map<String, Value>, Fault> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| Fault::Refused("malformed"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Fault::Refused("algorithm"));
    }
    let key = choose(keys, header.kid.as_deref(), header.alg)?;
    let key = DecodingKey::from_jwk(key).map_err(|_| Fault::Refused("key"))?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    // Judged below, by the program's own clock.
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation)
        .map_err(|error| Fault::Refused(reason(&error)))?
        .claims;
    judge(&claims, expected).map_err(Fault::Refused)?;
    Ok(claims)
}

fn reason(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature => "signature",
        ErrorKind::InvalidIssuer => "issuer",
        ErrorKind::InvalidAudience => "audience",
        _ => "malformed",
    }
}

/// The key of this id; where the token names none, the only one that fits.
fn choose<'a>(keys: &'a [Jwk], kid: Option<&str>, algorithm: Algorithm) -> Result<&'a Jwk, Fault> {
    let fits = |key: &&Jwk| {
        let signs = !matches!(
            key.common.public_key_use,
            Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_))
        );
        let named = key.common.key_algorithm.is_none_or(|known| {
            known.to_string().parse::<Algorithm>().is_ok_and(|known| known == algorithm)
        });
        signs && named
    };
    let mut fitting =
        keys.iter().filter(|key| kid.is_none() || key.common.key_id.as_deref() == kid).filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key),
        (Some(_), Some(_)) => Err(Fault::Refused("ambiguous key")),
        (None, _) => Err(Fault::UnknownKey),
    }
}

fn judge(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), &'static str> {
    let text = |name| claims.get(name).and_then(Value::as_str);
    let now = expected.now.timestamp();
    if seconds(claims, "exp")?.ok_or("exp")? <= now - SKEW {
        return Err("expired");
    }
    for (name, fault) in [("nbf", "not yet valid"), ("iat", "issued in the future")] {
        if seconds(claims, name)?.is_some_and(|at| at > now + SKEW) {
            return Err(fault);
        }
    }
    let several = claims.get("aud").and_then(Value::as_array).is_some_and(|aud| aud.len() > 1);
    let party = text("azp");
    if (several && party.is_none()) || party.is_some_and(|party| party != expected.client_id) {
        return Err("authorized party");
    }
    let nonce = text("nonce").unwrap_or_default();
    if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
        return Err("nonce");
    }
    match text("sub") {
        Some(sub) if (1..=SUBJECT_MAX).contains(&sub.chars().count()) && !sub.contains('\0') => {
            Ok(())
        }
        _ => Err("subject"),
    }
}

/// A claim that is a moment; some issuers write fractions.
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, &'static str> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(|at| Some(at as i64)).ok_or("malformed time"),
    }
}
