//! The program's warnings and errors, kept in the database beside its log on standard error.
//!
//! A layer hands them over without ever waiting; what does not fit is counted and told in their
//! place. One task of each node writes them, in batches, a limited number a minute. What happens
//! while it writes is not handed over, so that it never feeds on itself.

pub(crate) mod http;
mod layer;
mod redact;
mod store;
mod write;

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use lyceum_core::{Cursor, Page, PageRequest};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Ops, OpsError};

pub use layer::{SystemLogEvents, system_log};

/// The target of everything that the writer itself says.
const OWN: &str = module_path!();

/// A warning or an error on its way to the database.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    at: DateTime<Utc>,
    level: &'static str,
    message: String,
    module: String,
    function_name: Option<String>,
    user_id: Option<Uuid>,
    ip: Option<IpAddr>,
    extra_data: Map<String, Value>,
}

/// A warning or an error of the program.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
pub(crate) struct SystemLog {
    pub(crate) id: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    /// `WARNING` or `ERROR`.
    pub(crate) level: String,
    pub(crate) message: String,
    /// The part of the program, such as `lyceum_gateway::call`.
    pub(crate) module: String,
    /// What it was doing, outermost first, where it says so.
    pub(crate) function_name: Option<String>,
    /// The node that said it.
    pub(crate) node: String,
    /// The person that it is about, where it says so.
    pub(crate) user_id: Option<Uuid>,
    /// The address whose request ran.
    pub(crate) ip_address: Option<String>,
    /// What else it says, without secrets.
    #[schema(value_type = Object)]
    pub(crate) extra_data: Value,
}

/// Which entries are wanted; all conditions hold at once.
#[derive(Debug, Default)]
pub(crate) struct SystemLogFilter {
    pub(crate) level: Option<String>,
    pub(crate) module: Option<String>,
    pub(crate) node: Option<String>,
    pub(crate) from: Option<DateTime<Utc>>,
    pub(crate) to: Option<DateTime<Utc>>,
    /// Text within the message or the rest.
    pub(crate) text: Option<String>,
}

impl Ops {
    /// The entries that `user` may see, newest first.
    pub(crate) async fn system_logs(
        &self,
        user: Uuid,
        filter: &SystemLogFilter,
        page: PageRequest,
    ) -> Result<Page<SystemLog>, OpsError> {
        let mut tx = self.inner.db.begin_as(user).await?;
        let rows = store::list(&mut tx, filter, page).await?;
        tx.commit().await?;
        let cursor = |row: &SystemLog| Cursor { at: row.created_at, id: row.id };
        Ok(Page::from_rows(rows, page.limit, cursor))
    }
}
