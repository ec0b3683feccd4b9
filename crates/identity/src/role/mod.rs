//! Roles: which rights they give, and who has them.

pub(crate) mod http;
pub(crate) mod store;

use lyceum_core::{Permission, new_id};
use lyceum_http::Caller;
use uuid::Uuid;

use crate::authenticate::{holds, permission_set};
use crate::{Identity, IdentityError, RIGHTS, Rule, rules};

pub(crate) use store::{AssignedRow, RoleRow};

/// Patterns that one role may list.
const PERMISSIONS_MAX: usize = 100;
/// What the preset roles give ahead of the resources: roles may name it, whole only.
const AHEAD: [(&str, &str); 2] = [("application", "*"), ("finetune", "*")];
/// Roles that there may be.
const ROLES_MAX: i64 = 200;

/// A role to be written; `None` stays as it is.
#[derive(Default)]
pub(crate) struct RoleChange {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) permissions: Option<Vec<String>>,
}

impl Identity {
    /// All rights that handlers ask for, and those that the preset roles give ahead, in order.
    pub(crate) fn known_rights(&self) -> Vec<String> {
        let further = &self.config().further_rights;
        let all = RIGHTS.iter().chain(further).chain(&AHEAD);
        let mut texts: Vec<_> =
            all.map(|(resource, action)| format!("{resource}:{action}")).collect();
        texts.sort();
        texts.dedup();
        texts
    }

    /// All roles by name, the preset ones first.
    pub(crate) async fn roles(&self, caller: &Caller) -> Result<Vec<RoleRow>, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::list(&mut tx).await
    }

    /// Makes a role of rights that the caller has.
    pub(crate) async fn create_role(
        &self,
        caller: &Caller,
        new: RoleChange,
    ) -> Result<RoleRow, IdentityError> {
        let name = rules::role_name(new.name.as_deref().unwrap_or_default())?;
        let description = rules::description(new.description.as_deref().unwrap_or_default(), 500)?;
        let permissions = self.givable(caller, new.permissions.as_deref().unwrap_or_default())?;
        let (id, now) = (new_id(), self.clock().now());
        let mut tx = self.db().begin_as(caller.user_id).await?;
        if !store::insert(&mut tx, id, name, description, &permissions, now, ROLES_MAX).await? {
            return Err(IdentityError::TooMany { what: "roles", limit: ROLES_MAX });
        }
        let made = store::find(&mut tx, id).await?.ok_or(IdentityError::NotFound("role"))?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(made)
    }

    /// Changes a role whose rights the caller has, before and after.
    pub(crate) async fn change_role(
        &self,
        caller: &Caller,
        id: Uuid,
        change: RoleChange,
    ) -> Result<RoleRow, IdentityError> {
        let name = change.name.as_deref().map(rules::role_name).transpose()?;
        let describe = |text| rules::description(text, 500);
        let description = change.description.as_deref().map(describe).transpose()?;
        let permissions = change.permissions.as_deref();
        let permissions = permissions.map(|texts| self.givable(caller, texts)).transpose()?;
        let mut tx = self.db().begin_as(caller.user_id).await?;
        own_role(caller, store::find(&mut tx, id).await?)?;
        store::update(&mut tx, id, name, description, permissions.as_deref()).await?;
        let changed = store::find(&mut tx, id).await?.ok_or(IdentityError::NotFound("role"))?;
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_all();
        Ok(changed)
    }

    /// Deletes a role whose rights the caller has; whoever had it loses them.
    pub(crate) async fn delete_role(&self, caller: &Caller, id: Uuid) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        own_role(caller, store::find(&mut tx, id).await?)?;
        store::delete(&mut tx, id).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_all();
        Ok(())
    }

    /// The roles of a person, with who gave them and when.
    pub(crate) async fn roles_of(
        &self,
        caller: &Caller,
        user: Uuid,
    ) -> Result<Vec<AssignedRow>, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::require_person(&mut tx, user).await?;
        store::of_user(&mut tx, user).await
    }

    /// Gives a role whose rights the caller has; one that the person has already stays as it is.
    pub(crate) async fn assign_role(
        &self,
        caller: &Caller,
        user: Uuid,
        role: Uuid,
    ) -> Result<(), IdentityError> {
        let now = self.clock().now();
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::require_person(&mut tx, user).await?;
        require_held(caller, store::find(&mut tx, role).await?)?;
        store::assign(&mut tx, user, role, caller.user_id, now).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_all();
        Ok(())
    }

    /// Takes a role back whose rights the caller has.
    pub(crate) async fn withdraw_role(
        &self,
        caller: &Caller,
        user: Uuid,
        role: Uuid,
    ) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::require_person(&mut tx, user).await?;
        require_held(caller, store::find(&mut tx, role).await?)?;
        if !store::withdraw(&mut tx, user, role).await? {
            return Err(IdentityError::NotFound("role of this person"));
        }
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_all();
        Ok(())
    }

    /// The patterns, if each names rights that there are and that the caller has.
    fn givable(&self, caller: &Caller, texts: &[String]) -> Result<Vec<String>, IdentityError> {
        if texts.is_empty() || texts.len() > PERMISSIONS_MAX {
            return Err(IdentityError::field(
                "permissions",
                Rule::Count { min: 1, max: PERMISSIONS_MAX },
            ));
        }
        let known = self.known_rights();
        let check = |text: &String| {
            let pattern: Permission = rules::permission(text)?;
            let names = |right: &String| {
                right
                    .split_once(':')
                    .is_some_and(|(resource, action)| pattern.covers(resource, action))
            };
            if !known.iter().any(names) {
                let pattern = pattern.to_string();
                return Err(IdentityError::UnknownRight { pattern, known: known.clone() });
            }
            match holds(&caller.permissions, &pattern) {
                true => Ok(pattern.to_string()),
                false => Err(IdentityError::PermissionNotHeld(pattern.to_string())),
            }
        };
        let mut patterns = texts.iter().map(check).collect::<Result<Vec<_>, _>>()?;
        patterns.sort();
        patterns.dedup();
        Ok(patterns)
    }
}

/// A role of one's own making whose rights the caller has.
fn own_role(caller: &Caller, found: Option<RoleRow>) -> Result<(), IdentityError> {
    if found.as_ref().is_some_and(|role| role.is_preset) {
        return Err(IdentityError::PresetRole);
    }
    require_held(caller, found)
}

/// Refuses a role that gives more than the caller has.
fn require_held(caller: &Caller, found: Option<RoleRow>) -> Result<(), IdentityError> {
    let role = found.ok_or(IdentityError::NotFound("role"))?;
    let rights = permission_set(std::slice::from_ref(&role.permissions));
    match rights.iter().find(|right| !holds(&caller.permissions, right)) {
        Some(right) => Err(IdentityError::PermissionNotHeld(right.to_string())),
        None => Ok(()),
    }
}
