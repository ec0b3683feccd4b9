use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Key;
use crate::redis::{Redis, cmd, pipe};
use crate::{CryptoError, Keyring, Sealed};

/// The largest entry that is shared, in bytes: others wait behind it on the same connection.
const LARGEST: usize = 256 * 1024;
/// What entries are sealed in.
const SEALED_IN: &str = "redis";

/// Entries on Redis, for all nodes: each sealed for its very key. While Redis is away there are
/// none.
pub(super) struct Shared {
    redis: Redis,
    keyring: Keyring,
}

impl Shared {
    pub(super) fn new(redis: Redis, keyring: Keyring) -> Self {
        Self { redis, keyring }
    }

    /// An entry, and how long it has to live.
    pub(super) async fn get(&self, key: &Key) -> Option<(Bytes, Duration)> {
        let name = Redis::key(key);
        let mut commands = pipe();
        commands.cmd("GET").arg(&name).cmd("PTTL").arg(&name);
        let (sealed, life): (Option<Vec<u8>>, i64) = self.redis.ask_all(&commands).await?;
        let life = Duration::from_millis(u64::try_from(life).ok()?);
        match self.open(key, &sealed?) {
            Ok(value) => Some((value, life)),
            Err(error) => {
                tracing::warn!(%error, "an entry of the cache on Redis cannot be opened");
                None
            }
        }
    }

    /// Keeps an entry; that it is not kept is no error.
    pub(super) async fn put(&self, key: &Key, value: &[u8]) {
        let millis = u64::try_from(key.life().as_millis()).unwrap_or(u64::MAX);
        if value.len() > LARGEST || millis == 0 {
            return;
        }
        match self.seal(key, value) {
            Ok(sealed) => {
                let mut command = cmd("SET");
                command.arg(Redis::key(key)).arg(sealed).arg("PX").arg(millis);
                self.redis.ask::<()>(&command).await;
            }
            Err(error) => tracing::warn!(%error, "an entry of the cache cannot be sealed"),
        }
    }

    /// The length of the key's id, the id, and what is sealed.
    fn seal(&self, key: &Key, value: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let Sealed { key_id, bytes } = self.keyring.seal_bytes(SEALED_IN, place(key), value)?;
        let length = u8::try_from(key_id.len()).map_err(|_| CryptoError::Seal)?;
        Ok([&[length], key_id.as_bytes(), &bytes].concat())
    }

    fn open(&self, key: &Key, entry: &[u8]) -> Result<Bytes, CryptoError> {
        let split = entry.split_first().and_then(|(length, rest)| {
            let (key_id, bytes) = rest.split_at_checked(usize::from(*length))?;
            Some((std::str::from_utf8(key_id).ok()?.to_owned(), bytes.to_vec()))
        });
        let (key_id, bytes) = split.ok_or(CryptoError::Refused)?;
        let opened = self.keyring.open_bytes(SEALED_IN, place(key), &Sealed { key_id, bytes })?;
        Ok(Bytes::copy_from_slice(&opened))
    }
}

/// What an entry is sealed for beside what it is sealed in.
fn place(key: &Key) -> Uuid {
    let hash: [u8; 32] = Sha256::digest(key.text().as_bytes()).into();
    Uuid::from_bytes(std::array::from_fn(|byte| hash[byte]))
}
