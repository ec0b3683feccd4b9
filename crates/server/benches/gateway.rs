//! What a call through `/v1` costs over the same call straight to the upstream: key check, model
//! resolution, ledger row kept before the answer ends, audit; once for a caller whom nothing limits,
//! and once with everything on, a quota and rate limits of three levels too. Beside it what a bare
//! reverse proxy costs, which does nothing but pass on.
//!
//! `cargo xtask bench gateway`; `-- 1 16` for these numbers of callers, `-- --repeats N` for other than
//! five, of which `--full` makes nine. The upstream is a mock on the same machine that
//! answers at once, so the difference is the gateway's own. The three take turns.
//!
//! Two loads: closed, in which each caller asks again as soon as it is answered, which saturates;
//! and paced, in which calls arrive at a fixed rate, a share of what the closed one reached. There a
//! call's time counts from when it was due, so that a stall is not hidden by the calls that it keeps
//! from starting. `-- --rate N` runs the paced load alone, at N calls a second, so that two builds can be
//! compared at the same rate.

#![expect(clippy::print_stdout, reason = "the report of a benchmark")]

#[path = "support/bare.rs"]
mod bare;
#[path = "support/group.rs"]
mod group;
#[path = "support/load.rs"]
mod load;
#[path = "support/options.rs"]
mod options;
#[path = "support/paced.rs"]
mod paced;
#[path = "support/provision.rs"]
mod provision;
mod support;

use std::time::Duration;

use anyhow::Context as _;
use http::Method;
use load::{Caller, Samples, Target, closed, connect};
use lyceum_testkit::measure::{cpu_time, machine_time};
use lyceum_testkit::{MockUpstream, ServerProcess, Session};
use options::Options;
use paced::paced;
use provision::{SETTINGS, provision};
use serde_json::{Value, json};
use support::{print_machine, spread};

/// How long each side is asked before the next one's turn.
const CLOSED_FOR: Duration = Duration::from_secs(1);
const PACED_FOR: Duration = Duration::from_secs(3);
/// The paced loads' shares of what the closed one reached.
const PACES: [f64; 3] = [0.1, 0.25, 0.5];

/// What the command line asks for.
struct Plan {
    /// How many at once.
    callers: Vec<usize>,
    /// Calls a second, where nothing but one paced load is wanted.
    rate: Option<u32>,
    repeats: usize,
}

impl Plan {
    fn read() -> anyhow::Result<Self> {
        let mut options = Options::of_program();
        let usual = if options.has("--full") { 9 } else { 5 };
        let repeats: usize = options.number("--repeats")?.unwrap_or(usual);
        let rate: Option<u32> = options.number("--rate")?;
        let mut callers = options.rest(usize::MAX)?;
        if callers.is_empty() {
            callers = vec![1, 16, 64];
        }
        anyhow::ensure!(repeats > 0 && rate != Some(0), "--repeats and --rate want more than 0");
        anyhow::ensure!(!callers.contains(&0), "there has to be a caller: 0 are none");
        Ok(Self { callers, rate, repeats })
    }
}

/// Who is asked, and the process of the program.
struct Sides {
    direct: Target,
    bare: Target,
    through: Target,
    pid: u32,
}

/// How the calls arrive.
#[derive(Clone, Copy)]
enum Arrival {
    /// As soon as the one before is answered.
    Closed,
    /// So many a second.
    Paced(f64),
}

