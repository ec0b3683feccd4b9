//! Calls that meet the faults of a provider, through a program that is killed again and again, and
//! afterwards the ledger against what the callers got: nothing missing, nothing wrong, nothing
//! twice.
//!
//! `cargo xtask bench faults`: 20,000 calls and 3 kills. `-- --full`: 100,000 calls and 5 kills;
//! `-- --calls N --kills N --callers N` as wanted.

#![expect(clippy::print_stdout, reason = "the report of a benchmark")]

#[path = "support/events.rs"]
mod events;
#[path = "support/faults/mod.rs"]
mod faults;
#[path = "support/ledger.rs"]
mod ledger;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/options.rs"]
mod options;
#[path = "support/provision.rs"]
mod provision;
#[path = "support/target.rs"]
mod target;

use std::time::{Duration, Instant};

use faults::{Plan, Report};
use options::Options;

/// The most complaints that are printed.
const SHOWN: usize = 20;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut options = Options::of_program();
    let (calls, kills) = if options.has("--full") { (100_000, 5) } else { (20_000, 3) };
    let plan = Plan {
        calls: options.number("--calls")?.unwrap_or(calls),
        kills: options.number("--kills")?.unwrap_or(kills),
        callers: options.number("--callers")?.unwrap_or(64),
    };
    options.rest(0)?;
    machine::print_machine("faults: the ledger after faults and kills, call by call");
    let started = Instant::now();
    let report = faults::run(machine::program(), plan).await?;
    print(&report, started.elapsed());
    anyhow::ensure!(report.complaints.is_empty(), "the ledger is not what it should be");
    Ok(())
}

fn print(report: &Report, took: Duration) {
    let seconds = took.as_secs_f64();
    println!(
        "{} calls answered in {seconds:.1} s, {} of them with an error; {} lost by kills",
        report.answered, report.failed, report.lost
    );
    println!("{} rows; {} calls at the upstream", report.rows, report.upstream_calls);
    for complaint in report.complaints.iter().take(SHOWN) {
        println!("  {complaint}");
    }
    for (name, count) in [
        ("answered calls without a row", report.missing),
        ("wrong rows or answers", report.wrong),
        ("rows beyond the first of a call", report.doubled),
    ] {
        println!("{name}\t{count}\t-\t\t<=0");
    }
}
