//! Secrets at rest: each is sealed with a data key for its very row, the data keys lie in the
//! database wrapped by a master key, and the master key is given from outside.
//!
//! So a change of the master key wraps a few data keys anew and disturbs no running node, and
//! [`rotate`] seals everything anew with a new data key while the nodes serve.

mod cipher;
mod data_keys;
mod master;
mod registry;
mod rotate;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use lyceum_core::{Clock, Secret};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::StoreError;
use cipher::Key;

pub use master::MasterKeys;
pub use registry::{SEALED_COLUMNS, SealedColumn};
pub use rotate::{Progress, Rotated, rotate};

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
    /// The key that sealed it is not known.
    #[error("the key {0} is not known")]
    UnknownKey(String),
    /// Wrong key, another row's secret, or changed bytes.
    #[error("the secret cannot be opened: it was sealed for another place or changed")]
    Refused,
    /// No randomness or no memory.
    #[error("the secret cannot be sealed")]
    Seal,
    /// The master keys are missing, unreadable or malformed.
    #[error("{source_name}: {reason}")]
    KeySource {
        /// Where they should come from.
        source_name: String,
        /// What is wrong.
        reason: String,
    },
    /// The database's secrets were sealed under another master key.
    #[error(
        "the secrets in this database were sealed under the master key {wanted}, and the keys given \
         are {given}. Give that key, too, in a line before the others"
    )]
    MissingMaster {
        /// The key that is needed.
        wanted: String,
        /// Those that are there.
        given: String,
    },
    /// A master key has the right name and is another key.
    #[error(
        "the master key {0} is not the one under which the secrets in this database were sealed"
    )]
    WrongMaster(String),
    /// Another rotation is running.
    #[error("another rotation of the secrets is running")]
    Busy,
    /// Secrets that no key opens.
    #[error(
        "{0} secrets cannot be opened, the first of them {1}: replace or delete them, then rotate \
         again"
    )]
    Unopened(u64, String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for CryptoError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(StoreError(error))
    }
}

/// The keys that secrets are sealed with; cheap to clone, and all clones learn of new keys.
#[derive(Clone)]
pub struct Keyring {
    keys: Arc<RwLock<Keys>>,
    masters: Arc<MasterKeys>,
    clock: Clock,
}

struct Keys {
    /// Those that seal, each from its time on.
    active: BTreeSet<(DateTime<Utc>, String)>,
    /// Those that open; among them the master keys, with which secrets were sealed before there
    /// were data keys.
    all: BTreeMap<String, Key>,
}

impl Keys {
    fn seal_with(
        &self,
        key_id: &str,
        table: &str,
        row: Uuid,
        plain: &[u8],
    ) -> Result<Sealed, CryptoError> {
        let key = self.all.get(key_id).ok_or_else(|| CryptoError::UnknownKey(key_id.to_owned()))?;
        let bytes = key.seal(table, row, plain)?;
        Ok(Sealed { key_id: key_id.to_owned(), bytes })
    }
}

impl Keyring {
    /// A ring of one new random key that no database knows.
    pub fn generate() -> Result<Self, CryptoError> {
        let ring = Self::of(MasterKeys::generate()?, Clock::system());
        let id = lyceum_core::new_id().to_string();
        ring.add(id, DateTime::UNIX_EPOCH, Key::generate()?);
        Ok(ring)
    }

    fn of(masters: MasterKeys, clock: Clock) -> Self {
        let keys = Keys { active: BTreeSet::new(), all: masters.keys.clone() };
        Self { keys: Arc::new(RwLock::new(keys)), masters: Arc::new(masters), clock }
    }

    fn add(&self, id: String, active_from: DateTime<Utc>, key: Key) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.active.insert((active_from, id.clone()));
        keys.all.insert(id, key);
    }

    fn knows(&self, id: &str) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).all.contains_key(id)
    }

    /// Seals `secret` for one column of one row; it opens nowhere else.
    pub fn seal(&self, table: &str, row: Uuid, secret: &Secret) -> Result<Sealed, CryptoError> {
        self.seal_bytes(table, row, secret.expose().as_bytes())
    }

    pub(crate) fn seal_bytes(
        &self,
        table: &str,
        row: Uuid,
        plain: &[u8],
    ) -> Result<Sealed, CryptoError> {
        let now = self.clock.now();
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let (_, id) =
            keys.active.iter().rfind(|(from, _)| *from <= now).ok_or(CryptoError::Seal)?;
        keys.seal_with(id, table, row, plain)
    }

    fn seal_with(
        &self,
        key_id: &str,
        table: &str,
        row: Uuid,
        secret: &Secret,
    ) -> Result<Sealed, CryptoError> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.seal_with(key_id, table, row, secret.expose().as_bytes())
    }

    /// Opens what [`Keyring::seal`] made for the same place.
    pub fn open(&self, table: &str, row: Uuid, sealed: &Sealed) -> Result<Secret, CryptoError> {
        let opened = self.open_bytes(table, row, sealed)?;
        let text = std::str::from_utf8(&opened).map_err(|_| CryptoError::Refused)?;
        Ok(Secret::new(text))
    }

    pub(crate) fn open_bytes(
        &self,
        table: &str,
        row: Uuid,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys
            .all
            .get(&sealed.key_id)
            .ok_or_else(|| CryptoError::UnknownKey(sealed.key_id.clone()))?;
        key.open(table, row, &sealed.bytes)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        write!(f, "Keyring({} keys)", keys.all.len())
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
    fn a_new_key_opens_at_once_and_seals_from_its_time_on() {
        let clock = Clock::fixed(DateTime::from_timestamp(1000, 0).unwrap());
        let ring = Keyring::of(MasterKeys::generate().unwrap(), clock.clone());
        let row = Uuid::from_u128(1);
        assert!(ring.seal("a.b", row, &Secret::new("x")).is_err(), "there is no key yet");
        ring.add("first".to_owned(), clock.now(), Key::generate().unwrap());
        let soon = clock.now() + chrono::TimeDelta::seconds(10);
        ring.add("second".to_owned(), soon, Key::generate().unwrap());
        let before = ring.seal("a.b", row, &Secret::new("x")).unwrap();
        clock.advance(std::time::Duration::from_secs(10));
        let after = ring.seal("a.b", row, &Secret::new("x")).unwrap();
        assert_eq!((&*before.key_id, &*after.key_id), ("first", "second"));
        for sealed in [before, after] {
            assert_eq!(ring.open("a.b", row, &sealed).unwrap().expose(), "x");
        }
    }
}