fn main() -> anyhow::Result<()> {
    match std::env::var(bare::ROLE) {
        Ok(upstream) => bare::serve(&upstream),
        Err(_) => measure(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn measure() -> anyhow::Result<()> {
    let plan = Plan::read()?;
    print_machine("gateway: added latency of a pass-through /v1 call");
    let upstream = MockUpstream::start_apart();
    let data = tempfile::tempdir()?;
    let server = ServerProcess::start(support::program(), data.path(), &SETTINGS).await?;
    // A quota of costs lets through only what has a price: so it has one.
    let (_, key) = provision(&server, &upstream, &["ok"]).await?;
    let (_group, bare) = bare::start(&upstream.origin).await?;
    let sides = Sides {
        direct: Target::new(&upstream.base_url, "upstream")?,
        bare: Target::new(&format!("{bare}/v1"), "upstream")?,
        through: Target::new(&format!("{}/v1", server.base_url), &key)?,
        pid: server.pid().context("the program has ended")?,
    };
    for limited in [false, true] {
        if limited {
            // The first session may have run out meanwhile.
            limit(&server.sign_in("admin").await?).await?;
        }
        println!("{}", if limited { "a quota and rate limits" } else { "nothing limits" });
        for &callers in &plan.callers {
            println!("callers {callers:>3}                   median     least  greatest");
            loads(&plan, &sides, callers).await?;
        }
    }
    server.stop().await?;
    Ok(())
}

/// Limits the caller as person, as key and as one of all, far above what the bench asks for.
async fn limit(admin: &Session) -> anyhow::Result<()> {
    let quota = json!({ "max_api_calls": 1_000_000_000, "max_tokens": 1_000_000_000_000_u64,
                        "max_cost": "1000000" });
    let rates = json!({ "requests_per_minute": 100_000_000, "tokens_per_minute": 1_000_000_000 });
    let me = admin.get("/api/v1/me").await?;
    let keys = admin.get("/api/v1/api-keys").await?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (person, key) = (text(&me["id"]), text(&keys["items"][0]["id"]));
    admin.send(Method::PUT, &format!("/api/v1/quotas/users/{person}"), quota).await?;
    admin.send(Method::PUT, "/api/v1/rate-limits/organization", rates.clone()).await?;
    admin.send(Method::PUT, &format!("/api/v1/rate-limits/users/{person}"), rates.clone()).await?;
    admin.send(Method::PUT, &format!("/api/v1/rate-limits/api-keys/{key}"), rates).await?;
    Ok(())
}

/// The closed load and its shares, or the one rate that is wanted.
async fn loads(plan: &Plan, sides: &Sides, callers: usize) -> anyhow::Result<()> {
    let rates = match plan.rate {
        Some(rate) => vec![f64::from(rate)],
        None => {
            let reached = compare(sides, callers, Arrival::Closed, plan.repeats).await?;
            PACES.map(|pace| reached * pace).to_vec()
        }
    };
    for rate in rates {
        println!("  paced at {rate:.0} calls/s");
        compare(sides, callers, Arrival::Paced(rate), plan.repeats).await?;
    }
    Ok(())
}

/// The three in turn; how many calls a second the program answered.
async fn compare(
    sides: &Sides,
    callers: usize,
    arrival: Arrival,
    repeats: usize,
) -> anyhow::Result<f64> {
    let direct = connect(&sides.direct, callers).await?;
    let bare = connect(&sides.bare, callers).await?;
    let through = connect(&sides.through, callers).await?;
    for side in [&direct, &bare, &through] {
        run(side, arrival).await?;
    }
    let (mut added, mut added_by_bare) = ([vec![], vec![]], [vec![], vec![]]);
    let (mut cpu, mut busy, mut reached) = (vec![], vec![], vec![]);
    for _ in 0..repeats {
        let direct = run(&direct, arrival).await?;
        let bare = run(&bare, arrival).await?;
        let (cpu_before, (busy_before, all_before)) = (cpu_time(sides.pid), machine_time());
        let through = run(&through, arrival).await?;
        let (busy_after, all_after) = machine_time();
        let spent = cpu_time(sides.pid).saturating_sub(cpu_before);
        cpu.push(spent.as_secs_f64() * 1e3 / through.calls() as f64);
        let share = (busy_after - busy_before).div_duration_f64(all_after - all_before);
        busy.push(share * 100.0);
        reached.push(through.per_second());
        for (place, share) in [0.50, 0.99].into_iter().enumerate() {
            let over = |side: &Samples| side.milliseconds(share) - direct.milliseconds(share);
            added[place].push(over(&through));
            added_by_bare[place].push(over(&bare));
        }
    }
    let [p50, p99] = added;
    let [bare_p50, bare_p99] = added_by_bare;
    let (median, least, greatest) = spread(reached);
    println!("  {:<28} {median:>8.0}  {least:>8.0}  {greatest:>8.0}", "calls/s");
    for (name, values) in [
        ("added p50, ms", p50),
        ("  by the bare proxy", bare_p50),
        ("added p99, ms", p99),
        ("  by the bare proxy", bare_p99),
        ("CPU of the server, ms a call", cpu),
        ("the machine's cores busy, %", busy),
    ] {
        let (median, least, greatest) = spread(values);
        println!("  {name:<28} {median:>8.3}  {least:>8.3}  {greatest:>8.3}");
    }
    Ok(median)
}

async fn run(callers: &[Caller], arrival: Arrival) -> anyhow::Result<Samples> {
    match arrival {
        Arrival::Closed => closed(callers, CLOSED_FOR).await,
        Arrival::Paced(rate) => paced(callers, rate, PACED_FOR).await,
    }
}
