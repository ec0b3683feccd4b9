//! Reading, exporting and verifying the audit log. Writing is done by triggers and by
//! `lyceum_store::audit`.

mod chain;
mod export;
pub(crate) mod http;
mod store;

use chrono::{DateTime, Utc};
use lyceum_core::{Cursor, Page, PageRequest};
use serde::{Serialize, Serializer};
use sqlx::types::ipnet::IpNet;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Ops, OpsError};

pub use chain::NoteAuditAnchor;

pub(crate) use store::containing;

/// One entry: who did what to what, and what changed.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
pub(crate) struct AuditLog {
    pub(crate) id: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    /// Who; absent where nobody is known, as at a failed sign-in or for the platform's own work.
    pub(crate) user_id: Option<Uuid>,
    /// Their name, also after they were deleted, until they are purged.
    pub(crate) username: Option<String>,
    /// `create`, `update`, `delete`, or an action such as `sign_in`.
    pub(crate) action: String,
    /// What kind of thing it was done to.
    pub(crate) resource_type: String,
    pub(crate) resource_id: Option<Uuid>,
    /// The row before, without secrets.
    pub(crate) old_values: Option<serde_json::Value>,
    /// The row after, without secrets; or the details of an action.
    pub(crate) new_values: Option<serde_json::Value>,
    pub(crate) ip_address: Option<String>,
    pub(crate) user_agent: Option<String>,
}

/// Which entries are wanted; all conditions hold at once.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct AuditFilter {
    pub(crate) user_id: Option<Uuid>,
    pub(crate) action: Option<String>,
    pub(crate) resource_type: Option<String>,
    pub(crate) resource_id: Option<Uuid>,
    pub(crate) from: Option<DateTime<Utc>>,
    pub(crate) to: Option<DateTime<Utc>>,
    /// From an address of this network.
    #[serde(serialize_with = "as_text")]
    pub(crate) ip_address: Option<IpNet>,
    /// Text within action or kind of resource.
    pub(crate) text: Option<String>,
}

fn as_text<S: Serializer>(network: &Option<IpNet>, to: S) -> Result<S::Ok, S::Error> {
    network.map(|network| network.to_string()).serialize(to)
}

impl Ops {
    /// The entries that `user` may see, newest first.
    pub(crate) async fn audit_logs(
        &self,
        user: Uuid,
        filter: &AuditFilter,
        page: PageRequest,
    ) -> Result<Page<AuditLog>, OpsError> {
        let mut tx = self.inner.db.begin_as(user).await?;
        let rows = store::list(&mut tx, filter, page).await?;
        tx.commit().await?;
        Ok(Page::from_rows(rows, page.limit, |row| row.cursor()))
    }
}

impl AuditLog {
    fn cursor(&self) -> Cursor {
        Cursor { at: self.created_at, id: self.id }
    }
}
