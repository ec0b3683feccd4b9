//! Time-based one-time passwords (RFC 6238) as authenticator apps make them: SHA-1, 6 digits,
//! steps of 30 seconds.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use lyceum_core::Secret;
use sha1::Sha1;
use subtle::ConstantTimeEq as _;
use url::form_urlencoded::byte_serialize;

use crate::IdentityError;

/// Seconds of one step.
const STEP: i64 = 30;
/// Steps before and after the present one whose codes are taken: clocks differ.
const SKEW: i64 = 1;
/// 160 bits, as long as the hash, as RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
/// The name that the app shows.
const ISSUER: &str = "Lyceum";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A new secret, in base 32.
pub(super) fn new_secret() -> Result<Secret, IdentityError> {
    random_base32(SECRET_BYTES)
}

/// Random bytes in base 32.
pub(super) fn random_base32(bytes: usize) -> Result<Secret, IdentityError> {
    let mut random = zeroize::Zeroizing::new(vec![0u8; bytes]);
    getrandom::fill(&mut random)
        .map_err(|_| IdentityError::Internal("the system gives no randomness"))?;
    Ok(Secret::new(to_base32(&random)))
}

/// The address that an authenticator app reads from a QR code.
pub(super) fn uri(secret: &Secret, account: &str) -> String {
    // The label's parts are escaped as a path is: a space is %20.
    let account = byte_serialize(account.as_bytes()).collect::<String>().replace('+', "%20");
    format!(
        "otpauth://totp/{ISSUER}:{account}?secret={}&issuer={ISSUER}&algorithm=SHA1&digits=6\
         &period={STEP}",
        secret.expose()
    )
}

/// The step that `code` belongs to, if it is one of those around `now`.
pub(super) fn matching_step(
    secret: &Secret,
    code: &str,
    now: DateTime<Utc>,
) -> Result<Option<i64>, IdentityError> {
    let key = from_base32(secret.expose())
        .ok_or(IdentityError::Internal("a stored secret is not base 32"))?;
    let present = now.timestamp() / STEP;
    let mut found = None;
    // All are compared, so that the time tells nothing.
    for step in present - SKEW..=present + SKEW {
        let expected = code_at(&key, step)?;
        if bool::from(expected.as_bytes().ct_eq(code.as_bytes())) {
            found = Some(step);
        }
    }
    Ok(found)
}

fn code_at(key: &[u8], step: i64) -> Result<String, IdentityError> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key)
        .map_err(|_| IdentityError::Internal("a stored secret is no key"))?;
    mac.update(&step.to_be_bytes());
    let hash: [u8; 20] = mac.finalize().into_bytes().into();
    let offset = usize::from(hash[19] & 0x0f);
    let four = [hash[offset], hash[offset + 1], hash[offset + 2], hash[offset + 3]];
    let number = u32::from_be_bytes(four) & 0x7fff_ffff;
    Ok(format!("{:06}", number % 1_000_000))
}

fn to_base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut buffer, mut bits) = (0u32, 0);
    for &byte in bytes {
        buffer = (buffer << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(BASE32[(buffer >> bits & 31) as usize]));
        }
        buffer &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(char::from(BASE32[(buffer << (5 - bits) & 31) as usize]));
    }
    text
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut buffer, mut bits) = (0u32, 0);
    for character in text.bytes() {
        let value = BASE32.iter().position(|&known| known == character)?;
        buffer = (buffer << 5) | value as u32;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
            buffer &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "12345678901234567890", the secret of the RFC's tables.
    const RFC: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn codes_agree_with_rfc_6238() {
        // Appendix B, the last six of its eight digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let found = matching_step(&Secret::new(RFC), code, at(seconds)).unwrap();
            assert_eq!(found, Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn one_step_of_skew_is_allowed_and_no_more() {
        let secret = Secret::new(RFC);
        let check = |seconds| matching_step(&secret, "081804", at(seconds)).unwrap().is_some();
        let step = 1_111_111_109 / 30 * 30;
        assert!(check(step) && check(step + 29) && check(step - 30) && check(step + 59));
        assert!(!check(step - 31) && !check(step + 60));
        for wrong in ["", "81804", "0818040", "081805", "०८१८०४"] {
            assert!(matching_step(&secret, wrong, at(step)).unwrap().is_none(), "{wrong}");
        }
    }

    #[test]
    fn base_32_agrees_with_rfc_4648_and_goes_back() {
        for (plain, text) in
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foobar", "MZXW6YTBOI")]
        {
            assert_eq!(to_base32(plain.as_bytes()), text);
            assert_eq!(from_base32(text).unwrap(), plain.as_bytes());
        }
        assert!(from_base32("a1").is_none());
        assert_eq!(new_secret().unwrap().expose().len(), 32);
    }

    #[test]
    fn the_address_names_issuer_and_account() {
        let uri = uri(&Secret::new("ABC"), "ada lovelace+x@example.org");
        assert_eq!(
            uri,
            "otpauth://totp/Lyceum:ada%20lovelace%2Bx%40example.org?secret=ABC&issuer=Lyceum\
             &algorithm=SHA1&digits=6&period=30"
        );
    }
}
