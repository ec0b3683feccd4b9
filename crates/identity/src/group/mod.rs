//! Groups: who objects of the organisation are shared with and distributed to.

pub(crate) mod http;
pub(crate) mod store;

use lyceum_core::{Page, PageRequest, new_id};
use lyceum_http::Caller;
use uuid::Uuid;

use crate::{Identity, IdentityError, role, rules};

pub(crate) use store::{GroupRow, MemberRow};

const DESCRIPTION_MAX: usize = 1000;

impl Identity {
    /// All living groups, newest first.
    pub(crate) async fn groups(
        &self,
        caller: &Caller,
        page: PageRequest,
    ) -> Result<Page<GroupRow>, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::list(&mut tx, None, page).await
    }

    /// The living groups that the caller is in, newest first.
    pub(crate) async fn my_groups(
        &self,
        caller: &Caller,
        page: PageRequest,
    ) -> Result<Page<GroupRow>, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::list(&mut tx, Some(caller.user_id), page).await
    }

    /// The living groups that a person is in, newest first.
    pub(crate) async fn groups_of(
        &self,
        caller: &Caller,
        user: Uuid,
        page: PageRequest,
    ) -> Result<Page<GroupRow>, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        role::store::require_person(&mut tx, user).await?;
        store::list(&mut tx, Some(user), page).await
    }

    /// One living group.
    pub(crate) async fn group(&self, caller: &Caller, id: Uuid) -> Result<GroupRow, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::find(&mut tx, id).await
    }

    /// Makes a group.
    pub(crate) async fn create_group(
        &self,
        caller: &Caller,
        name: &str,
        description: &str,
    ) -> Result<GroupRow, IdentityError> {
        let name = rules::group_name(name)?;
        let description = rules::description(description, DESCRIPTION_MAX)?;
        let (id, now) = (new_id(), self.clock().now());
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::insert(&mut tx, id, &name, description, caller.user_id, now).await?;
        let made = store::find(&mut tx, id).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(made)
    }

    /// Changes a group; `None` stays as it is.
    pub(crate) async fn change_group(
        &self,
        caller: &Caller,
        id: Uuid,
        name: Option<&str>,
        description: Option<&str>,
    ) -> Result<GroupRow, IdentityError> {
        let name = name.map(rules::group_name).transpose()?;
        let describe = |text| rules::description(text, DESCRIPTION_MAX);
        let description = description.map(describe).transpose()?;
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::update(&mut tx, id, name.as_deref(), description).await?;
        let changed = store::find(&mut tx, id).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(changed)
    }

    /// Deletes a group: what was shared with it is shared no more, at once.
    pub(crate) async fn delete_group(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::mark_deleted(&mut tx, id, self.clock().now()).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(())
    }

    /// The living members of a group, the latest first.
    pub(crate) async fn members(
        &self,
        caller: &Caller,
        group: Uuid,
        page: PageRequest,
    ) -> Result<Page<MemberRow>, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::find(&mut tx, group).await?;
        store::members(&mut tx, group, page).await
    }

    /// Adds a person to a group; a member already stays one.
    pub(crate) async fn add_member(
        &self,
        caller: &Caller,
        group: Uuid,
        user: Uuid,
    ) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::find(&mut tx, group).await?;
        if !store::add_member(&mut tx, group, user, caller.user_id, self.clock().now()).await? {
            return Err(IdentityError::NotFound("user"));
        }
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(())
    }

    /// Takes a person out of a group.
    pub(crate) async fn remove_member(
        &self,
        caller: &Caller,
        group: Uuid,
        user: Uuid,
    ) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::find(&mut tx, group).await?;
        if !store::remove_member(&mut tx, group, user).await? {
            return Err(IdentityError::NotFound("member"));
        }
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(())
    }
}
