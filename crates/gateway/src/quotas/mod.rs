//! Quotas: how much a user, a group or a key may use in a month. A call reserves before it is made
//! (in memory, of what this process leased) and is counted in the statement that writes its ledger
//! row, so that what a quota counts is always the ledger's sum, also after a crash.

mod http;
mod leases;
mod refusal;
mod reserve;
mod store;

use lyceum_core::{Page, PageRequest};
use lyceum_http::Caller;
use uuid::Uuid;

pub(crate) use http::router;
pub(crate) use leases::{Account, Accounts, Amounts, Reserved, Tally, Warning};
pub use refusal::QuotaRefusal;
pub(crate) use refusal::whose_quota;
pub(crate) use reserve::{Asking, Forecast, reserve};

use http::{Quota, QuotaScope, SetQuota};

use crate::{Gateway, GatewayError, fields};

impl Gateway {
    /// The quotas of the caller, of their groups and of their keys.
    async fn own_quotas(&self, user: Uuid) -> Result<Vec<Quota>, GatewayError> {
        let mut tx = self.inner.db.begin_as(user).await?;
        let quotas = store::of_person(&mut tx, user).await?;
        let quotas =
            store::with_figures(&mut tx, &self.inner.accounts, quotas, self.inner.clock.now())
                .await?;
        tx.commit().await?;
        Ok(quotas)
    }

    async fn list_quotas(
        &self,
        caller: &Caller,
        page: &PageRequest,
    ) -> Result<Page<Quota>, GatewayError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let rows = store::list(&mut tx, page).await?;
        let page = Page::from_rows(rows, page.limit, store::QuotaRow::cursor);
        let items =
            store::with_figures(&mut tx, &self.inner.accounts, page.items, self.inner.clock.now())
                .await?;
        tx.commit().await?;
        Ok(Page { items, next_cursor: page.next_cursor })
    }

    async fn quota(
        &self,
        caller: &Caller,
        scope: QuotaScope,
        subject: Uuid,
    ) -> Result<Quota, GatewayError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let row = store::of_subject(&mut tx, scope, subject).await?;
        let rows = row.into_iter().collect();
        let quotas =
            store::with_figures(&mut tx, &self.inner.accounts, rows, self.inner.clock.now())
                .await?;
        tx.commit().await?;
        quotas.into_iter().next().ok_or(GatewayError::NotFound("quota"))
    }

    async fn set_quota(
        &self,
        caller: &Caller,
        scope: QuotaScope,
        subject: Uuid,
        body: SetQuota,
    ) -> Result<Quota, GatewayError> {
        body.check(scope)?;
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let now = self.inner.clock.now();
        let set = store::set(&mut tx, scope, subject, &body, now).await;
        let set = set.map_err(|error| match lyceum_store::constraint(&error) {
            Some("timezone_known") => {
                GatewayError::invalid("timezone", "is not the name of a time zone")
            }
            _ => fields::refused(error, "subject of a quota"),
        })?;
        if set.is_none() {
            return Err(GatewayError::NotFound("subject of a quota"));
        }
        tx.commit().await?;
        self.inner.limits.forget();
        self.quota(caller, scope, subject).await
    }

    async fn delete_quota(
        &self,
        caller: &Caller,
        scope: QuotaScope,
        subject: Uuid,
    ) -> Result<(), GatewayError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        if !store::remove(&mut tx, scope, subject).await? {
            return Err(GatewayError::NotFound("quota"));
        }
        tx.commit().await?;
        self.inner.limits.forget();
        Ok(())
    }
}
