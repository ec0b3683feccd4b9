//! The audit log: the entries that the program writes itself, for actions that no trigger on a
//! table can see (signing in, exporting), and the chain of hashes that shows whether somebody
//! changed the log afterwards.
//!
//! Triggers and [`record`] write entries inside of transactions, each independent of the others. One
//! writer at a time, on any node, links what was committed ([`link`]): so a transaction never waits
//! for the chain, and the chain has no gap. [`verify`] reads it again. Whoever owns the database can
//! still write a whole new chain; against that one keeps an [`Anchor`] elsewhere.

mod canonical;
mod chain;
mod forget;
mod verify;

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

pub use canonical::{Anchor, AnchorError, Hash};
pub use chain::{ChainState, Checkpoint, link, link_all, state};
pub use forget::{checkpoint, forget_links, hold_alone};
pub use verify::{Fault, FaultKind, Range, Verification, verify};

/// One action. Changes of rows are written by triggers and need no entry.
#[derive(Clone, Debug)]
pub struct AuditEntry<'a> {
    /// Who did it; `None` where nobody is known, as at a failed sign-in.
    pub user_id: Option<Uuid>,
    /// What was done, such as `sign_in`.
    pub action: &'a str,
    /// What it was done to, such as `session`.
    pub resource_type: &'a str,
    /// Which one.
    pub resource_id: Option<Uuid>,
    /// What else is worth knowing. Never a secret.
    pub details: Value,
    /// From where.
    pub ip: Option<IpAddr>,
    /// With what.
    pub user_agent: Option<&'a str>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Appends the entry in the caller's transaction, so that the act and its record stand or fall
/// together.
pub async fn record(
    connection: &mut PgConnection,
    entry: AuditEntry<'_>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO ops.audit_logs
           (id, user_id, action, resource_type, resource_id, new_values, ip_address, user_agent,
            created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7::inet, $8, $9)",
    )
    .bind(lyceum_core::new_id())
    .bind(entry.user_id)
    .bind(entry.action)
    .bind(entry.resource_type)
    .bind(entry.resource_id)
    .bind(entry.details)
    .bind(entry.ip.map(|ip| ip.to_string()))
    .bind(entry.user_agent)
    .bind(entry.at)
    .execute(connection)
    .await?;
    Ok(())
}
