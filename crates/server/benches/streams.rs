//! 512 streams at once: whether every word comes in order and whole, how much later the first one
//! comes than straight from the upstream, the largest gap between two, what a stream costs in
//! memory, and what becomes of streams whose readers go away.
//!
//! `cargo xtask bench streams`; `-- --full` for more repeats, `-- --streams N --gap MS --words N`
//! for other sizes. The upstream sends a word every 50 ms. Direct and through take turns; the
//! streams open one after the other over half the time that one takes.

#![expect(clippy::print_stdout, reason = "the report of a benchmark")]

#[path = "support/events.rs"]
mod events;
#[path = "support/ledger.rs"]
mod ledger;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/options.rs"]
mod options;
#[path = "support/provision.rs"]
mod provision;
#[path = "support/streams.rs"]
mod streams;
#[path = "support/target.rs"]
mod target;

use std::time::Duration;

use anyhow::Context as _;
use lyceum_testkit::measure::{percentile, resident};
use lyceum_testkit::{MockUpstream, ServerProcess, Session};
use options::Options;
use provision::{SETTINGS, provision};
use serde_json::Value;
use streams::{Load, Seen, cancelled, run};
use target::Target;

/// Streams that a fresh program serves before its memory is taken as idle.
const WARM_UP: usize = 32;
/// Words of a question while memory is measured.
const SHORT: usize = 40;

struct Sizes {
    streams: usize,
    gap: u64,
    words: usize,
    repeats: usize,
}

impl Sizes {
    /// All streams, opened over half of the time that one takes.
    fn load(&self, target: &Target, words: usize) -> Load {
        let lasts = Duration::from_millis(self.gap * words as u64);
        Load {
            target: target.clone(),
            model: format!("paced-{}", self.gap),
            streams: self.streams,
            words,
            apart: lasts / 2 / u32::try_from(self.streams).unwrap_or(u32::MAX),
            leave_after: None,
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut options = Options::of_program();
    let sizes = Sizes {
        streams: options.number("--streams")?.unwrap_or(512),
        gap: options.number("--gap")?.unwrap_or(50),
        words: options.number("--words")?.unwrap_or(100),
        repeats: if options.has("--full") { 9 } else { 5 },
    };
    options.rest(0)?;
    machine::print_machine("streams: many at once through /v1/chat/completions");
    let upstream = MockUpstream::start_apart();
    let data = tempfile::tempdir()?;
    let start = || ServerProcess::start(machine::program(), data.path(), &SETTINGS);
    let server = start().await?;
    let (_, key) =
        provision(&server, &upstream, &[&sizes.load(&direct(&upstream)?, 1).model]).await?;
    server.stop().await?;
    for _ in 0..sizes.repeats {
        let server = start().await?;
        let kib = memory(&server, &Target::new(&base(&server), &key)?, &sizes).await?;
        println!("memory a stream\t{kib:.1}\t-\tKiB\t<=60");
        server.stop().await?;
    }
    let server = start().await?;
    let through = Target::new(&base(&server), &key)?;
    take_turns(&direct(&upstream)?, &through, &sizes, &upstream).await?;
    leave(&through, &sizes, &upstream).await?;
    check_ledger(&server.sign_in("admin").await?, &sizes).await?;
    server.stop().await?;
    Ok(())
}

fn base(server: &ServerProcess) -> String {
    format!("{}/v1", server.base_url)
}

fn direct(upstream: &MockUpstream) -> anyhow::Result<Target> {
    Target::new(&upstream.base_url, "upstream")
}

/// KiB that each of the streams takes while all are open.
async fn memory(server: &ServerProcess, target: &Target, sizes: &Sizes) -> anyhow::Result<f64> {
    let pid = server.pid().context("the program has ended")?;
    let load = sizes.load(target, SHORT);
    run(&Load { streams: WARM_UP, words: 4, ..load.clone() }).await?;
    let idle = resident(pid);
    let running = tokio::spawn(async move { run(&load).await });
    let mut most = idle;
    while !running.is_finished() {
        most = most.max(resident(pid));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.await??;
    Ok((most - idle) as f64 / 1024.0 / sizes.streams as f64)
}

/// The same streams straight from the upstream and through the program, in turns.
async fn take_turns(
    direct: &Target,
    through: &Target,
    sizes: &Sizes,
    upstream: &MockUpstream,
) -> anyhow::Result<()> {
    let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
    for target in [direct, through] {
        run(&sizes.load(target, 4)).await?;
    }
    for _ in 0..sizes.repeats {
        let there = run(&sizes.load(direct, sizes.words)).await?;
        let busy = upstream.cpu_time();
        let here = run(&sizes.load(through, sizes.words)).await?;
        let busy = upstream.cpu_time() - busy;
        let first = |seen: &Seen, share| milliseconds(percentile(&seen.first, share));
        for (name, share, goal) in [("p50", 0.50, "-"), ("p99", 0.99, "<=1")] {
            let added = first(&here, share) - first(&there, share);
            println!("first token, added {name}\t{added:.3}\t-\tms\t{goal}");
        }
        let (ours, theirs) = (milliseconds(here.largest_gap), milliseconds(there.largest_gap));
        println!("largest gap between two words\t{ours:.1}\t{theirs:.1}\tms\t<=2");
        println!("CPU time of the mock upstream, whole run\t{:.2}\t-\ts\t-", busy.as_secs_f64());
    }
    Ok(())
}

/// Streams whose readers go away in the middle: the upstream has to notice.
async fn leave(through: &Target, sizes: &Sizes, upstream: &MockUpstream) -> anyhow::Result<()> {
    let before = upstream.abandoned();
    let load = Load { leave_after: Some(SHORT / 2), ..sizes.load(through, SHORT) };
    run(&load).await?;
    let left = before + sizes.streams as u64;
    upstream.wait_for(|upstream| upstream.abandoned() >= left).await;
    Ok(())
}

/// Each stream that was read to its end has its counts, each that was left is cancelled and counted
/// by what had come.
async fn check_ledger(admin: &Session, sizes: &Sizes) -> anyhow::Result<()> {
    let turns = sizes.streams * sizes.repeats;
    let memories = sizes.repeats * sizes.streams;
    let warm = sizes.repeats * WARM_UP + sizes.streams;
    let cancelled = cancelled(admin, sizes.streams).await?;
    let completed = ledger::calls(admin, "&status=completed").await?;
    let lengths = [4, SHORT, sizes.words].map(|words| words as u64 + 2);
    let words = |row: &Value| row["completion_tokens"].as_u64().unwrap_or(0);
    let whole = |row: &&Value| row["estimated"] == false && lengths.contains(&words(row));
    let partly = |row: &&Value| row["estimated"] == true && words(row) >= SHORT as u64 / 2;
    let (whole, left) =
        (completed.iter().filter(whole).count(), cancelled.iter().filter(partly).count());
    let wrong = completed.len() + cancelled.len() - whole - left
        + ledger::calls(admin, "&status=failed").await?.len();
    let expected = (turns + memories + warm, sizes.streams);
    println!("{whole} streams in the ledger as completed, {left} as cancelled, {wrong} wrong");
    anyhow::ensure!((whole, left) == expected && wrong == 0, "there should be {expected:?}");
    Ok(())
}
