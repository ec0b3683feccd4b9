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

/// Whom to share with, by what they are called or by id.
pub(crate) enum Named<'a> {
    Person(&'a str),
    Group(Uuid),
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
        named: Named<'_>,
        level: &str,
    ) -> Result<GrantRow, KnowledgeError> {
        if !LEVELS.contains(&level) {
            return Err(super::invalid("level", "must be view, use or edit"));
        }
        let now = self.clock.now();
        let mut tx = self.db.begin_as(caller.user_id).await?;
        let owner = editable_base(&mut tx, base).await?;
        let grantee = match named {
            Named::Person(name) => store::person(&mut tx, name).await?,
            Named::Group(id) => store::group(&mut tx, id).await?,
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
