use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use lyceum_core::Secret;
use uuid::Uuid;

/// Bytes of an AES-256 key.
const KEY_BYTES: usize = 32;
/// Bytes of a GCM nonce, random for each sealing.
const NONCE_BYTES: usize = 12;

/// The keys that secrets are sealed with. New ones are sealed with the current key; older keys
/// only open.
#[derive(Clone)]
pub struct Keyring {
    current: String,
    keys: BTreeMap<String, [u8; KEY_BYTES]>,
}

/// A sealed secret, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which key sealed it.
    pub key_id: String,
    /// Nonce (12 bytes), then ciphertext with tag.
    pub bytes: Vec<u8>,
}

/// Why a secret could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum CryptoError {
    /// The key that sealed it is not in the ring.
    #[error("the key {0} is not in the key file")]
    UnknownKey(String),
    /// Wrong key, another row's secret, or changed bytes.
    #[error("the secret cannot be opened: it was sealed for another place or changed")]
    Refused,
    /// No randomness or no memory.
    #[error("the secret cannot be sealed")]
    Seal,
    /// The key file is missing, unreadable or malformed.
    #[error("the key file {path}: {reason}")]
    KeyFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Keyring {
    /// A ring of one new random key.
    pub fn generate() -> Result<Self, CryptoError> {
        let mut key = [0u8; KEY_BYTES];
        getrandom::fill(&mut key).map_err(|_| CryptoError::Seal)?;
        let id = lyceum_core::new_id().simple().to_string();
        Ok(Self { current: id.clone(), keys: BTreeMap::from([(id, key)]) })
    }

    /// Reads the ring from a file of lines `<key id> <64 hexadecimal digits>`, the current key
    /// last; makes the file (mode 0600) where there is none.
    pub fn load_or_create(path: &Path) -> Result<Self, CryptoError> {
        let fault =
            |reason: String| CryptoError::KeyFile { path: path.display().to_string(), reason };
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(fault),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let ring = Self::generate()?;
                let mut file = fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(path)
                    .map_err(|error| fault(error.to_string()))?;
                file.write_all(ring.to_text().as_bytes())
                    .and_then(|()| file.sync_all())
                    .map_err(|error| fault(error.to_string()))?;
                Ok(ring)
            }
            Err(error) => Err(fault(error.to_string())),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut keys = BTreeMap::new();
        let mut current = None;
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let bad = || format!("line {} is not '<key id> <64 hex digits>'", number + 1);
            let (id, digits) = line.trim().split_once(' ').ok_or_else(bad)?;
            let mut key = [0u8; KEY_BYTES];
            hex::decode_to_slice(digits.trim(), &mut key).map_err(|_| bad())?;
            keys.insert(id.to_owned(), key);
            current = Some(id.to_owned());
        }
        current.map(|current| Self { current, keys }).ok_or_else(|| "it holds no key".to_owned())
    }

    fn to_text(&self) -> String {
        let line = |id: &String| format!("{id} {}\n", hex::encode(self.keys[id]));
        let older = self.keys.keys().filter(|id| **id != self.current);
        older.chain([&self.current]).map(line).collect()
    }

    /// Seals `secret` for one column of one row; it opens nowhere else.
    pub fn seal(&self, table: &str, row: Uuid, secret: &Secret) -> Result<Sealed, CryptoError> {
        let mut nonce = [0u8; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| CryptoError::Seal)?;
        let aad = associated_data(table, row);
        let payload = Payload { msg: secret.expose().as_bytes(), aad: &aad };
        let sealed = self
            .cipher(&self.current)?
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| CryptoError::Seal)?;
        Ok(Sealed { key_id: self.current.clone(), bytes: [&nonce[..], &sealed].concat() })
    }

    /// Opens what [`Keyring::seal`] made for the same place.
    pub fn open(&self, table: &str, row: Uuid, sealed: &Sealed) -> Result<Secret, CryptoError> {
        let (nonce, ciphertext) =
            sealed.bytes.split_first_chunk::<NONCE_BYTES>().ok_or(CryptoError::Refused)?;
        let aad = associated_data(table, row);
        let payload = Payload { msg: ciphertext, aad: &aad };
        let opened = self
            .cipher(&sealed.key_id)?
            .decrypt(&Nonce::from(*nonce), payload)
            .map_err(|_| CryptoError::Refused)?;
        String::from_utf8(opened).map(Secret::new).map_err(|_| CryptoError::Refused)
    }

    fn cipher(&self, key_id: &str) -> Result<Aes256Gcm, CryptoError> {
        let key =
            self.keys.get(key_id).ok_or_else(|| CryptoError::UnknownKey(key_id.to_owned()))?;
        Ok(Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key)))
    }
}

fn associated_data(table: &str, row: Uuid) -> Vec<u8> {
    [table.as_bytes(), b"\0", row.as_bytes()].concat()
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.keys.len())
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes by {})", self.bytes.len(), self.key_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_only_in_its_own_place() {
        let ring = Keyring::generate().unwrap();
        let (row, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = ring.seal("gateway.provider_configs", row, &Secret::new("sk-1")).unwrap();
        let opened = ring.open("gateway.provider_configs", row, &sealed).unwrap();
        assert_eq!(opened.expose(), "sk-1");
        assert!(ring.open("gateway.provider_configs", other, &sealed).is_err());
        assert!(ring.open("data.connections", row, &sealed).is_err());
        let mut changed = sealed.clone();
        changed.bytes[15] ^= 1;
        assert!(ring.open("gateway.provider_configs", row, &changed).is_err());
        assert!(
            Keyring::generate().unwrap().open("gateway.provider_configs", row, &sealed).is_err()
        );
    }

    #[test]
    fn the_key_file_is_made_once_and_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        let first = Keyring::load_or_create(&path).unwrap();
        let second = Keyring::load_or_create(&path).unwrap();
        assert_eq!(first.current, second.current);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "nonsense").unwrap();
        assert!(Keyring::load_or_create(&path).is_err());
    }
}
