//! Requests a second through a bare reverse proxy, through Lyceum with everything on, and through
//! LiteLLM's proxy without its database, side by side in one run against the same mock upstream.
//!
//! `cargo xtask bench proxies`; `-- --full` measures longer, `-- --seconds N --repeats N` as wanted,
//! `-- --without-litellm` leaves LiteLLM out. Closed loop at 1, 16 and 64 callers; each repeat asks
//! all of them in turn. CPU times are of the process and all of its children.

#![expect(clippy::print_stdout, reason = "the report of a benchmark")]

#[path = "support/bare.rs"]
mod bare;
#[path = "support/group.rs"]
mod group;
#[path = "support/litellm.rs"]
mod litellm;
#[path = "support/load.rs"]
mod load;
#[path = "support/options.rs"]
mod options;
#[path = "support/provision.rs"]
mod provision;
mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use group::Group;
use load::{Caller, Samples, Target, closed, connect};
use lyceum_testkit::measure::{cpu_time, family};
use lyceum_testkit::{MockUpstream, ServerProcess};
use options::Options;
use provision::{SETTINGS, provision};
use support::spread;

const CALLERS: [usize; 3] = [1, 16, 64];
const LYCEUM: &str = "Lyceum";
const BARE: &str = "bare proxy";

/// Somebody who passes calls on.
struct Contestant {
    name: &'static str,
    target: Target,
    pid: u32,
    /// Ends it with this.
    _group: Option<Group>,
}

/// What one contestant took for its calls in one measurement.
struct Measured {
    name: &'static str,
    samples: Samples,
    /// Milliseconds of CPU a call, with all children.
    cpu: f64,
    /// The same of the first process alone.
    alone: f64,
}

fn main() -> anyhow::Result<()> {
    match std::env::var(bare::ROLE) {
        Ok(upstream) => bare::serve(&upstream),
        Err(_) => compare(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn compare() -> anyhow::Result<()> {
    let mut options = Options::of_program();
    let (seconds, repeats) = if options.has("--full") { (10.0, 7) } else { (3.0, 5) };
    let seconds = options.number("--seconds")?.unwrap_or(seconds);
    let repeats = options.number("--repeats")?.unwrap_or(repeats);
    let with_litellm = !options.has("--without-litellm");
    options.rest(0)?;
    anyhow::ensure!(seconds > 0.0 && repeats > 0, "--seconds and --repeats want more than 0");
    let lasts = Duration::try_from_secs_f64(seconds).context("--seconds")?;
    support::print_machine("proxies: a bare reverse proxy, Lyceum and LiteLLM side by side");
    let upstream = MockUpstream::start_apart();
    let folder = tempfile::tempdir()?;
    let server = ServerProcess::start(support::program(), folder.path(), &SETTINGS).await?;
    let (_, key) = provision(&server, &upstream, &["ok"]).await?;
    let mut contestants = vec![Contestant {
        name: LYCEUM,
        target: Target::new(&format!("{}/v1", server.base_url), &key)?,
        pid: server.pid().context("the program has ended")?,
        _group: None,
    }];
    let scratch = tempfile::tempdir()?;
    contestants.extend(others(&upstream, with_litellm, scratch.path()).await?);
    let mut measured = Vec::new();
    for callers in CALLERS {
        let mut asking = Vec::new();
        for contestant in &contestants {
            let callers = connect(&contestant.target, callers).await.context(contestant.name)?;
            closed(&callers, lasts / 3).await.context(contestant.name)?;
            asking.push(callers);
        }
        let busy = upstream.cpu_time();
        measured.clear();
        for _ in 0..repeats {
            for (contestant, callers) in contestants.iter().zip(&asking) {
                measured.push(take(contestant, callers, lasts).await?);
            }
        }
        let calls: usize = measured.iter().map(|one| one.samples.calls()).sum();
        let busy = (upstream.cpu_time() - busy).as_secs_f64() * 1e3 / calls as f64;
        print(callers, &contestants, &measured);
        println!("  the mock upstream: {busy:.3} ms of CPU a call, on a thread of its own\n");
    }
    drop(contestants);
    server.stop().await?;
    Ok(())
}

/// The bare proxy, and LiteLLM where it is installed and wanted.
async fn others(
    upstream: &MockUpstream,
    with_litellm: bool,
    scratch: &Path,
) -> anyhow::Result<Vec<Contestant>> {
    let (group, address) = bare::start(&upstream.origin).await?;
    let target = Target::new(&format!("{address}/v1"), "any")?;
    let pid = group.pid;
    let mut others = vec![Contestant { name: BARE, target, pid, _group: Some(group) }];
    if !with_litellm {
        return Ok(others);
    }
    let program = std::env::var("LYCEUM_BENCH_LITELLM").map(PathBuf::from);
    let program =
        program.context("LYCEUM_BENCH_LITELLM is not set; run cargo xtask bench proxies")?;
    for (name, granian) in [("LiteLLM", false), ("LiteLLM, granian", true)] {
        let started = litellm::start(&program, &upstream.base_url, granian, scratch).await;
        let (group, address) = started.context(name)?;
        let target = Target::new(&format!("{address}/v1"), litellm::KEY)?;
        let pid = group.pid;
        others.push(Contestant { name, target, pid, _group: Some(group) });
    }
    Ok(others)
}

async fn take(one: &Contestant, callers: &[Caller], lasts: Duration) -> anyhow::Result<Measured> {
    let all = || family(one.pid).into_iter().map(cpu_time).sum::<Duration>();
    let before = (all(), cpu_time(one.pid));
    let samples = closed(callers, lasts).await.context(one.name)?;
    let of = |spent: Duration| spent.as_secs_f64() * 1e3 / samples.calls() as f64;
    let cpu = of(all().saturating_sub(before.0));
    let alone = of(cpu_time(one.pid).saturating_sub(before.1));
    Ok(Measured { name: one.name, samples, cpu, alone })
}

/// The table of people and the lines of `cargo xtask bench`.
fn print(callers: usize, contestants: &[Contestant], measured: &[Measured]) {
    println!(
        "{callers} callers          requests/s (range)       p50 ms   p99 ms   CPU ms (alone)"
    );
    for Contestant { name, .. } in contestants {
        let of = |pick: fn(&Measured) -> f64| {
            spread(measured.iter().filter(|one| one.name == *name).map(pick).collect())
        };
        let (rate, least, most) = of(|one| one.samples.per_second());
        println!(
            "  {name:<18} {rate:>8.0} ({least:.0}–{most:.0})   {:>8.2} {:>8.2}   {:.3} ({:.3})",
            of(|one| one.samples.milliseconds(0.50)).0,
            of(|one| one.samples.milliseconds(0.99)).0,
            of(|one| one.cpu).0,
            of(|one| one.alone).0,
        );
    }
    for round in measured.chunks(contestants.len()) {
        let Some((lyceum, others)) = round.split_first() else { continue };
        for other in others {
            let goal = if other.name == BARE { ">=0.5" } else { ">=100" };
            let (ours, theirs) = (lyceum.samples.per_second(), other.samples.per_second());
            println!(
                "requests/s at {callers} callers, to {}\t{ours:.0}\t{theirs:.0}\t\t{goal}",
                other.name
            );
        }
        for (what, cpu) in [("the server", lyceum.alone), ("with its PostgreSQL", lyceum.cpu)] {
            let goal = if what == "the server" { "<=0.25" } else { "-" };
            println!("CPU a call at {callers} callers, {what}\t{cpu:.3}\t-\tms\t{goal}");
        }
    }
}
