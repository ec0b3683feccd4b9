//! `lyceum audit`: reading the audit log's chain of hashes again.

use std::process::ExitCode;

use anyhow::Context as _;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::Subcommand;
use lyceum_store::audit::{Anchor, Range, Verification, verify};

use crate::cli::{Settings, print, progress};
use crate::database::Database;

/// Links between two lines that tell how far it is.
const TELL_EVERY: u64 = 100_000;

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tell whether anything in the audit log was changed, deleted, inserted or put in another order.
    /// Ends with 1 where it was.
    Verify {
        /// Only what was linked from this day or moment on, such as 2026-11-01 or
        /// 2026-11-01T08:00:00Z.
        #[arg(long, value_parser = moment)]
        from: Option<DateTime<Utc>>,
        /// Only what was linked before this day or moment.
        #[arg(long, value_parser = moment)]
        to: Option<DateTime<Utc>>,
        /// The head that the program showed or logged at some time, as SEQ:HASH.
        #[arg(long)]
        anchor: Option<Anchor>,
        #[command(flatten)]
        settings: Settings,
    },
}

/// Runs the command.
pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Verify { from, to, anchor, settings } = command;
    let database = Database::open_beside(&settings.load()?).await?;
    let tell = |links: u64| {
        if links.is_multiple_of(TELL_EVERY) {
            progress(&format!("{links} entries read"));
        }
    };
    let verified = verify(&database.db, Range { from, to, anchor }, tell).await;
    database.close().await;
    let found = verified.context("the audit log cannot be read")?;
    print(&words(&found, anchor))?;
    Ok(match found.broken {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn words(found: &Verification, anchor: Option<Anchor>) -> String {
    let mut lines = Vec::new();
    lines.extend(found.faults.iter().map(|fault| format!("BROKEN {}: {fault}", fault.kind.code())));
    let named = u64::try_from(found.faults.len()).unwrap_or(u64::MAX);
    if found.broken > named {
        lines.push(format!("BROKEN at {} further places", found.broken - named));
    }
    lines.push(match found.range {
        Some((first, last)) => format!("{} entries read, links {first} to {last}.", found.links),
        None => "There are no entries in this range.".to_owned(),
    });
    if let Some(checkpoint) = &found.state.checkpoint {
        lines.push(format!(
            "Retention forgot the links up to {} and the entries before {}; {} of those read.",
            checkpoint.anchor.seq,
            checkpoint.forgotten_before.to_rfc3339(),
            found.forgotten
        ));
    }
    if found.late > 0 {
        lines.push(format!("{} were linked more than an hour after their time.", found.late));
    }
    if found.state.pending > 0 {
        lines.push(format!("{} are not linked yet.", found.state.pending));
    }
    lines.push(match (found.broken, anchor) {
        (0, Some(_)) => "The audit log is intact, and the anchor holds.".to_owned(),
        (0, None) => "The audit log is intact.".to_owned(),
        (broken, _) => format!("The audit log was changed: {broken} faults."),
    });
    lines.push(format!("anchor {}", found.state.head));
    lines.join("\n")
}

fn moment(text: &str) -> anyhow::Result<DateTime<Utc>> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    text.parse().ok().context("is neither a day nor a moment")
}
