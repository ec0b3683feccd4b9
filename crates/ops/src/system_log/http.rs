use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use lyceum_http::{Allow, ApiError, ApiQuery, PageQuery, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{SystemLog, SystemLogFilter};
use crate::{Ops, SystemRead};

const LEVELS: [&str; 5] = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
/// Characters of the free texts.
const TEXT_MAX: usize = 200;

/// Which entries are wanted; all conditions hold at once.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SystemLogQuery {
    /// `WARNING` or `ERROR`.
    level: Option<String>,
    /// The part of the program, or the beginning of its name, such as `lyceum_gateway`.
    module: Option<String>,
    /// The node that said it.
    node: Option<String>,
    /// Not before this moment.
    from: Option<DateTime<Utc>>,
    /// Before this moment.
    to: Option<DateTime<Utc>>,
    /// Text within the message or what else it says, in either case; up to 200 characters.
    q: Option<String>,
    /// Rows wanted, 1 to 200; 50 by default.
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl SystemLogQuery {
    fn filter(self) -> Result<SystemLogFilter, ApiError> {
        let invalid = |name: &str, why: &str| {
            ApiError::bad_request("invalid_query", [name, ": ", why].concat())
        };
        for (name, text) in [("module", &self.module), ("node", &self.node), ("q", &self.q)] {
            let text = text.as_deref().unwrap_or_default();
            if text.contains('\0') || text.chars().count() > TEXT_MAX {
                return Err(invalid(name, "is up to 200 characters of plain text"));
            }
        }
        let level = self.level.map(|level| level.to_uppercase());
        if level.as_deref().is_some_and(|level| !LEVELS.contains(&level)) {
            return Err(invalid("level", "is WARNING or ERROR"));
        }
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(SystemLogFilter {
            level,
            module: some(self.module),
            node: some(self.node),
            from: self.from,
            to: self.to,
            text: some(self.q),
        })
    }
}

/// A page of the program's warnings and errors, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SystemLogPage {
    items: Vec<SystemLog>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Lists the warnings and errors of the program, of all nodes, newest first. They are there within a
/// second or so, and for as many days as the setting `system_logs.retention_days` says.
#[utoipa::path(get, path = "/system/logs", tag = "system", params(SystemLogQuery),
    responses(
        (status = 200, body = SystemLogPage),
        (status = 400, body = ProblemDocument, description = "A condition or the cursor is wrong."),
    ))]
pub(crate) async fn list_system_logs(
    State(ops): State<Ops>,
    allowed: Allow<SystemRead>,
    ApiQuery(query): ApiQuery<SystemLogQuery>,
) -> Result<Json<SystemLogPage>, ApiError> {
    let page = PageQuery { limit: query.limit, cursor: query.cursor.clone() }.request()?;
    let found = ops.system_logs(allowed.caller.user_id, &query.filter()?, page).await?;
    Ok(Json(SystemLogPage { items: found.items, next_cursor: found.next_cursor }))
}
