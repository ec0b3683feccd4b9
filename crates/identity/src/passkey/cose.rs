//! Public keys of authenticators (COSE_Key, RFC 9052 and 9053) and the signatures that they check.

use ciborium::Value;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

/// The algorithms that are taken, the one best liked first.
pub(super) const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];

const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

/// Labels of a COSE_Key.
const KTY: i64 = 1;
const ALG: i64 = 3;
const CRV_OR_N: i64 = -1;
const X_OR_E: i64 = -2;
const Y: i64 = -3;

/// A public key of one of the algorithms.
#[derive(Debug)]
pub(super) enum PublicKey {
    /// ECDSA on P-256: 0x04, x, y.
    Es256(Vec<u8>),
    /// Ed25519.
    EdDsa(Vec<u8>),
    /// RSA, PKCS #1 version 1.5.
    Rs256 { n: Vec<u8>, e: Vec<u8> },
}

impl PublicKey {
    /// Reads the key; none where it is not one of the algorithms, or malformed.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let value: Value = ciborium::from_reader(bytes).ok()?;
        let map = value.as_map()?;
        let integer = |label| find(map, label)?.as_integer()?.try_into().ok();
        let octets = |label| find(map, label)?.as_bytes();
        match (integer(KTY)?, integer(ALG)?) {
            (2, ES256) if integer(CRV_OR_N) == Some(1) => {
                let (x, y) = (octets(X_OR_E)?, octets(Y)?);
                let right = x.len() == 32 && y.len() == 32;
                right.then(|| PublicKey::Es256([&[4], x.as_slice(), y.as_slice()].concat()))
            }
            (1, EDDSA) if integer(CRV_OR_N) == Some(6) => {
                let x = octets(X_OR_E)?;
                (x.len() == 32).then(|| PublicKey::EdDsa(x.clone()))
            }
            (3, RS256) => {
                let (n, e) = (octets(CRV_OR_N)?, octets(X_OR_E)?);
                Some(PublicKey::Rs256 { n: n.clone(), e: e.clone() })
            }
            _ => None,
        }
    }

    /// Whether the signature over `message` was made with this key's other half.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            PublicKey::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            PublicKey::EdDsa(point) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature)
            }
            PublicKey::Rs256 { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
        };
        verified.is_ok()
    }
}

fn find(map: &[(Value, Value)], label: i64) -> Option<&Value> {
    map.iter().find(|(key, _)| key.as_integer() == Some(label.into())).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    fn encoded(members: Vec<(i64, Value)>) -> Vec<u8> {
        let members = members.into_iter().map(|(label, value)| (label.into(), value)).collect();
        let mut bytes = Vec::new();
        ciborium::into_writer(&Value::Map(members), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn an_ed25519_key_checks_its_own_signatures_only() {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let x = Value::Bytes(pair.public_key().as_ref().to_vec());
        let key = encoded(vec![(1, 1.into()), (3, (-8).into()), (-1, 6.into()), (-2, x)]);
        let key = PublicKey::parse(&key).unwrap();
        let signature = pair.sign(b"message");
        assert!(key.verifies(b"message", signature.as_ref()));
        assert!(!key.verifies(b"massage", signature.as_ref()));
    }

    #[test]
    fn an_rsa_key_checks_its_own_signatures_only() {
        use rsa::pkcs1::EncodeRsaPrivateKey as _;
        use rsa::traits::PublicKeyParts as _;
        let private = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
        let der = private.to_pkcs1_der().unwrap();
        let pair = ring::rsa::KeyPair::from_der(der.as_bytes()).unwrap();
        let (n, e) = (private.n().to_bytes_be(), private.e().to_bytes_be());
        let key = encoded(vec![
            (1, 3.into()),
            (3, (-257).into()),
            (-1, Value::Bytes(n)),
            (-2, Value::Bytes(e)),
        ]);
        let key = PublicKey::parse(&key).unwrap();
        let mut signature = vec![0; pair.public().modulus_len()];
        let padding = &ring::signature::RSA_PKCS1_SHA256;
        pair.sign(padding, &SystemRandom::new(), b"message", &mut signature).unwrap();
        assert!(key.verifies(b"message", &signature));
        assert!(!key.verifies(b"massage", &signature));
    }

    #[test]
    fn other_algorithms_and_malformed_keys_are_refused() {
        let point = || Value::Bytes(vec![1; 32]);
        let good =
            vec![(1, 2.into()), (3, (-7).into()), (-1, 1.into()), (-2, point()), (-3, point())];
        assert!(PublicKey::parse(&encoded(good.clone())).is_some(), "the control");
        for (label, value) in [
            (1, Value::from(3)),
            (3, (-35).into()),
            (3, (-8).into()),
            (-1, 2.into()),
            (-2, Value::Bytes(vec![1; 31])),
            (-3, Value::from("y")),
        ] {
            let mut bad = good.clone();
            bad.retain(|(known, _)| *known != label);
            assert!(PublicKey::parse(&encoded(bad.clone())).is_none(), "without {label}");
            bad.push((label, value.clone()));
            assert!(PublicKey::parse(&encoded(bad)).is_none(), "{label} {value:?}");
        }
        assert!(PublicKey::parse(b"").is_none());
        assert!(PublicKey::parse(b"\xa1\x01").is_none());
    }
}
