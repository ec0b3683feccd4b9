//! What is remembered of credentials for a moment, so that a request costs no query.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use lyceum_core::PermissionSet;
use lyceum_http::Credential;
use lyceum_store::StoreError;
use moka::future::Cache;
use sqlx::types::ipnet::IpNet;
use uuid::Uuid;

/// How long a credential's state is believed without a look at the database. Changes are told at
/// once by notification; this bound holds also where a notification is lost.
const BELIEVED: Duration = Duration::from_millis(900);
/// From this age on the next request has the state looked up again beside it, so that a credential
/// in steady use never waits.
const RENEWED: Duration = Duration::from_millis(450);
/// Credentials of each kind that are remembered at most.
const CAPACITY: u64 = 50_000;

/// A credential in good standing, as the database knew it a moment ago.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) permissions: Arc<PermissionSet>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// From where it may be used; from everywhere where empty.
    pub(crate) allowed_addresses: Arc<[IpNet]>,
}

impl Standing {
    /// Whether it may be used from this address.
    pub(crate) fn admits(&self, address: Option<IpAddr>) -> bool {
        self.allowed_addresses.is_empty()
            || address.is_some_and(|ip| self.allowed_addresses.iter().any(|net| net.contains(&ip)))
    }
}

/// What is remembered of credentials, and which were used.
pub(crate) struct Credentials {
    pub(crate) sessions: Believed<Uuid>,
    /// By the whole SHA-256 of the key.
    pub(crate) api_keys: Believed<[u8; 32]>,
    used: Mutex<Used>,
}

/// When credentials were last used, as far as that is not written yet.
#[derive(Debug, Default)]
pub(crate) struct Used {
    pub(crate) sessions: HashMap<Uuid, DateTime<Utc>>,
    pub(crate) api_keys: HashMap<Uuid, DateTime<Utc>>,
}

impl Credentials {
    pub(crate) fn new() -> Self {
        Self { sessions: Believed::new(), api_keys: Believed::new(), used: Mutex::default() }
    }

    /// Forgets one session.
    pub(crate) async fn forget_session(&self, session: Uuid) {
        self.sessions.changed.fetch_add(1, Ordering::SeqCst);
        self.sessions.entries.invalidate(&session).await;
    }

    /// Forgets everything, which costs each credential in use one look-up.
    pub(crate) fn forget_all(&self) {
        self.sessions.forget_all();
        self.api_keys.forget_all();
    }

    /// Notes that a credential was used.
    pub(crate) fn touch(&self, credential: Credential, at: DateTime<Utc>) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        match credential {
            Credential::Session(id) => used.sessions.insert(id, at),
            Credential::ApiKey(id) => used.api_keys.insert(id, at),
        };
    }

    /// The uses since the last call, to be written.
    pub(crate) fn take_used(&self) -> Used {
        std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Credentials of one kind, by what identifies them.
#[derive(Clone)]
pub(crate) struct Believed<K> {
    entries: Cache<K, Arc<Entry>>,
    /// Counts what was forgotten: a look-up that was under way meanwhile may be out of date.
    changed: Arc<AtomicU64>,
}

struct Entry {
    standing: Option<Standing>,
    at: Instant,
    renewing: AtomicBool,
}

impl Entry {
    fn new(standing: Option<Standing>) -> Arc<Self> {
        Arc::new(Self { standing, at: Instant::now(), renewing: AtomicBool::new(false) })
    }

    /// Whether it is time to look again; true once only.
    fn is_due(&self) -> bool {
        self.at.elapsed() >= RENEWED && !self.renewing.swap(true, Ordering::Relaxed)
    }
}

impl<K: Copy + Eq + Hash + Send + Sync + 'static> Believed<K> {
    fn new() -> Self {
        let entries = Cache::builder().max_capacity(CAPACITY).time_to_live(BELIEVED).build();
        Self { entries, changed: Arc::default() }
    }

    fn forget_all(&self) {
        self.changed.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate_all();
    }

    /// The standing of a credential, from memory or by `load`; one look-up at a time for each.
    pub(crate) async fn get<F, L>(
        &self,
        key: K,
        load: F,
    ) -> Result<Option<Standing>, Arc<StoreError>>
    where
        F: Fn() -> L + Send + 'static,
        L: Future<Output = Result<Option<Standing>, StoreError>> + Send + 'static,
    {
        let before = self.changed.load(Ordering::SeqCst);
        let first = async { load().await.map(Entry::new) };
        let entry = self.entries.try_get_with(key, first).await?;
        self.drop_if_changed(key, before).await;
        if entry.is_due() {
            let this = self.clone();
            tokio::spawn(async move {
                let before = this.changed.load(Ordering::SeqCst);
                // Where it fails, the entry expires and the next request tells the error.
                if let Ok(standing) = load().await {
                    this.entries.insert(key, Entry::new(standing)).await;
                    this.drop_if_changed(key, before).await;
                }
            });
        }
        Ok(entry.standing.clone())
    }

    async fn drop_if_changed(&self, key: K, before: u64) {
        if self.changed.load(Ordering::SeqCst) != before {
            self.entries.invalidate(&key).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(number: u128) -> Standing {
        let id = Uuid::from_u128(number);
        Standing {
            id,
            user_id: id,
            permissions: Arc::default(),
            expires_at: None,
            allowed_addresses: Arc::default(),
        }
    }

    #[tokio::test]
    async fn a_look_up_overtaken_by_a_change_is_not_believed() {
        let credentials = Arc::new(Credentials::new());
        let key = Uuid::from_u128(1);
        let overtaken = credentials.clone();
        let load = move || {
            let credentials = overtaken.clone();
            async move {
                credentials.forget_session(key).await;
                Ok(Some(standing(1)))
            }
        };
        assert!(credentials.sessions.get(key, load).await.unwrap().is_some());
        let now = credentials.sessions.get(key, || async { Ok(None) }).await.unwrap();
        assert!(now.is_none(), "the old state was kept");
    }

    #[tokio::test]
    async fn what_is_remembered_is_not_looked_up_and_what_is_forgotten_is() {
        let credentials = Credentials::new();
        let key = Uuid::from_u128(1);
        let get = async |number| {
            let load = move || async move { Ok(Some(standing(number))) };
            credentials.sessions.get(key, load).await.unwrap().unwrap().id.as_u128()
        };
        assert_eq!(get(1).await, 1);
        assert_eq!(get(2).await, 1);
        credentials.forget_session(key).await;
        assert_eq!(get(3).await, 3);
        credentials.forget_all();
        assert_eq!(get(4).await, 4);
    }

    #[tokio::test]
    async fn a_failed_look_up_is_not_remembered() {
        let credentials = Credentials::new();
        let key = Uuid::from_u128(1);
        let failing = || async { Err(StoreError(sqlx::Error::PoolTimedOut)) };
        assert!(credentials.sessions.get(key, failing).await.is_err());
        let load = || async { Ok(Some(standing(1))) };
        assert!(credentials.sessions.get(key, load).await.unwrap().is_some());
    }
}
