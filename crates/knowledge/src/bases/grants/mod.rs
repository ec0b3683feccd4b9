//! Sharing a knowledge base with people and groups.

pub(crate) mod http;
mod store;

use lyceum_core::{Page, PageRequest, new_id};
use lyceum_http::Caller;
use uuid::Uuid;

use crate::documents::store::editable_base;
use crate::{Knowledge, KnowledgeError};

pub(crate) use store::{GrantRow, Grantee};

/// What can be given; nobody is given the base itself.
const LEVELS: [&str; 3] = ["view", "use", "edit"];
/// People and groups that one base is shared with at most.
const GRANTS_MAX: i64 = 1_000;

/// Whom to share with, and how far.
pub(crate) struct NewGrant {
    /// Username or id of a person.
    pub(crate) user: Option<String>,
    /// A group, where it is no person.
    pub(crate) group_id: Option<Uuid>,
    pub(crate) level: String,
}

impl Knowledge {
    /// With whom a base is shared, the latest first; for those who may share it.
    pub(crate) async fn grants(
        &self,
        caller: &Caller,
        base: Uuid,
        page: PageRequest,
    ) -> Result<Page<GrantRow>, KnowledgeError> {
        let mut tx = self.db.begin_as(caller.user_id).await?;
        editable_base(&mut tx, base).await?;
        store::list(&mut tx, base, page).await
    }

    /// Shares a base at a level, in the place of the level that was given before.
    pub(crate) async fn grant(
        &self,
        caller: &Caller,
        base: Uuid,
        new: NewGrant,
    ) -> Result<GrantRow, KnowledgeError> {
        let (now, level) = (self.clock.now(), new.level.as_str());
        let mut tx = self.db.begin_as(caller.user_id).await?;
        let owner = editable_base(&mut tx, base).await?;
        if !LEVELS.contains(&level) {
            return Err(super::invalid("level", "must be view, use or edit"));
        }
        let grantee = match (new.user, new.group_id) {
            (Some(name), None) => store::person(&mut tx, &name).await?,
            (None, Some(id)) => store::group(&mut tx, id).await?,
            _ => {
                return Err(super::invalid(
                    "user",
                    "or else group_id must be given, one of the two",
                ));
            }
        };
        if matches!(grantee, Grantee::Person(id) if id == owner) {
            return Err(super::invalid("user", "owns the knowledge base"));
        }
        let (id, by) = (new_id(), caller.user_id);
        let id = store::put(&mut tx, id, base, grantee, level, by, now, GRANTS_MAX).await?;
        let Some(id) = id else {
            return Err(KnowledgeError::TooManyGrants(GRANTS_MAX));
        };
        let row = store::find(&mut tx, base, id).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Takes a grant back.
    pub(crate) async fn withdraw_grant(
        &self,
        caller: &Caller,
        base: Uuid,
        id: Uuid,
    ) -> Result<(), KnowledgeError> {
        let mut tx = self.db.begin_as(caller.user_id).await?;
        editable_base(&mut tx, base).await?;
        store::remove(&mut tx, base, id).await?;
        tx.commit().await?;
        Ok(())
    }
}
