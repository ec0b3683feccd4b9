//! `lyceum ledger`: comparing the ledger with what a provider bills.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use lyceum_gateway::reconcile::{self, Mapping, Options, Reconciliation, Tolerance, reconcile};
use rust_decimal::Decimal;

use crate::cli::{Settings, explain, print};
use crate::database::Database;

/// Where no comparison was made, so that 1 always means a difference.
const NOT_COMPARED: u8 = 2;

/// What to do with the ledger.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compare the ledger with a provider's usage export or invoice, by day and model. Ends with 0
    /// where they agree, with 1 where they differ, and with 2 where they cannot be compared.
    Reconcile(Reconcile),
}

#[derive(Debug, Args)]
pub struct Reconcile {
    /// A CSV file with a head line. The columns of OpenAI's and Anthropic's exports are known.
    file: PathBuf,
    /// A kind of provider, such as openai, or the name of a provider config; all but the built-in
    /// models by default.
    #[arg(long)]
    provider: Option<String>,
    /// The time zone in which the provider's days begin and end.
    #[arg(long, default_value = "UTC")]
    timezone: String,
    /// A column whose name says too little, as OURS=THEIRS or OURS=THEIRS+THEIRS. Ours are date,
    /// model, prompt_tokens, completion_tokens, cached_tokens and cost.
    #[arg(long = "map", value_name = "OURS=THEIRS")]
    columns: Vec<Mapping>,
    /// Take model-2026-01-31 and model for the same.
    #[arg(long)]
    undated: bool,
    /// Tokens of one kind, model and day by which the two may differ.
    #[arg(long, default_value = "0")]
    tolerance_tokens: Decimal,
    /// US dollars of one model and day by which the two may differ.
    #[arg(long, default_value = "0.01")]
    tolerance_cost: Decimal,
    /// Per cent by which the two may differ.
    #[arg(long, default_value = "0")]
    tolerance_percent: Decimal,
    /// How to list the differences.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
}

/// Runs the command.
pub async fn run(Command::Reconcile(asked): Command) -> anyhow::Result<ExitCode> {
    Ok(match compare(asked).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            explain(&error);
            ExitCode::from(NOT_COMPARED)
        }
    })
}

/// Lists the differences; whether there are none.
async fn compare(asked: Reconcile) -> anyhow::Result<bool> {
    let path = asked.file.display().to_string();
    let file = std::fs::read(&asked.file).with_context(|| format!("{path} cannot be read"))?;
    let options = Options {
        provider: asked.provider,
        timezone: asked.timezone,
        columns: asked.columns,
        tolerance: Tolerance {
            tokens: asked.tolerance_tokens,
            cost: asked.tolerance_cost,
            percent: asked.tolerance_percent,
        },
        undated: asked.undated,
    };
    let database = Database::open_beside(&asked.settings.load()?).await?;
    let found = reconcile(&database.db, &file, &options).await;
    database.close().await;
    let found = found.with_context(|| path)?;
    print(&text_of(&found, asked.format)?)?;
    Ok(found.differences.is_empty())
}

fn text_of(found: &Reconciliation, format: Format) -> anyhow::Result<String> {
    Ok(match format {
        Format::Table => reconcile::table(found),
        Format::Csv => reconcile::csv(found)?.trim_end().to_owned(),
        Format::Json => serde_json::to_string_pretty(found)?,
    })
}
