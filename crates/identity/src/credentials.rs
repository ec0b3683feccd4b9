//! What is remembered of credentials for a moment, so that a request costs no query.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use lyceum_core::PermissionSet;
use lyceum_http::{AllowedModels, Credential};
use lyceum_store::Remembered;
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
    pub(crate) models: AllowedModels,
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
    pub(crate) sessions: Remembered<Uuid, Option<Standing>>,
    /// By the whole SHA-256 of the key.
    pub(crate) api_keys: Remembered<[u8; 32], Option<Standing>>,
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
        Self { sessions: remembered(), api_keys: remembered(), used: Mutex::default() }
    }

    /// Forgets one session.
    pub(crate) async fn forget_session(&self, session: Uuid) {
        self.sessions.forget(&session).await;
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

fn remembered<K>() -> Remembered<K, Option<Standing>>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
{
    Remembered::new(CAPACITY, BELIEVED, RENEWED)
}
