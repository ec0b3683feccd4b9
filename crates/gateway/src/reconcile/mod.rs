//! Comparing the ledger with what a provider says it was used for: its usage export or invoice as a
//! CSV file, by day and model.

mod columns;
mod compare;
mod file;
mod http;
mod report;
mod store;
mod values;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use lyceum_core::{ErrorKind, Problem};
use lyceum_store::{Db, StoreError};
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::PgConnection;

pub use columns::Mapping;
pub use compare::{Difference, DifferenceKind, Differing, Figures, Reconciliation, Tolerance};
pub(crate) use http::router;
pub use report::{csv, table};

use file::{Line, When};

/// How to compare.
#[derive(Clone, Debug)]
pub struct Options {
    /// A kind of provider, such as `openai`, or the name of a provider config; all but the built-in
    /// models where absent.
    pub provider: Option<String>,
    /// The time zone in which the provider's days begin and end.
    pub timezone: String,
    /// Which columns hold what, where their names do not say it.
    pub columns: Vec<Mapping>,
    /// Differences that do not matter.
    pub tolerance: Tolerance,
    /// Whether `model-2026-01-31` and `model` are the same.
    pub undated: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            provider: None,
            timezone: "UTC".to_owned(),
            columns: Vec::new(),
            tolerance: Tolerance::default(),
            undated: false,
        }
    }
}

/// Where a file cannot be understood, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("line {line}{}: {reason}", column.as_ref().map(|c| format!(", column {c}")).unwrap_or_default())]
pub struct FileError {
    /// From 1.
    pub line: u64,
    /// The column's name in the file.
    pub column: Option<String>,
    /// What is wrong there.
    pub reason: String,
}

impl FileError {
    fn at(line: u64, reason: impl Into<String>) -> Self {
        Self { line, column: None, reason: reason.into() }
    }
}

/// Why the comparison could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The file is not understood.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no such provider.
    #[error("no provider or provider config is named {0}")]
    UnknownProvider(String),
    /// There is no such time zone.
    #[error("no time zone is named {0}")]
    UnknownTimezone(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Problem for ReconcileError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::File(_) | Self::UnknownProvider(_) | Self::UnknownTimezone(_) => {
                ErrorKind::Invalid
            }
            Self::Store(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::File(_) => "unreadable_file",
            Self::UnknownProvider(_) => "unknown_provider",
            Self::UnknownTimezone(_) => "unknown_timezone",
            Self::Store(error) => error.code(),
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Store(error) => error.detail(),
            other => format!("The comparison cannot be made: {other}."),
        }
    }

    fn extensions(&self) -> Map<String, Value> {
        let Self::File(error) = self else { return Map::new() };
        let mut members = Map::from_iter([("line".to_owned(), error.line.into())]);
        if let Some(column) = &error.column {
            members.insert("column".to_owned(), column.clone().into());
        }
        members
    }
}

/// Compares the whole ledger with a file, for the command line.
pub async fn reconcile(
    db: &Db,
    file: &[u8],
    options: &Options,
) -> Result<Reconciliation, ReconcileError> {
    let lines = file::read(file, &options.columns)?;
    let mut tx = db.begin_snapshot().await?;
    compare_with(&mut tx, lines, options).await
}

/// Compares the ledger, as far as the acting user sees it, with what a file says.
async fn compare_with(
    connection: &mut PgConnection,
    lines: Vec<Line>,
    options: &Options,
) -> Result<Reconciliation, ReconcileError> {
    let zone = &options.timezone;
    let provider = match &options.provider {
        Some(name) => Some(store::provider(connection, name).await?),
        None => None,
    };
    let moments: Vec<DateTime<Utc>> = lines
        .iter()
        .filter_map(|line| match line.when {
            When::Moment(moment) => Some(moment),
            When::Day(_) => None,
        })
        .collect();
    let days = store::days(connection, zone, &moments).await?;
    let named = |model: &str| model_name(model, options.undated);
    let mut theirs: BTreeMap<(NaiveDate, String), Figures> = BTreeMap::new();
    for line in lines {
        let day = match line.when {
            When::Day(day) => Some(day),
            When::Moment(moment) => days.get(&moment).copied(),
        };
        if let Some(day) = day {
            *theirs.entry((day, named(&line.model))).or_default() += line.figures;
        }
    }
    let (Some(((first, _), _)), Some(((last, _), _))) =
        (theirs.first_key_value(), theirs.last_key_value())
    else {
        return Err(FileError::at(1, "the file holds no usage").into());
    };
    let span = (*first, *last);
    let mut ours: BTreeMap<(NaiveDate, String), Figures> = BTreeMap::new();
    for (day, model, figures) in store::ledger(connection, zone, span, provider.as_ref()).await? {
        *ours.entry((day, named(&model))).or_default() += figures;
    }
    Ok(compare::compare(&ours, &theirs, options))
}

/// The name under which both sides know a model.
fn model_name(model: &str, undated: bool) -> String {
    let name = model.trim().to_lowercase();
    let digits = |text: &str, count: usize| {
        text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_date = |text: &str| {
        digits(text, 8)
            || text.len() == 10
                && text.split('-').zip([4, 2, 2]).all(|(part, count)| digits(part, count))
                && text.matches('-').count() == 2
    };
    let ends = [11, 9].into_iter().filter_map(|length| name.len().checked_sub(length));
    for end in ends.filter(|end| *end > 0 && undated && name.is_char_boundary(*end)) {
        let (stem, tail) = name.split_at(end);
        if tail.strip_prefix(['-', '@']).is_some_and(is_date) {
            return stem.to_owned();
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_a_model_is_taken_off_where_wanted() {
        for (dated, plain) in [
            ("gpt-4o-2024-08-06", "gpt-4o"),
            ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
            ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
            ("GPT-4o", "gpt-4o"),
            ("model-1234567", "model-1234567"),
            ("-20250929", "-20250929"),
            ("汉字", "汉字"),
        ] {
            assert_eq!(model_name(dated, true), plain);
            assert_eq!(model_name(dated, false), dated.to_lowercase());
        }
    }
}
