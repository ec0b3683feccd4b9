use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::Expiry;
use moka::future::Cache;

use super::Key;

/// What an entry takes beside its key and its value, about.
const OVERHEAD: usize = 200;

/// Entries in this process, so many bytes of them altogether.
#[derive(Clone)]
pub(super) struct Memory(Cache<Arc<str>, Entry>);

#[derive(Clone)]
struct Entry {
    value: Bytes,
    life: Duration,
}

/// Each entry has a life of its own, counted from when it was written.
struct Lives;

impl Expiry<Arc<str>, Entry> for Lives {
    fn expire_after_create(&self, _: &Arc<str>, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.life)
    }

    fn expire_after_update(
        &self,
        _: &Arc<str>,
        entry: &Entry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.life)
    }
}

impl Memory {
    pub(super) fn of_bytes(most: u64) -> Self {
        let weight = |key: &Arc<str>, entry: &Entry| {
            u32::try_from(key.len() + entry.value.len() + OVERHEAD).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(most).weigher(weight).expire_after(Lives).build())
    }

    pub(super) async fn get(&self, key: &str) -> Option<Bytes> {
        self.0.get(key).await.map(|entry| entry.value)
    }

    pub(super) async fn put(&self, key: &Key, value: Bytes, life: Duration) {
        self.0.insert(key.text().clone(), Entry { value, life }).await;
    }

    pub(super) async fn remove(&self, key: &str) {
        self.0.invalidate(key).await;
    }

    pub(super) fn clear(&self) {
        self.0.invalidate_all();
    }

    /// Bytes that are kept, once what was put aside for later is done.
    pub(super) async fn size(&self) -> u64 {
        self.0.run_pending_tasks().await;
        self.0.weighted_size()
    }
}
