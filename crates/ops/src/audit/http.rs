use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use http::header;
use lyceum_http::{Allow, ApiError, ApiQuery, PageQuery, ProblemDocument};
use lyceum_store::audit::{AnchorError, Range};
use serde::{Deserialize, Serialize};
use sqlx::types::ipnet::IpNet;
use utoipa::ToSchema;
use uuid::Uuid;

use super::chain::{AuditChain, AuditVerification};
use super::export::ExportFormat;
use super::{AuditFilter, AuditLog};
use crate::{AuditExport, AuditRead, Ops};

/// Characters of the free text.
const TEXT_MAX: usize = 100;

/// Which entries are wanted; all conditions hold at once.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Who did it.
    user_id: Option<Uuid>,
    /// What was done, such as `update` or `sign_in`.
    action: Option<String>,
    /// What kind of thing it was done to, such as `provider_config`.
    resource_type: Option<String>,
    /// What it was done to.
    resource_id: Option<Uuid>,
    /// Not before this moment.
    from: Option<DateTime<Utc>>,
    /// Before this moment.
    to: Option<DateTime<Utc>>,
    /// From this address, or an address of this network, such as `10.0.0.0/8`.
    ip_address: Option<String>,
    /// Text within the action or the kind of thing, in either case; up to 100 characters.
    q: Option<String>,
    /// Rows wanted, 1 to 200; 50 by default.
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Which entries to export and how; all conditions hold at once.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditExportQuery {
    /// `csv` or `jsonl`.
    #[serde(default)]
    #[param(inline)]
    format: ExportFormat,
    /// Who did it.
    user_id: Option<Uuid>,
    /// What was done, such as `update` or `sign_in`.
    action: Option<String>,
    /// What kind of thing it was done to, such as `provider_config`.
    resource_type: Option<String>,
    /// What it was done to.
    resource_id: Option<Uuid>,
    /// Not before this moment.
    from: Option<DateTime<Utc>>,
    /// Before this moment.
    to: Option<DateTime<Utc>>,
    /// From this address, or an address of this network, such as `10.0.0.0/8`.
    ip_address: Option<String>,
    /// Text within the action or the kind of thing, in either case; up to 100 characters.
    q: Option<String>,
}

impl AuditExportQuery {
    fn filter(self) -> Result<AuditFilter, ApiError> {
        for (name, text) in
            [("action", &self.action), ("resource_type", &self.resource_type), ("q", &self.q)]
        {
            // PostgreSQL has no such character in a text.
            if text.as_deref().is_some_and(|text| text.contains('\0')) {
                return Err(invalid(name, "the character NUL is not allowed"));
            }
        }
        if self.q.as_deref().is_some_and(|text| text.chars().count() > TEXT_MAX) {
            return Err(invalid("q", "is longer than 100 characters"));
        }
        Ok(AuditFilter {
            user_id: self.user_id,
            action: self.action,
            resource_type: self.resource_type,
            resource_id: self.resource_id,
            from: self.from,
            to: self.to,
            ip_address: self.ip_address.as_deref().map(network).transpose()?,
            text: self.q.filter(|text| !text.is_empty()),
        })
    }
}

/// Which part of the chain to read again.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditVerifyQuery {
    /// Entries linked from this moment on.
    from: Option<DateTime<Utc>>,
    /// Entries linked before this moment.
    to: Option<DateTime<Utc>>,
    /// An anchor that was kept elsewhere, as `SEQ:HASH`.
    anchor: Option<String>,
}

/// A page of the audit log, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditLogPage {
    items: Vec<AuditLog>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Lists who did what, newest first.
#[utoipa::path(get, path = "/audit-logs", tag = "audit", params(AuditQuery),
    responses(
        (status = 200, body = AuditLogPage),
        (status = 400, body = ProblemDocument, description = "A condition or the cursor is wrong."),
    ))]
pub(crate) async fn list_audit_logs(
    State(ops): State<Ops>,
    allowed: Allow<AuditRead>,
    ApiQuery(query): ApiQuery<AuditQuery>,
) -> Result<Json<AuditLogPage>, ApiError> {
    let page = PageQuery { limit: query.limit, cursor: query.cursor }.request()?;
    let conditions = AuditExportQuery {
        format: ExportFormat::default(),
        user_id: query.user_id,
        action: query.action,
        resource_type: query.resource_type,
        resource_id: query.resource_id,
        from: query.from,
        to: query.to,
        ip_address: query.ip_address,
        q: query.q,
    };
    let found = ops.audit_logs(allowed.caller.user_id, &conditions.filter()?, page).await?;
    Ok(Json(AuditLogPage { items: found.items, next_cursor: found.next_cursor }))
}

/// Exports the audit log as CSV or JSON lines, newest first. The export itself is noted in the log.
/// In CSV a cell that a spreadsheet would take for a formula begins with an apostrophe.
#[utoipa::path(get, path = "/audit-logs/export", tag = "audit", params(AuditExportQuery),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/csv"), (String = "application/x-ndjson"))),
        (status = 400, body = ProblemDocument, description = "A condition is wrong."),
    ))]
pub(crate) async fn export_audit_logs(
    State(ops): State<Ops>,
    allowed: Allow<AuditExport>,
    ApiQuery(query): ApiQuery<AuditExportQuery>,
) -> Result<Response, ApiError> {
    let format = query.format;
    let body = ops.export_audit_logs(&allowed.caller, query.filter()?, format).await?;
    let name = ["attachment; filename=\"audit-log.", format.extension(), "\""].concat();
    let headers =
        [(header::CONTENT_TYPE, format.content_type()), (header::CONTENT_DISPOSITION, &*name)];
    Ok((headers, body).into_response())
}

/// Tells where the chain of hashes stands that vouches for the audit log.
#[utoipa::path(get, path = "/audit-chain", tag = "audit",
    responses((status = 200, body = AuditChain)))]
pub(crate) async fn get_audit_chain(
    State(ops): State<Ops>,
    _: Allow<AuditRead>,
) -> Result<Json<AuditChain>, ApiError> {
    Ok(Json(ops.audit_chain().await?))
}

/// Reads the audit log and its chain again and tells whether anything was changed. Reads some
/// 100,000 entries a second; `lyceum audit verify` does the same on the command line.
#[utoipa::path(get, path = "/audit-chain/verify", tag = "audit", params(AuditVerifyQuery),
    responses(
        (status = 200, body = AuditVerification),
        (status = 400, body = ProblemDocument, description = "The anchor is none."),
        (status = 409, body = ProblemDocument, description = "Another verification is running."),
    ))]
pub(crate) async fn verify_audit_chain(
    State(ops): State<Ops>,
    _: Allow<AuditRead>,
    ApiQuery(query): ApiQuery<AuditVerifyQuery>,
) -> Result<Json<AuditVerification>, ApiError> {
    let anchor = query.anchor.as_deref().map(str::parse).transpose();
    let anchor = anchor.map_err(|error: AnchorError| invalid("anchor", &error.to_string()))?;
    let range = Range { from: query.from, to: query.to, anchor };
    Ok(Json(ops.verify_audit(range).await?))
}

fn network(text: &str) -> Result<IpNet, ApiError> {
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| invalid("ip_address", "is neither an address nor a network"))
}

fn invalid(name: &str, why: &str) -> ApiError {
    ApiError::bad_request("invalid_query", [name, ": ", why].concat())
}
