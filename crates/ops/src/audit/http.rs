use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use lyceum_http::{Allow, ApiError, ApiQuery, PageQuery, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{AuditFilter, AuditLog};
use crate::{AuditRead, Ops};

/// Which entries are wanted; all conditions hold at once.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
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
    /// Rows wanted, 1 to 200; 50 by default.
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
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
    for (name, text) in [("action", &query.action), ("resource_type", &query.resource_type)] {
        // PostgreSQL has no such character in a text.
        if text.as_deref().is_some_and(|text| text.contains('\0')) {
            let detail = format!("{name}: the character NUL is not allowed");
            return Err(ApiError::bad_request("invalid_query", detail));
        }
    }
    let filter = AuditFilter {
        user_id: query.user_id,
        action: query.action,
        resource_type: query.resource_type,
        resource_id: query.resource_id,
        from: query.from,
        to: query.to,
    };
    let found = ops.audit_logs(allowed.caller.user_id, &filter, page).await?;
    Ok(Json(AuditLogPage { items: found.items, next_cursor: found.next_cursor }))
}
