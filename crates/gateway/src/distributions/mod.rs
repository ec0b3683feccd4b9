//! To whom the organisation's providers are given, and what a person has been given.

mod http;
mod store;

use lyceum_core::{Page, PageRequest};
use lyceum_http::Caller;
use uuid::Uuid;

use crate::{Gateway, GatewayError, providers};

pub(crate) use http::router;
pub(crate) use store::{AvailableRow, DistributionRow};

/// People and groups that one request may name.
const TARGETS_MAX: usize = 500;

impl Gateway {
    /// Who has been given a provider, the latest first.
    async fn distributions(
        &self,
        caller: &Caller,
        provider: Uuid,
        page: PageRequest,
    ) -> Result<Page<DistributionRow>, GatewayError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        providers::find(&mut tx, caller.user_id, provider).await?;
        store::list(&mut tx, provider, page).await
    }

    /// Gives a provider to people and groups, all or none; answers how many had it not yet. One that
    /// was deactivated for them is given anew.
    async fn distribute(
        &self,
        caller: &Caller,
        provider: Uuid,
        users: &[Uuid],
        groups: &[Uuid],
    ) -> Result<u64, GatewayError> {
        if !(1..=TARGETS_MAX).contains(&(users.len() + groups.len())) {
            return Err(GatewayError::invalid("user_ids", "name 1 to 500 people and groups"));
        }
        let now = self.inner.clock.now();
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let row = providers::find(&mut tx, caller.user_id, provider).await?;
        if row.owner_id.is_some() {
            return Err(GatewayError::PersonalProvider);
        }
        let mut added = 0;
        for user in users {
            store::require_person(&mut tx, *user).await?;
            added += store::add(&mut tx, provider, Some(*user), None, caller.user_id, now).await?;
        }
        for group in groups {
            store::require_group(&mut tx, *group).await?;
            added += store::add(&mut tx, provider, None, Some(*group), caller.user_id, now).await?;
        }
        tx.commit().await?;
        self.inner.catalogues.forget_all();
        Ok(added)
    }

    /// Deactivates a distribution, which keeps who gave it and when, or activates it again.
    async fn set_distribution(
        &self,
        caller: &Caller,
        provider: Uuid,
        id: Uuid,
        is_active: bool,
    ) -> Result<(), GatewayError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        store::set_active(&mut tx, provider, id, is_active).await?;
        tx.commit().await?;
        self.inner.catalogues.forget_all();
        Ok(())
    }

    /// Takes a distribution back.
    async fn withdraw(
        &self,
        caller: &Caller,
        provider: Uuid,
        id: Uuid,
    ) -> Result<(), GatewayError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        store::remove(&mut tx, provider, id).await?;
        tx.commit().await?;
        self.inner.catalogues.forget_all();
        Ok(())
    }

    /// Every way by which the caller may use a provider, by the provider's name.
    async fn available(&self, caller: &Caller) -> Result<Vec<AvailableRow>, GatewayError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        store::available(&mut tx, caller.user_id).await
    }
}
