//! Leaving: an account is deleted softly, can be brought back for some weeks, and is then purged
//! with everything that belongs to it.

pub(crate) mod http;
pub(crate) mod store;

use lyceum_core::Secret;
use lyceum_http::Caller;
use uuid::Uuid;

use crate::user::{self, UserRow};
use crate::{Identity, IdentityError};

impl Identity {
    /// Deletes the caller's own account; the password is asked for where it has one.
    pub(crate) async fn delete_own_account(
        &self,
        caller: &Caller,
        password: Option<&Secret>,
    ) -> Result<(), IdentityError> {
        caller.require_session()?;
        self.confirm_caller(caller, password).await?;
        self.delete_account(caller, caller.user_id).await
    }

    /// Deletes an account that has no rights beyond the caller's. Its sessions, keys and links end
    /// by a trigger in the same transaction; name and address are free again.
    pub(crate) async fn delete_account(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        if id != caller.user_id {
            user::require_all(caller, &user::store::roles_of(&mut tx, id).await?)?;
        }
        if !store::delete(&mut tx, id, self.clock().now()).await? {
            return Err(IdentityError::NotFound("user"));
        }
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_all();
        tracing::info!(user = %id, by = %caller.user_id, "an account was deleted");
        Ok(())
    }

    /// Brings a deleted account back, unless another has its name or address by now.
    pub(crate) async fn restore_account(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<UserRow, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        user::require_all(caller, &user::store::roles_of(&mut tx, id).await?)?;
        if !store::restore(&mut tx, id).await? {
            return Err(IdentityError::NotFound("user"));
        }
        let row = user::store::find(&mut tx, id).await?.ok_or(IdentityError::NotFound("user"))?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(row)
    }
}
