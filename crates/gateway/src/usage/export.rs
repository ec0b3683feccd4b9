//! The ledger as a file, written page by page, so that it needs no more memory than a page.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures::stream::{self, Stream};
use http::header;
use lyceum_core::{Cursor, PageRequest};
use lyceum_http::{Allow, ApiError, ApiQuery, Caller, ProblemDocument};
use lyceum_store::StoreError;
use lyceum_store::audit::{AuditEntry, record};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::http::{StatusQuery, UsageCall};
use super::query::{SpanQuery, WhichQuery};
use super::store::{self, CallRow};
use crate::rollups::Filter;
use crate::{Gateway, GatewayError, UsageRead};

/// Calls in one part of the file.
const PART: i64 = 1000;

const COLUMNS: [&str; 24] = [
    "created_at",
    "id",
    "user_id",
    "user",
    "api_key_id",
    "purpose",
    "provider",
    "provider_config_id",
    "model",
    "requested_model",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost",
    "estimated",
    "status",
    "error_code",
    "latency_ms",
    "first_token_ms",
    "conversation_id",
    "request_id",
    "cache_hit",
    "end_user",
];

/// The form of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = UsageExportFormat)]
pub(super) enum ExportFormat {
    /// Comma-separated values with a head line.
    #[default]
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl ExportFormat {
    fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/x-ndjson",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FormatQuery {
    /// `csv` or `jsonl`.
    #[serde(default)]
    #[param(inline)]
    format: ExportFormat,
}

/// Exports calls as CSV or JSON lines, newest first: the caller's own, or everybody's for those with
/// the right usage:read_all. The export itself is noted in the audit log. In CSV a cell that a
/// spreadsheet would take for a formula begins with an apostrophe.
#[utoipa::path(get, path = "/usage/export", tag = "usage",
    params(FormatQuery, SpanQuery, WhichQuery, StatusQuery),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/csv"), (String = "application/x-ndjson"))),
        (status = 400, body = ProblemDocument, description = "A condition is wrong."),
    ))]
pub(super) async fn export_usage(
    State(gateway): State<Gateway>,
    allow: Allow<UsageRead>,
    ApiQuery(FormatQuery { format }): ApiQuery<FormatQuery>,
    ApiQuery(span): ApiQuery<SpanQuery>,
    ApiQuery(which): ApiQuery<WhichQuery>,
    ApiQuery(status): ApiQuery<StatusQuery>,
) -> Result<Response, ApiError> {
    let filter = gateway.usage_filter(&allow.caller, &span, which)?;
    let status = status.checked()?;
    gateway.note_export(&allow.caller, &filter, format).await?;
    let head = format == ExportFormat::Csv;
    let user = allow.caller.user_id;
    let rest = Rest { gateway, user, filter, status, format, head, after: None };
    let name = ["attachment; filename=\"usage.", format.extension(), "\""].concat();
    let headers =
        [(header::CONTENT_TYPE, format.content_type()), (header::CONTENT_DISPOSITION, &*name)];
    Ok((headers, Body::from_stream(parts(rest))).into_response())
}

impl Gateway {
    async fn note_export(
        &self,
        caller: &Caller,
        filter: &Filter,
        format: ExportFormat,
    ) -> Result<(), GatewayError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let entry = AuditEntry {
            user_id: Some(caller.user_id),
            action: "export",
            resource_type: "usage",
            resource_id: None,
            details: json!({
                "format": format.extension(), "of": filter.user_id,
                "from": filter.from, "to": filter.to,
            }),
            ip: caller.client.ip,
            user_agent: caller.client.user_agent.as_deref(),
            at: self.inner.clock.now(),
        };
        record(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// What is still to be written.
struct Rest {
    gateway: Gateway,
    user: Uuid,
    filter: Filter,
    status: Option<String>,
    format: ExportFormat,
    head: bool,
    after: Option<Cursor>,
}

fn parts(rest: Rest) -> impl Stream<Item = Result<Vec<u8>, BrokenOff>> {
    stream::try_unfold(Some(rest), async |rest| {
        let Some(rest) = rest else { return Ok(None) };
        rest.part().await.map(Some).inspect_err(|error| {
            tracing::error!(error = lyceum_core::chain(error), "an export of the ledger broke off");
        })
    })
}

/// Why a file ends early.
#[derive(Debug, thiserror::Error)]
enum BrokenOff {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Csv(#[from] csv::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Rest {
    /// The next part, and what is left behind it.
    async fn part(mut self) -> Result<(Vec<u8>, Option<Self>), BrokenOff> {
        let page = PageRequest { limit: PART, after: self.after };
        // A transaction of its own: a slow reader must not hold one open.
        let mut tx = self.gateway.inner.db.begin_as(self.user).await?;
        let mut rows = store::calls(&mut tx, &self.filter, self.status.as_deref(), &page).await?;
        tx.commit().await.map_err(StoreError)?;
        let surplus = usize::try_from(PART).is_ok_and(|limit| rows.len() > limit);
        if surplus {
            rows.pop();
        }
        self.after = rows.last().map(|row| Cursor { at: row.created_at, id: row.id });
        let part = match self.format {
            ExportFormat::Csv => csv_part(rows, self.head)?,
            ExportFormat::Jsonl => jsonl_part(rows)?,
        };
        self.head = false;
        Ok((part, surplus.then_some(self)))
    }
}

fn jsonl_part(rows: Vec<CallRow>) -> Result<Vec<u8>, BrokenOff> {
    let mut part = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut part, &UsageCall::from(row))?;
        part.push(b'\n');
    }
    Ok(part)
}

fn csv_part(rows: Vec<CallRow>, head: bool) -> Result<Vec<u8>, BrokenOff> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    if head {
        writer.write_record(COLUMNS)?;
    }
    for row in rows {
        writer.write_record(cells(row))?;
    }
    Ok(writer.into_inner().map_err(|error| error.into_error())?)
}

fn cells(row: CallRow) -> [String; COLUMNS.len()] {
    fn shown<T: ToString>(value: Option<T>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let model = row.served_model.as_ref().unwrap_or(&row.requested_model);
    [
        row.created_at.to_rfc3339(),
        row.id.to_string(),
        row.user_id.to_string(),
        defused(row.username.as_deref().unwrap_or_default()),
        shown(row.api_key_id),
        defused(&row.purpose),
        defused(&row.provider),
        shown(row.provider_config_id),
        defused(model),
        defused(&row.requested_model),
        row.prompt_tokens.to_string(),
        row.completion_tokens.to_string(),
        row.cached_tokens.to_string(),
        row.reasoning_tokens.to_string(),
        shown(row.cost.map(|cost| cost.normalize())),
        row.estimated.to_string(),
        row.status,
        defused(row.error_code.as_deref().unwrap_or_default()),
        row.latency_ms.to_string(),
        shown(row.first_token_ms),
        shown(row.conversation_id),
        row.request_id.to_string(),
        row.cache_hit.to_string(),
        defused(row.end_user.as_deref().unwrap_or_default()),
    ]
}

/// A spreadsheet takes a cell that begins like this for a formula; with an apostrophe in front it
/// is text.
pub(crate) fn defused(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => ["'", text].concat(),
        false => text.to_owned(),
    }
}
