//! API keys: what applications prove themselves with.

mod change;
pub(crate) mod http;
mod store;

use chrono::{DateTime, TimeDelta, Utc};
use lyceum_core::{Page, PageRequest, Permission, Secret, new_id};
use lyceum_http::Caller;
use uuid::Uuid;

use crate::authenticate::holds;
use crate::token::{new_api_key, sha256};
use crate::{Identity, IdentityError, Rule, rules};

pub(crate) use change::KeyChange;
pub(crate) use store::ApiKeyRow;

/// Keys that one user may have.
const KEYS_MAX: i64 = 100;
/// What a key may do where nothing else is said: call models, and nothing of its owner's account.
const DEFAULT_PERMISSIONS: [&str; 2] = ["inference:create", "model:read"];
/// Patterns that one key may list.
const PERMISSIONS_MAX: usize = 100;
/// How long the old secret works beside the new one, where nothing else is said.
const OVERLAP: TimeDelta = TimeDelta::days(1);
/// The same at most.
const OVERLAP_MAX: TimeDelta = TimeDelta::days(30);

/// A key to be made.
pub(crate) struct NewKey {
    pub(crate) name: String,
    pub(crate) permissions: Option<Vec<String>>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) allowed_addresses: Vec<String>,
    /// The models that it may name; `None` for all.
    pub(crate) models: Option<Vec<String>>,
}

impl Identity {
    /// Makes a key. Answers its row and the key itself, which nobody can ask for again.
    pub(crate) async fn create_api_key(
        &self,
        caller: &Caller,
        new: NewKey,
    ) -> Result<(ApiKeyRow, Secret), IdentityError> {
        // A leaked key must not be able to make others that outlive it.
        caller.require_session()?;
        let now = self.clock().now();
        let name = rules::key_name(&new.name)?;
        let allowed_addresses = rules::networks(&new.allowed_addresses)?;
        let models = new.models.as_deref().map(rules::models).transpose()?;
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(IdentityError::field("expires_at", Rule::Past));
        }
        let permissions = match new.permissions {
            Some(texts) => wanted(caller, &texts)?,
            None => defaults(caller),
        };
        let key = new_api_key()?;
        let row = ApiKeyRow {
            id: new_id(),
            name,
            hint: key.hint(),
            permissions: permissions.iter().map(ToString::to_string).collect(),
            allowed_addresses,
            models,
            expires_at: new.expires_at,
            last_used_at: None,
            status: "active".to_owned(),
            previous: None,
            rotated_at: None,
            created_at: now,
        };
        let mut tx = self.db().begin_as(caller.user_id).await?;
        let hash = sha256(key.expose().as_bytes());
        if !store::insert(&mut tx, caller.user_id, &row, &hash, KEYS_MAX).await? {
            return Err(IdentityError::TooMany { what: "API keys", limit: KEYS_MAX });
        }
        tx.commit().await.map_err(IdentityError::from)?;
        Ok((row, key))
    }

    /// The caller's keys that were not revoked, newest first.
    pub(crate) async fn api_keys(
        &self,
        caller: &Caller,
        page: PageRequest,
    ) -> Result<Page<ApiKeyRow>, IdentityError> {
        let now = self.clock().now();
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::list(&mut tx, caller.user_id, page, now).await
    }

    /// Revokes one of the caller's keys for good.
    pub(crate) async fn revoke_api_key(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        if !store::revoke(&mut tx, caller.user_id, id, self.clock().now()).await? {
            return Err(IdentityError::NotFound("API key"));
        }
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_all();
        Ok(())
    }
}

/// The patterns asked for, if the caller has all that they cover.
fn wanted(caller: &Caller, texts: &[String]) -> Result<Vec<Permission>, IdentityError> {
    if texts.is_empty() || texts.len() > PERMISSIONS_MAX {
        return Err(IdentityError::field(
            "permissions",
            Rule::Count { min: 1, max: PERMISSIONS_MAX },
        ));
    }
    let parse = |text: &String| {
        let permission: Permission = rules::permission(text)?;
        if holds(&caller.permissions, &permission) {
            Ok(permission)
        } else {
            Err(IdentityError::PermissionNotHeld(permission.to_string()))
        }
    };
    texts.iter().map(parse).collect()
}

fn defaults(caller: &Caller) -> Vec<Permission> {
    let all = DEFAULT_PERMISSIONS.iter().filter_map(|text| text.parse().ok());
    all.filter(|permission| holds(&caller.permissions, permission)).collect()
}
