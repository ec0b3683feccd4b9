use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use lyceum_core::ErrorKind;
use lyceum_http::{Allow, ApiError, ApiQuery, ProblemDocument};
use rust_decimal::Decimal;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::compare::{Reconciliation, Tolerance};
use super::{Options, compare_with, file};
use crate::{Gateway, UsageReadAll};

/// Bytes of a file.
const MOST_BYTES: usize = 20 * 1024 * 1024;

pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(reconcile_usage)).layer(DefaultBodyLimit::max(MOST_BYTES))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ReconcileQuery {
    /// A kind of provider, such as `openai`, or the name of a provider config; all but the built-in
    /// models where absent.
    provider: Option<String>,
    /// The time zone in which the provider's days begin and end; UTC where absent.
    timezone: Option<String>,
    /// Columns whose names say too little, as `ours=theirs`, separated by semicolons. Ours are
    /// `date`, `model`, `prompt_tokens`, `completion_tokens`, `cached_tokens` and `cost`.
    map: Option<String>,
    /// Tokens of one kind, model and day by which the two may differ; 0 where absent.
    tolerance_tokens: Option<u64>,
    /// US dollars of one model and day by which the two may differ; 0.01 where absent.
    #[param(value_type = Option<String>)]
    tolerance_cost: Option<Decimal>,
    /// Per cent by which the two may differ; 0 where absent.
    #[param(value_type = Option<String>)]
    tolerance_percent: Option<Decimal>,
    /// Whether `model-2026-01-31` and `model` are the same.
    #[serde(default)]
    undated: bool,
}

impl ReconcileQuery {
    fn options(self) -> Result<Options, ApiError> {
        let usual = Tolerance::default();
        let columns = self.map.as_deref().unwrap_or_default().split(';');
        let columns = columns.filter(|text| !text.trim().is_empty()).map(str::parse);
        let columns: Result<Vec<_>, String> = columns.collect();
        Ok(Options {
            provider: self.provider,
            timezone: self.timezone.unwrap_or_else(|| "UTC".to_owned()),
            columns: columns
                .map_err(|why| ApiError::bad_request("invalid_query", ["map: ", &why].concat()))?,
            tolerance: Tolerance {
                tokens: self.tolerance_tokens.map_or(usual.tokens, Decimal::from),
                cost: self.tolerance_cost.unwrap_or(usual.cost),
                percent: self.tolerance_percent.unwrap_or(usual.percent),
            },
            undated: self.undated,
        })
    }
}

/// Compares the ledger with a provider's usage export or invoice, sent as CSV with a head line, by
/// day and model. The columns of OpenAI's and Anthropic's exports are known. Nothing is stored;
/// `lyceum ledger reconcile` does the same on the command line.
#[utoipa::path(post, path = "/usage/reconcile", tag = "usage", params(ReconcileQuery),
    request_body(content = String, content_type = "text/csv"),
    responses(
        (status = 200, body = Reconciliation),
        (status = 400, body = ProblemDocument, description = "A parameter is wrong."),
        (status = 413, body = ProblemDocument, description = "The file is too large."),
        (status = 422, body = ProblemDocument,
         description = "`unreadable_file`, with `line` and `column`; `unknown_provider`; \
                        `unknown_timezone`"),
    ))]
async fn reconcile_usage(
    State(gateway): State<Gateway>,
    allow: Allow<UsageReadAll>,
    ApiQuery(query): ApiQuery<ReconcileQuery>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Reconciliation>, ApiError> {
    let options = query.options()?;
    let body = body.map_err(|rejection| {
        let detail = rejection.body_text();
        match rejection.status() == http::StatusCode::PAYLOAD_TOO_LARGE {
            true => ApiError::new(ErrorKind::TooLarge, "body_too_large", detail),
            false => ApiError::bad_request("unreadable_body", detail),
        }
    })?;
    let columns = options.columns.clone();
    let lines = tokio::task::spawn_blocking(move || file::read(&body, &columns)).await;
    let lines = lines.map_err(ApiError::internal)?.map_err(super::ReconcileError::File)?;
    let mut tx = gateway.inner.db.begin_as(allow.caller.user_id).await?;
    Ok(Json(compare_with(&mut tx, lines, &options).await?))
}
