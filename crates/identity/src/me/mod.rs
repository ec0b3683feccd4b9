//! The caller's own account.

pub(crate) mod http;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;

use lyceum_core::{PermissionSet, Secret, new_id};
use lyceum_http::Caller;
use lyceum_store::audit::{self, AuditEntry};
use lyceum_store::cache::PREFERENCES;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::authenticate::permission_set;
use crate::session;
use crate::user::{self, Profile};
use crate::{Identity, IdentityError, rules};

/// Preferences that one user may have.
const PREFERENCES_MAX: i64 = 200;

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    id: Uuid,
    username: String,
    email: String,
    /// Whether you proved that the address is yours.
    email_verified: bool,
    /// The address that waits to be confirmed by the link in its letter.
    pending_email: Option<String>,
    display_name: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    organization: Option<String>,
    department: Option<String>,
    position: Option<String>,
    /// The address of your picture on this platform.
    avatar_url: Option<String>,
    /// In which the months of quotas begin, such as `Europe/Berlin`.
    timezone: String,
    /// Names of the roles.
    roles: Vec<String>,
    /// What this credential may do, as patterns `resource:action`.
    permissions: Vec<String>,
    /// What the user set, by key.
    #[schema(value_type = Object)]
    preferences: BTreeMap<String, Value>,
}

/// What a user changes about the own account.
pub(crate) struct ProfileChange {
    pub(crate) profile: Profile,
    pub(crate) email: Option<String>,
    pub(crate) timezone: Option<String>,
}

impl Identity {
    /// The account; with the rights of a credential, or else all of the user's.
    pub(crate) async fn me(
        &self,
        id: Uuid,
        permissions: Option<Arc<PermissionSet>>,
    ) -> Result<Me, IdentityError> {
        let mut tx = self.db().begin_as(id).await?;
        let account = store::account(&mut tx, id, self.clock().now()).await?;
        let account = account.ok_or(IdentityError::NotFound("user"))?;
        let roles = user::store::roles_of(&mut tx, id).await?;
        let preferences = store::preferences(&mut tx, id);
        let preferences =
            self.db().cache().read_through(&PREFERENCES.of_id(id), preferences).await?;
        let permissions = permissions.unwrap_or_else(|| {
            let rows: Vec<Value> = roles.iter().map(|role| role.permissions.clone()).collect();
            Arc::new(permission_set(&rows))
        });
        Ok(Me {
            id,
            username: account.username,
            email: account.email,
            email_verified: account.email_verified,
            pending_email: account.pending_email,
            display_name: account.display_name,
            first_name: account.first_name,
            last_name: account.last_name,
            organization: account.organization,
            department: account.department,
            position: account.position,
            avatar_url: account.avatar_url,
            timezone: account.timezone,
            roles: roles.into_iter().map(|role| role.name).collect(),
            permissions: permissions.iter().map(ToString::to_string).collect(),
            preferences: preferences.into_iter().collect(),
        })
    }

    /// Changes the profile and the address. Where e-mail can be sent, a new address has to prove
    /// itself first.
    pub(crate) async fn change_profile(
        &self,
        caller: &Caller,
        change: ProfileChange,
    ) -> Result<(), IdentityError> {
        let email = change.email.as_deref().map(rules::email).transpose()?;
        if email.is_some() {
            // The address is a way to sign in: whoever has it can have a new password sent.
            self.require_recent(caller).await?;
        }
        let profile = change.profile.columns()?;
        let (now, later): (Option<String>, Option<String>) = match self.can_mail() {
            true => (None, email),
            false => (email, None),
        };
        let timezone = change.timezone.map(|zone| zone.replace('\0', " "));
        let mut tx = self.db().begin_as(caller.user_id).await?;
        if let Some(email) = now {
            store::set_email(&mut tx, caller.user_id, &email).await?;
        }
        user::store::set_profile(&mut tx, caller.user_id, &profile).await?;
        if let Some(timezone) = timezone {
            store::set_timezone(&mut tx, caller.user_id, &timezone).await?;
        }
        tx.commit().await.map_err(IdentityError::from)?;
        match later {
            Some(email) => self.request_new_address(caller, &email).await,
            None => Ok(()),
        }
    }

    /// Changes the password, or sets the first one, and ends all other sessions.
    pub(crate) async fn change_password(
        &self,
        caller: &Caller,
        current: Option<&Secret>,
        new: &Secret,
    ) -> Result<(), IdentityError> {
        let session = caller.require_session()?;
        let mut tx = self.db().begin_as(caller.user_id).await?;
        let account = store::account(&mut tx, caller.user_id, self.clock().now())
            .await?
            .ok_or(IdentityError::NotFound("user"))?;
        tx.rollback().await.map_err(IdentityError::from)?;
        rules::password("new", new, &account.username, &account.email)?;
        self.confirm_caller(caller, current).await?;
        let slot = self.passwords().slot().await?;
        let hash = self.passwords().hash(slot, new).await?;

        let now = self.clock().now();
        let mut tx = self.db().begin_as(caller.user_id).await?;
        user::store::set_password(&mut tx, caller.user_id, &hash).await?;
        let (user, keep) = (caller.user_id, Some(session));
        session::store::revoke_others(&mut tx, user, keep, "password_changed", now).await?;
        let entry = AuditEntry {
            user_id: Some(user),
            action: "change_password",
            resource_type: "user",
            resource_id: Some(user),
            details: json!({}),
            ip: caller.client.ip,
            user_agent: caller.client.user_agent.as_deref(),
            at: now,
        };
        audit::record(&mut tx, entry).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_all();
        Ok(())
    }

    /// Keeps a preference; `null` removes it.
    pub(crate) async fn put_preference(
        &self,
        caller: &Caller,
        key: &str,
        value: &Value,
    ) -> Result<(), IdentityError> {
        rules::preference_key(key)?;
        rules::preference_value(key, value)?;
        let mut tx = self.db().begin_as(caller.user_id).await?;
        if value.is_null() {
            store::remove_preference(&mut tx, caller.user_id, key).await?;
        } else {
            let (id, limit) = (new_id(), PREFERENCES_MAX);
            if !store::put_preference(&mut tx, id, caller.user_id, key, value, limit).await? {
                return Err(IdentityError::TooMany { what: "preferences", limit });
            }
        }
        tx.commit().await.map_err(IdentityError::from)?;
        // The database tells every node; here it has to be known before the answer.
        self.db().cache().remove(&PREFERENCES.of_id(caller.user_id)).await;
        Ok(())
    }
}
