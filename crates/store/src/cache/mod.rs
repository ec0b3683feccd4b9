//! What is kept for a while so that it need not be made again: in the memory of this process, of a
//! bounded size, each entry for its own life.
//!
//! Two kinds of entries lie in it. What never changes under its key ([`Cache::get`], [`Cache::put`])
//! needs nobody to tell of changes: whatever matters is in the key. It lies on Redis, too, where one
//! is set up, so that nodes find what others left. What is read from the database
//! ([`Cache::read_through`]) is forgotten on every node when the transaction that changes it commits:
//! triggers notify the channel `lyceum_cache` of its key. While a node does not hear the database,
//! it remembers nothing of this kind.

mod memory;
mod shared;
mod space;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use space::{INFERENCE, Key, PREFERENCES, PROVIDERS, Space};

use crate::listen::Heard;
use crate::redis::Redis;
use crate::{Db, Keyring};
use memory::Memory;
use shared::Shared;

/// On which the database tells the key of what changed.
const CHANNEL: &str = "lyceum_cache";
/// Bytes that are kept where nobody says otherwise.
const USUAL_BYTES: u64 = 64 * 1024 * 1024;

/// The cache; cheap to clone, and all clones are one.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

struct Inner {
    memory: Memory,
    shared: OnceLock<Shared>,
    /// Whether changes are told to this node.
    hears: AtomicBool,
    /// Counts what was forgotten: what was being read meanwhile may be out of date.
    changes: AtomicU64,
}

impl Default for Cache {
    fn default() -> Self {
        Self::of_bytes(USUAL_BYTES)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cache").finish_non_exhaustive()
    }
}

impl Cache {
    /// One that keeps at most so many bytes.
    pub fn of_bytes(most: u64) -> Self {
        let (hears, changes) = (AtomicBool::new(false), AtomicU64::new(0));
        let (memory, shared) = (Memory::of_bytes(most), OnceLock::new());
        Self { inner: Arc::new(Inner { memory, shared, hears, changes }) }
    }

    /// Shares what never changes under its key with other nodes, sealed by `keyring`, from now on.
    pub fn share(&self, redis: Redis, keyring: Keyring) {
        self.inner.shared.get_or_init(|| Shared::new(redis, keyring));
    }

    /// What lies under a key whose entry never changes.
    pub async fn get(&self, key: &Key) -> Option<Bytes> {
        let memory = &self.inner.memory;
        if let Some(value) = memory.get(key.text()).await {
            return Some(value);
        }
        let (value, life) = self.inner.shared.get()?.get(key).await?;
        memory.put(key, value.clone(), life).await;
        Some(value)
    }

    /// Keeps an entry for the life that its key says. Nobody waits for Redis.
    pub async fn put(&self, key: &Key, value: Bytes) {
        self.inner.memory.put(key, value.clone(), key.life()).await;
        if self.inner.shared.get().is_some() {
            let (inner, key) = (self.inner.clone(), key.clone());
            tokio::spawn(async move {
                if let Some(shared) = inner.shared.get() {
                    shared.put(&key, &value).await;
                }
            });
        }
    }

    /// Forgets what was read from the database, on this node.
    pub async fn remove(&self, key: &Key) {
        self.forget(key.text()).await;
    }

    /// What `read` finds in the database, remembered until the database tells that it changed.
    pub async fn read_through<T, E, F>(&self, key: &Key, read: F) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<T, E>>,
    {
        let Inner { memory, hears, changes, .. } = self.inner.as_ref();
        if let Some(found) = memory.get(key.text()).await
            && let Ok(value) = serde_json::from_slice(&found)
        {
            return Ok(value);
        }
        let before = changes.load(Ordering::SeqCst);
        let heard = hears.load(Ordering::SeqCst);
        let value = read.await?;
        if heard && let Ok(written) = serde_json::to_vec(&value) {
            memory.put(key, written.into(), key.life()).await;
            // What was read before a change must not be kept after it.
            if changes.load(Ordering::SeqCst) != before {
                memory.remove(key.text()).await;
            }
        }
        Ok(value)
    }

    /// Forgets what the database tells that it changed, until the pool is closed. Run it once on each
    /// node.
    pub async fn follow(&self, db: &Db) {
        let mut changes = std::pin::pin!(db.listen(CHANNEL));
        while let Some(heard) = changes.next().await {
            match heard {
                Heard::Told(key) => self.forget(&key).await,
                Heard::Listening | Heard::Lost => {
                    self.inner.hears.store(heard == Heard::Listening, Ordering::SeqCst);
                    self.inner.changes.fetch_add(1, Ordering::SeqCst);
                    self.inner.memory.clear();
                }
            }
        }
    }

    /// Whether changes in the database are told to this node.
    pub fn hears(&self) -> bool {
        self.inner.hears.load(Ordering::SeqCst)
    }

    /// Bytes that are kept.
    pub async fn size(&self) -> u64 {
        self.inner.memory.size().await
    }

    async fn forget(&self, key: &str) {
        self.inner.changes.fetch_add(1, Ordering::SeqCst);
        self.inner.memory.remove(key).await;
    }
}

#[cfg(test)]
mod tests;
