//! Links between accounts here and at issuers.

use lyceum_core::{Secret, new_id};
use lyceum_http::Caller;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::flow::from_json;
use super::store::{self, AccountRow, Subject};
use crate::challenge::{self, Purpose};
use crate::passkey::store::ways_in;
use crate::session::store::act_as;
use crate::{Identity, IdentityError};

/// What is to be linked once its person has signed in.
#[derive(Serialize, Deserialize)]
pub(super) struct ToLink {
    pub(super) subject: String,
    pub(super) email: Option<String>,
}

impl Identity {
    /// Links an account, unless it is linked so already.
    pub(super) async fn link(
        &self,
        user: Uuid,
        account: &Subject<'_>,
    ) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_maintenance().await?;
        act_as(&mut tx, user).await?;
        if store::linked(&mut tx, account.provider, account.subject).await? != Some(user) {
            store::link(&mut tx, new_id(), user, account, self.clock().now()).await?;
        }
        tx.commit().await.map_err(IdentityError::from)
    }

    /// Links the account of a flow that found the caller's address, now that they have signed in.
    pub(crate) async fn confirm_oidc_link(
        &self,
        caller: &Caller,
        token: &Secret,
    ) -> Result<(), IdentityError> {
        self.require_recent(caller).await?;
        let mut tx = self.db().begin_maintenance().await?;
        let now = self.clock().now();
        let begun = challenge::take(&mut tx, Purpose::OidcLink, token.expose(), now).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        if begun.user != Some(caller.user_id) {
            return Err(IdentityError::ChallengeEnded);
        }
        let to_link: ToLink = from_json(begun.data)?;
        let provider = self.active_provider(begun.provider.unwrap_or_default()).await?;
        let (subject, email) = (to_link.subject.as_str(), to_link.email.as_deref());
        self.link(caller.user_id, &Subject { provider: provider.id, subject, email }).await
    }

    /// The accounts that are linked with the caller's.
    pub(crate) async fn oidc_accounts(
        &self,
        caller: &Caller,
    ) -> Result<Vec<AccountRow>, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::accounts(&mut tx, caller.user_id).await
    }

    /// Unlinks an account, unless it is the caller's last way in.
    pub(crate) async fn unlink_oidc(&self, caller: &Caller, id: Uuid) -> Result<(), IdentityError> {
        self.require_recent(caller).await?;
        let mut tx = self.db().begin_as(caller.user_id).await?;
        if !store::unlink(&mut tx, caller.user_id, id).await? {
            return Err(IdentityError::NotFound("linked account"));
        }
        if ways_in(&mut tx, caller.user_id).await? == 0 {
            return Err(IdentityError::LastWayIn);
        }
        tx.commit().await.map_err(IdentityError::from)
    }
}
