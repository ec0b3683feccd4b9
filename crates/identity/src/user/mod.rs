//! Users, as administrators see and change them.

pub(crate) mod http;
pub(crate) mod store;

use chrono::{DateTime, Utc};
use lyceum_core::{Page, PageRequest, Secret, new_id};
use lyceum_http::Caller;
use lyceum_store::audit::{self, AuditEntry};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::authenticate::{holds, permission_set};
use crate::{Identity, IdentityError, Rule, rules, session};

pub(crate) use store::{NewUser, RoleRow, UserRow};

/// The preset roles' ids, as the migration wrote them.
pub(crate) const ADMIN_ROLE: Uuid = Uuid::from_u128(0x00000000_0000_7000_8000_000000000001);
/// Roles that one user may have.
const ROLES_MAX: usize = 50;
/// Bytes of a search text.
const SEARCH_MAX: usize = 200;
/// What a new user is where nothing else is said.
pub(crate) const DEFAULT_ROLE: &str = "user";
/// The states of an account.
const STATUSES: [&str; 3] = ["active", "inactive", "suspended"];

/// An account to be made.
pub(crate) struct Invitation {
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) password: Secret,
    pub(crate) display_name: Option<String>,
    pub(crate) roles: Option<Vec<String>>,
}

/// What changes about an account; `None` stays as it is.
#[derive(Default)]
pub(crate) struct UserChange {
    pub(crate) status: Option<String>,
    pub(crate) roles: Option<Vec<String>>,
    pub(crate) profile: Profile,
    pub(crate) password: Option<Secret>,
}

/// What a person may say of themselves; absent members stay, empty ones are removed.
#[derive(Default)]
pub(crate) struct Profile {
    pub(crate) display_name: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) organization: Option<String>,
    pub(crate) department: Option<String>,
    pub(crate) position: Option<String>,
}

impl Profile {
    /// The columns that change, as they are to be kept; `null` empties one.
    pub(crate) fn columns(&self) -> Result<Value, IdentityError> {
        let given = [
            ("display_name", &self.display_name),
            ("first_name", &self.first_name),
            ("last_name", &self.last_name),
            ("organization", &self.organization),
            ("department", &self.department),
            ("position", &self.position),
        ];
        let mut columns = serde_json::Map::new();
        for (name, text) in given {
            if let Some(text) = text {
                columns.insert(name.to_owned(), rules::about(name, text)?.into());
            }
        }
        Ok(Value::Object(columns))
    }
}

impl Identity {
    /// A page of the living users, or of the deleted ones, newest first.
    pub(crate) async fn users(
        &self,
        caller: &Caller,
        search: Option<&str>,
        deleted: bool,
        page: PageRequest,
    ) -> Result<Page<UserRow>, IdentityError> {
        if search.is_some_and(|text| text.len() > SEARCH_MAX || text.contains('\0')) {
            return Err(IdentityError::field("q", Rule::AtMost { max: SEARCH_MAX }));
        }
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::list(&mut tx, search, deleted, page).await
    }

