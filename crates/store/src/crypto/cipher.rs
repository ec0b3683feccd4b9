use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use uuid::Uuid;
use zeroize::{Zeroize as _, Zeroizing};

use super::CryptoError;

/// Bytes of an AES-256 key.
pub(super) const KEY_BYTES: usize = 32;
/// Bytes of a GCM nonce, random for each sealing.
const NONCE_BYTES: usize = 12;

/// An AES-256 key, wiped when dropped.
#[derive(Clone)]
pub(super) struct Key(pub(super) Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    pub(super) fn generate() -> Result<Self, CryptoError> {
        let mut key = Zeroizing::new([0u8; KEY_BYTES]);
        getrandom::fill(&mut *key).map_err(|_| CryptoError::Seal)?;
        Ok(Self(key))
    }

    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// Nonce, then ciphertext with tag. Opens only for the same table and row.
    pub(super) fn seal(
        &self,
        table: &str,
        row: Uuid,
        plain: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let mut nonce = [0u8; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| CryptoError::Seal)?;
        let aad = associated_data(table, row);
        let sealed = self
            .cipher()
            .encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: &aad })
            .map_err(|_| CryptoError::Seal)?;
        Ok([&nonce[..], &sealed].concat())
    }

    pub(super) fn open(
        &self,
        table: &str,
        row: Uuid,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let (nonce, ciphertext) =
            sealed.split_first_chunk::<NONCE_BYTES>().ok_or(CryptoError::Refused)?;
        let aad = associated_data(table, row);
        self.cipher()
            .decrypt(&Nonce::from(*nonce), Payload { msg: ciphertext, aad: &aad })
            .map(Zeroizing::new)
            .map_err(|_| CryptoError::Refused)
    }

    fn cipher(&self) -> Aes256Gcm {
        let mut key = aes_gcm::Key::<Aes256Gcm>::from(*self.0);
        let cipher = Aes256Gcm::new(&key);
        key.zeroize();
        cipher
    }
}

fn associated_data(table: &str, row: Uuid) -> Vec<u8> {
    [table.as_bytes(), b"\0", row.as_bytes()].concat()
}
