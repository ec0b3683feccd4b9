use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The key from which the keys of all tokens are derived. Nodes of one platform share it.
#[derive(Clone)]
pub struct SigningKey(Zeroizing<[u8; 32]>);

/// The signing key cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the signing key {path}: {reason}")]
pub struct SigningKeyError {
    path: String,
    reason: String,
}

impl SigningKey {
    /// Takes 32 random bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new random key.
    pub fn generate() -> Result<Self, SigningKeyError> {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).map_err(|error| SigningKeyError {
            path: "(new)".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self::from_bytes(bytes))
    }

    /// Reads the key from a file of 64 hexadecimal digits; makes the file (mode 0600) where there
    /// is none.
    pub fn load_or_create(path: &Path) -> Result<Self, SigningKeyError> {
        let fault = |reason: String| SigningKeyError { path: path.display().to_string(), reason };
        match fs::read_to_string(path) {
            Ok(text) => {
                let mut bytes = [0u8; 32];
                hex::decode_to_slice(text.trim(), &mut bytes)
                    .map_err(|_| fault("it does not hold 64 hexadecimal digits".to_owned()))?;
                Ok(Self::from_bytes(bytes))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = Self::generate()?;
                fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(path)
                    .and_then(|mut file| {
                        file.write_all(hex::encode(*key.0).as_bytes())?;
                        file.sync_all()
                    })
                    .map_err(|error| fault(error.to_string()))?;
                Ok(key)
            }
            Err(error) => Err(fault(error.to_string())),
        }
    }

    /// The key for one purpose. A token made for one is worthless for another.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        hmac_sha256(&self.0, purpose.as_bytes())
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

/// HMAC-SHA256 with a key of 32 bytes.
pub(crate) fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    // A 32-byte key is padded to the block, as the general constructor does.
    let mut block = [0u8; 64];
    block[..32].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_agrees_with_rfc_4231_in_the_padded_form() {
        // RFC 4231, test case 1: the key of 20 bytes is padded with zeros like any short one.
        let mut key = [0u8; 32];
        key[..20].copy_from_slice(&[0x0b; 20]);
        assert_eq!(
            hex::encode(hmac_sha256(&key, b"Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }

    #[test]
    fn the_key_file_is_made_once_private_and_checked() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        let first = SigningKey::load_or_create(&path).unwrap();
        let second = SigningKey::load_or_create(&path).unwrap();
        assert_eq!(first.derive("x"), second.derive("x"));
        assert_ne!(first.derive("x"), first.derive("y"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "nonsense").unwrap();
        assert!(SigningKey::load_or_create(&path).is_err());
    }
}