    /// One living user.
    pub(crate) async fn user(&self, caller: &Caller, id: Uuid) -> Result<UserRow, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::find(&mut tx, id).await?.ok_or(IdentityError::NotFound("user"))
    }

    /// Makes an account with a first password.
    pub(crate) async fn create_user(
        &self,
        caller: &Caller,
        invitation: Invitation,
    ) -> Result<UserRow, IdentityError> {
        let username = rules::username(&invitation.username)?;
        let email = rules::email(&invitation.email)?;
        let name = invitation.display_name.as_deref().map(rules::display_name).transpose()?;
        rules::password("password", &invitation.password, &username, &email)?;
        let roles = invitation.roles.unwrap_or_else(|| vec![DEFAULT_ROLE.to_owned()]);
        let slot = self.passwords().slot().await?;
        let password_hash = self.passwords().hash(slot, &invitation.password).await?;

        let now = self.clock().now();
        let mut tx = self.db().begin_as(caller.user_id).await?;
        let roles = resolve(&mut tx, &roles).await?;
        require_all(caller, &roles)?;
        let id = new_id();
        let new = NewUser { id, username, email, display_name: name.flatten(), password_hash };
        store::insert(&mut tx, &new, now).await?;
        let ids: Vec<Uuid> = roles.iter().map(|role| role.id).collect();
        store::grant(&mut tx, id, &ids, caller.user_id, now).await?;
        let made = store::find(&mut tx, id).await?.ok_or(IdentityError::NotFound("user"))?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(made)
    }

    /// Changes an account. Nobody touches one that has rights beyond their own.
    pub(crate) async fn change_user(
        &self,
        caller: &Caller,
        id: Uuid,
        change: UserChange,
    ) -> Result<UserRow, IdentityError> {
        if change.status.as_deref().is_some_and(|status| !STATUSES.contains(&status)) {
            return Err(IdentityError::field("status", Rule::OneOf { allowed: &STATUSES }));
        }
        if change.password.is_some() && id == caller.user_id {
            // That way would not ask for the present one.
            return Err(IdentityError::field("password", Rule::OwnProfile));
        }
        let profile = change.profile.columns()?;
        let before = self.user(caller, id).await?;
        let password_hash = match &change.password {
            Some(password) => {
                rules::password("password", password, &before.username, &before.email)?;
                let slot = self.passwords().slot().await?;
                Some(self.passwords().hash(slot, password).await?)
            }
            None => None,
        };

        let now = self.clock().now();
        let mut tx = self.db().begin_as(caller.user_id).await?;
        let present = store::roles_of(&mut tx, id).await?;
        require_all(caller, &present)?;
        store::set_profile(&mut tx, id, &profile).await?;
        if let Some(hash) = &password_hash {
            store::set_password(&mut tx, id, hash).await?;
            session::store::revoke_others(&mut tx, id, None, "password_changed", now).await?;
            record_new_password(&mut tx, caller, id, now).await?;
        }
        if let Some(status) = &change.status {
            store::set_status(&mut tx, id, status).await?;
            if status != "active" {
                session::store::revoke_others(&mut tx, id, None, "user_blocked", now).await?;
            }
        }
        if let Some(names) = &change.roles {
            let roles = resolve(&mut tx, names).await?;
            require_all(caller, &roles)?;
            let ids: Vec<Uuid> = roles.iter().map(|role| role.id).collect();
            // Given before others are taken: whoever takes their own administration away may not
            // give anything afterwards.
            store::grant(&mut tx, id, &ids, caller.user_id, now).await?;
            store::take_other_roles(&mut tx, id, &ids).await?;
        }
        let changed = store::find(&mut tx, id).await?.ok_or(IdentityError::NotFound("user"))?;
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_all();
        Ok(changed)
    }
}

/// The trigger on the table does not see what changed, since the hash is kept from the log.
async fn record_new_password(
    connection: &mut PgConnection,
    caller: &Caller,
    user: Uuid,
    at: DateTime<Utc>,
) -> Result<(), IdentityError> {
    let entry = AuditEntry {
        user_id: Some(caller.user_id),
        action: "set_password",
        resource_type: "user",
        resource_id: Some(user),
        details: json!({}),
        ip: caller.client.ip,
        user_agent: caller.client.user_agent.as_deref(),
        at,
    };
    Ok(audit::record(connection, entry).await?)
}

/// The roles of these names.
pub(crate) async fn resolve(
    connection: &mut PgConnection,
    names: &[String],
) -> Result<Vec<RoleRow>, IdentityError> {
    if names.len() > ROLES_MAX {
        return Err(IdentityError::field("roles", Rule::Count { min: 0, max: ROLES_MAX }));
    }
    let mut roles = Vec::new();
    for name in names {
        match store::role(connection, name).await? {
            Some(role) => roles.push(role),
            None => {
                let unknown = Rule::Unknown { what: "role", name: name.clone() };
                return Err(IdentityError::field("roles", unknown));
            }
        }
    }
    Ok(roles)
}

/// Refuses where a role gives more than the caller has.
pub(crate) fn require_all(caller: &Caller, roles: &[RoleRow]) -> Result<(), IdentityError> {
    let rows: Vec<_> = roles.iter().map(|role| role.permissions.clone()).collect();
    let missing = permission_set(&rows);
    match missing.iter().find(|permission| !holds(&caller.permissions, permission)) {
        Some(permission) => Err(IdentityError::PermissionNotHeld(permission.to_string())),
        None => Ok(()),
    }
}
