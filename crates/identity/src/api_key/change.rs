//! Changing a key and giving it a new secret.

use chrono::TimeDelta;
use lyceum_core::Secret;
use lyceum_http::Caller;
use uuid::Uuid;

use super::{ApiKeyRow, OVERLAP, OVERLAP_MAX, store};
use crate::token::{new_api_key, sha256};
use crate::{Identity, IdentityError, Rule, rules};

/// What changes about a key; `None` stays as it is.
pub(crate) struct KeyChange {
    pub(crate) name: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) allowed_addresses: Option<Vec<String>>,
    /// `Some(None)` for all that its owner may use.
    pub(crate) models: Option<Option<Vec<String>>>,
}

impl Identity {
    /// Changes one of the caller's keys. A key never widens itself: this takes a person.
    pub(crate) async fn change_api_key(
        &self,
        caller: &Caller,
        id: Uuid,
        change: KeyChange,
    ) -> Result<ApiKeyRow, IdentityError> {
        caller.require_session()?;
        if !matches!(change.status.as_deref(), None | Some("active" | "inactive")) {
            return Err(IdentityError::field(
                "status",
                Rule::OneOf { allowed: &["active", "inactive"] },
            ));
        }
        let name = change.name.as_deref().map(rules::key_name).transpose()?;
        let networks = change.allowed_addresses.as_deref().map(rules::networks).transpose()?;
        let models = change.models.map(|names| names.as_deref().map(rules::models).transpose());
        let models = models.transpose()?;
        let (user, status, now) = (caller.user_id, change.status.as_deref(), self.clock().now());
        let mut tx = self.db().begin_as(user).await?;
        let part = store::Change {
            name: name.as_deref(),
            status,
            allowed_addresses: networks.as_deref(),
            models: models.as_ref().map(Option::as_deref),
        };
        store::update(&mut tx, user, id, &part).await?;
        let changed = store::find(&mut tx, user, id, now).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_all();
        Ok(changed)
    }

    /// Gives one of the caller's keys a new secret. The old one works on for `overlap_seconds`; one
    /// that an earlier rotation left ends now.
    pub(crate) async fn rotate_api_key(
        &self,
        caller: &Caller,
        id: Uuid,
        overlap_seconds: Option<i64>,
    ) -> Result<(ApiKeyRow, Secret), IdentityError> {
        caller.require_session()?;
        let overlap = overlap_seconds.map_or(Some(OVERLAP), TimeDelta::try_seconds);
        let Some(overlap) = overlap.filter(|time| (TimeDelta::zero()..=OVERLAP_MAX).contains(time))
        else {
            let range = Rule::Range { min: 0, max: OVERLAP_MAX.num_seconds() };
            return Err(IdentityError::field("overlap_seconds", range));
        };
        let (user, now) = (caller.user_id, self.clock().now());
        let key = new_api_key()?;
        let hash = sha256(key.expose().as_bytes());
        let mut tx = self.db().begin_as(user).await?;
        store::rotate(&mut tx, user, id, &hash, &key.hint(), now, now + overlap).await?;
        let rotated = store::find(&mut tx, user, id, now).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_all();
        Ok((rotated, key))
    }
}
