//! The memory of the program over very many calls, streamed and not.
//!
//! `cargo xtask bench soak`: 200,000 calls; `-- --full` for 1,000,000, `-- --calls N --callers N`
//! as wanted. The memory (RSS) is printed after each tenth; it is flat where the last is within a
//! tenth of the first.

#![expect(clippy::print_stdout, reason = "the report of a benchmark")]

#[path = "support/machine.rs"]
mod machine;
#[path = "support/options.rs"]
mod options;
#[path = "support/provision.rs"]
mod provision;
#[path = "support/target.rs"]
mod target;

use std::time::Instant;

use anyhow::Context as _;
use lyceum_testkit::measure::{cpu_time, resident};
use lyceum_testkit::{MockUpstream, ServerProcess};
use options::Options;
use provision::{SETTINGS, provision};
use target::Target;

/// Samples, evenly spread over the calls.
const SAMPLES: usize = 10;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut options = Options::of_program();
    let usual = if options.has("--full") { 1_000_000 } else { 200_000 };
    let calls: usize = options.number("--calls")?.unwrap_or(usual);
    let callers: usize = options.number("--callers")?.unwrap_or(16);
    options.rest(0)?;
    machine::print_machine("soak: memory over very many calls");
    let upstream = MockUpstream::start_apart();
    let data = tempfile::tempdir()?;
    let server = ServerProcess::start(machine::program(), data.path(), &SETTINGS).await?;
    let (_, key) = provision(&server, &upstream, &["ok"]).await?;
    let target = Target::new(&format!("{}/v1", server.base_url), &key)?;
    let pid = server.pid().context("the program has ended")?;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    println!("{:>9} calls: {:.1} MB", 0, megabytes(resident(pid)));
    let (mut first, mut last) = (0, 0);
    for sample in 1..=SAMPLES {
        let (started, busy) = (Instant::now(), cpu_time(pid));
        call(&target, calls / SAMPLES, callers).await?;
        let (took, busy) = (started.elapsed().as_secs_f64(), cpu_time(pid) - busy);
        last = resident(pid);
        first = if sample == 1 { last } else { first };
        let done = calls / SAMPLES;
        println!(
            "{:>9} calls: {:.1} MB, {:.0} calls/s, {:.3} ms of CPU a call",
            done * sample,
            megabytes(last),
            done as f64 / took,
            busy.as_secs_f64() * 1e3 / done as f64
        );
    }
    let (first, last) = (megabytes(first), megabytes(last));
    println!("memory at the end, to after a tenth of the calls\t{last:.1}\t{first:.1}\tMB\t<=1.1");
    // The first session is too old by now.
    let admin = server.sign_in("admin").await?;
    let summary = admin.get("/api/v1/usage/summary?group_by=purpose").await?;
    let recorded = summary["total"]["calls"].as_u64().unwrap_or(0);
    println!("{recorded} calls in the ledger");
    server.stop().await?;
    anyhow::ensure!(recorded == (calls / SAMPLES / callers * callers * SAMPLES) as u64, "not all");
    Ok(())
}

/// Makes `calls` calls, every second one streamed.
async fn call(target: &Target, calls: usize, callers: usize) -> anyhow::Result<()> {
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let target = target.clone();
        workers.spawn(async move {
            for number in 0..calls / callers {
                let answer = target.ask("ok", "How are you today?", number % 2 == 0).send().await?;
                let status = answer.status();
                let text = answer.text().await?;
                anyhow::ensure!(status.is_success() && text.contains("today?"), "{status}: {text}");
            }
            anyhow::Ok(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    Ok(())
}
