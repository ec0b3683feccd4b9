//! Actions that no trigger on a table can see: signing in, exporting, viewing a secret.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

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
