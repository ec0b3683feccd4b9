//! The tokens with which directories, such as Entra ID or Okta, provision people and groups.
//!
//! A token touches every account, administrators' too. So whoever makes one, gives it a new secret or
//! says where its people sign in has to have all rights; the right `scim_token:manage` alone lists
//! and revokes. A token works only while whoever gave it its secret is active and has all rights.

pub(crate) mod http;
pub(crate) mod store;

use chrono::{DateTime, TimeDelta, Utc};
use lyceum_core::{Permission, Secret, new_id};
use lyceum_http::Caller;
use uuid::Uuid;

use crate::authenticate::holds;
use crate::token::{new_scim_token, sha256};
use crate::{Identity, IdentityError, Rule, rules};

pub(crate) use store::ScimTokenRow;

/// Tokens that there may be.
const TOKENS_MAX: i64 = 20;
/// How long the old secret works beside the new one, where nothing else is said.
const OVERLAP: TimeDelta = TimeDelta::days(1);
/// The same at most.
const OVERLAP_MAX: TimeDelta = TimeDelta::days(30);

/// A token to be made.
pub(crate) struct NewScimToken {
    pub(crate) name: String,
    pub(crate) oidc_provider: Option<Uuid>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

impl Identity {
    /// Makes a token. Answers its row and the secret, which nobody can ask for again.
    pub(crate) async fn create_scim_token(
        &self,
        caller: &Caller,
        new: NewScimToken,
    ) -> Result<(ScimTokenRow, Secret), IdentityError> {
        require_everything(caller)?;
        let name = rules::key_name(&new.name)?;
        let (id, now) = (new_id(), self.clock().now());
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(IdentityError::field("expires_at", Rule::Past));
        }
        let secret = new_scim_token()?;
        let row = store::NewRow {
            id,
            name: &name,
            hash: &sha256(secret.expose().as_bytes()),
            hint: &secret.hint(),
            oidc_provider: new.oidc_provider,
            created_by: caller.user_id,
            expires_at: new.expires_at,
            now,
        };
        let mut tx = self.db().begin_as(caller.user_id).await?;
        if !store::insert(&mut tx, &row, TOKENS_MAX).await? {
            return Err(IdentityError::TooMany { what: "SCIM tokens", limit: TOKENS_MAX });
        }
        let made = store::find(&mut tx, id).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok((made, secret))
    }

    /// The tokens that were not revoked, newest first.
    pub(crate) async fn scim_tokens(
        &self,
        caller: &Caller,
    ) -> Result<Vec<ScimTokenRow>, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::list(&mut tx, None).await
    }

    /// Changes a token's name and where its people sign in.
    pub(crate) async fn change_scim_token(
        &self,
        caller: &Caller,
        id: Uuid,
        name: Option<&str>,
        oidc_provider: Option<Option<Uuid>>,
    ) -> Result<ScimTokenRow, IdentityError> {
        require_everything(caller)?;
        let name = name.map(rules::key_name).transpose()?;
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::update(&mut tx, id, name.as_deref(), oidc_provider).await?;
        let changed = store::find(&mut tx, id).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(changed)
    }

    /// Gives a token a new secret, for which the caller answers from now on. The old one works on for
    /// `overlap_seconds`; one that an earlier rotation left ends now.
    pub(crate) async fn rotate_scim_token(
        &self,
        caller: &Caller,
        id: Uuid,
        overlap_seconds: Option<i64>,
    ) -> Result<(ScimTokenRow, Secret), IdentityError> {
        require_everything(caller)?;
        let overlap = overlap_seconds.map_or(Some(OVERLAP), TimeDelta::try_seconds);
        let Some(overlap) = overlap.filter(|time| (TimeDelta::zero()..=OVERLAP_MAX).contains(time))
        else {
            let range = Rule::Range { min: 0, max: OVERLAP_MAX.num_seconds() };
            return Err(IdentityError::field("overlap_seconds", range));
        };
        let now = self.clock().now();
        let secret = new_scim_token()?;
        let hash = sha256(secret.expose().as_bytes());
        let mut tx = self.db().begin_as(caller.user_id).await?;
        let (hint, by) = (secret.hint(), caller.user_id);
        store::rotate(&mut tx, id, &hash, &hint, now, by, now + overlap).await?;
        let rotated = store::find(&mut tx, id).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok((rotated, secret))
    }

    /// Revokes a token for good.
    pub(crate) async fn revoke_scim_token(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        if !store::revoke(&mut tx, id, self.clock().now()).await? {
            return Err(IdentityError::NotFound("SCIM token"));
        }
        tx.commit().await.map_err(IdentityError::from)
    }
}

/// Refuses who could reach through a token what they have no right to, and API keys.
fn require_everything(caller: &Caller) -> Result<(), IdentityError> {
    caller.require_session()?;
    let everything: Permission =
        "*:*".parse().map_err(|_| IdentityError::Internal("the pattern of all rights is none"))?;
    match holds(&caller.permissions, &everything) {
        true => Ok(()),
        false => Err(IdentityError::PermissionNotHeld(everything.to_string())),
    }
}
