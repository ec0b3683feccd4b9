//! The whole log as a file, written page by page, so that it needs no more memory than a page.

use axum::body::Body;
use futures::stream::{self, Stream};
use lyceum_core::{Cursor, PageRequest};
use lyceum_http::Caller;
use lyceum_store::StoreError;
use lyceum_store::audit::{AuditEntry, record};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{AuditFilter, AuditLog, store};
use crate::{Ops, OpsError};

/// Entries in one part of the file.
const PART: i64 = 1000;

const COLUMNS: [&str; 11] = [
    "created_at",
    "id",
    "user_id",
    "username",
    "action",
    "resource_type",
    "resource_id",
    "ip_address",
    "user_agent",
    "old_values",
    "new_values",
];

/// The form of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExportFormat {
    /// Comma-separated values with a head line.
    #[default]
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl ExportFormat {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/x-ndjson",
        }
    }

    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

/// What is still to be written.
struct Rest {
    ops: Ops,
    user: Uuid,
    filter: AuditFilter,
    format: ExportFormat,
    head: bool,
    after: Option<Cursor>,
}

impl Ops {
    /// Notes the export in the log, then answers the entries that the caller may see, newest first.
    /// What is written from now on is not among them.
    pub(crate) async fn export_audit_logs(
        &self,
        caller: &Caller,
        mut filter: AuditFilter,
        format: ExportFormat,
    ) -> Result<Body, OpsError> {
        let now = self.inner.clock.now();
        let details = json!({
            "format": format.extension(),
            "filter": serde_json::to_value(&filter).unwrap_or_default(),
        });
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let entry = AuditEntry {
            user_id: Some(caller.user_id),
            action: "export",
            resource_type: "audit_log",
            resource_id: None,
            details,
            ip: caller.client.ip,
            user_agent: caller.client.user_agent.as_deref(),
            at: now,
        };
        record(&mut tx, entry).await?;
        tx.commit().await.map_err(StoreError)?;
        filter.to = Some(filter.to.map_or(now, |to| to.min(now)));
        let (ops, user, head) = (self.clone(), caller.user_id, format == ExportFormat::Csv);
        let rest = Rest { ops, user, filter, format, head, after: None };
        Ok(Body::from_stream(parts(rest)))
    }
}

fn parts(rest: Rest) -> impl Stream<Item = Result<Vec<u8>, OpsError>> {
    stream::try_unfold(Some(rest), async |rest| {
        let Some(rest) = rest else { return Ok(None) };
        rest.part().await.map(Some).inspect_err(|error| {
            tracing::error!(error = lyceum_core::chain(error), "an export of the log broke off");
        })
    })
}

impl Rest {
    /// The next part, and what is left behind it.
    async fn part(mut self) -> Result<(Vec<u8>, Option<Self>), OpsError> {
        let page = PageRequest { limit: PART, after: self.after };
        // A transaction of its own: a slow reader must not hold one open.
        let mut tx = self.ops.inner.db.begin_as(self.user).await?;
        let mut rows = store::list(&mut tx, &self.filter, page).await?;
        tx.commit().await?;
        let surplus = usize::try_from(PART).is_ok_and(|limit| rows.len() > limit);
        if surplus {
            rows.pop();
        }
        let part = match self.format {
            ExportFormat::Csv => csv_part(&rows, self.head)?,
            ExportFormat::Jsonl => jsonl_part(&rows)?,
        };
        self.head = false;
        self.after = rows.last().map(AuditLog::cursor);
        Ok((part, surplus.then_some(self)))
    }
}

fn jsonl_part(rows: &[AuditLog]) -> Result<Vec<u8>, OpsError> {
    let mut part = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut part, row).map_err(OpsError::unwritable)?;
        part.push(b'\n');
    }
    Ok(part)
}

fn csv_part(rows: &[AuditLog], head: bool) -> Result<Vec<u8>, OpsError> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    if head {
        writer.write_record(COLUMNS).map_err(OpsError::unwritable)?;
    }
    for row in rows {
        writer.write_record(cells(row)).map_err(OpsError::unwritable)?;
    }
    writer.into_inner().map_err(|error| OpsError::unwritable(error.into_error()))
}

fn cells(row: &AuditLog) -> [String; COLUMNS.len()] {
    let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let text = |text: &Option<String>| defused(text.as_deref().unwrap_or_default());
    let json = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
    [
        row.created_at.to_rfc3339(),
        row.id.to_string(),
        id(row.user_id),
        text(&row.username),
        defused(&row.action),
        defused(&row.resource_type),
        id(row.resource_id),
        text(&row.ip_address),
        text(&row.user_agent),
        defused(&json(&row.old_values)),
        defused(&json(&row.new_values)),
    ]
}

/// A spreadsheet takes a cell that begins like this for a formula; with an apostrophe in front it
/// is text.
fn defused(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => ["'", text].concat(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::defused;

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(defused(formula), format!("'{formula}"));
        }
        for harmless in ["", "user=1", "{\"a\": \"=1\"}", "::1"] {
            assert_eq!(defused(harmless), harmless);
        }
    }
}
