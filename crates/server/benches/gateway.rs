//! What a call through `/v1` costs over the same call straight to the upstream: key check, model
//! resolution, ledger row committed before the answer ends, audit; once for a caller whom nothing
//! limits, and once with everything on, a quota and rate limits of three levels too.
//!
//! `cargo xtask bench gateway`; `-- 1 16` for these numbers of callers, `-- --repeats N` for other than
//! five, of which `--full` makes nine. The upstream is a mock on the same machine that
//! answers at once, so the difference is the gateway's own. Direct and through are interleaved.
//!
//! Two loads: closed, in which each caller asks again as soon as it is answered, which saturates;
//! and paced, in which calls arrive at a fixed rate, a share of what the closed one reached. There a
//! call's time counts from when it was due, so that a stall is not hidden by the calls that it keeps
//! from starting. `-- --rate N` runs the paced load alone, at N calls a second, so that two builds can be
//! compared at the same rate.

#![expect(clippy::print_stdout, reason = "the report of a benchmark")]

#[path = "support/options.rs"]
mod options;
mod support;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use http::Method;
use lyceum_testkit::measure::{cpu_time, machine_time, percentile};
use lyceum_testkit::{MockUpstream, ServerProcess, Session, http_client};
use options::Options;
use serde_json::json;
use support::{print_machine, spread};

const CALLS: usize = 4_000;
/// The paced loads' shares of what the closed one reached.
const PACES: [f64; 3] = [0.1, 0.25, 0.5];
/// How long a paced load lasts, in seconds.
const PACED_FOR: f64 = 3.0;

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

#[derive(Clone)]
struct Target {
    client: reqwest::Client,
    url: String,
    key: String,
    model: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let plan = Plan::read()?;
    print_machine("gateway: added latency of a pass-through /v1 call");
    let upstream = MockUpstream::start().await;
    let data = tempfile::tempdir()?;
    let settings = [("LYCEUM_OUTGOING__ALLOWED_PRIVATE_HOSTS", "[\"127.0.0.1\"]")];
    let server = ServerProcess::start(support::program(), data.path(), &settings).await?;
    let direct = Target {
        client: http_client()?,
        url: format!("{}/chat/completions", upstream.base_url),
        key: "upstream".to_owned(),
        model: "ok".to_owned(),
    };
    let admin: Session = server.set_up().await?;
    let through = provision(&server, &admin, &upstream).await?;
    let pid = server.pid().context("the program has ended")?;
    for limited in [false, true] {
        if limited {
            limit(&admin).await?;
        }
        println!("{}", if limited { "a quota and rate limits" } else { "nothing limits" });
        for &concurrency in &plan.callers {
            println!("concurrency {concurrency:>3}            median     least  greatest");
            loads(&plan, &direct, &through, concurrency, pid).await?;
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
    let (person, key) = (text(&me["id"]), text(&keys["items"][0]["id"]));
    admin.send(Method::PUT, &format!("/api/v1/quotas/users/{person}"), quota).await?;
    admin.send(Method::PUT, "/api/v1/rate-limits/organization", rates.clone()).await?;
    admin.send(Method::PUT, &format!("/api/v1/rate-limits/users/{person}"), rates.clone()).await?;
    admin.send(Method::PUT, &format!("/api/v1/rate-limits/api-keys/{key}"), rates).await?;
    Ok(())
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

async fn provision(
    server: &ServerProcess,
    admin: &Session,
    upstream: &MockUpstream,
) -> anyhow::Result<Target> {
    let provider = admin
        .post(
            "/api/v1/providers",
            json!({ "provider": "custom", "name": "mock", "scope": "personal",
                    "base_url": upstream.base_url, "api_key": "upstream" }),
        )
        .await?;
    // A quota of costs lets through only what has a price.
    let model = json!({ "provider_config_id": provider["id"], "name": "mock-ok", "model": "ok",
                        "kind": "chat", "input_price": "1", "output_price": "2" });
    admin.post("/api/v1/models", model).await?;
    let key = admin.post("/api/v1/api-keys", json!({ "name": "bench" })).await?;
    Ok(Target {
        client: http_client()?,
        url: format!("{}/v1/chat/completions", server.base_url),
        key: text(&key["key"]),
        model: "mock-ok".to_owned(),
    })
}

/// The closed load and its shares, or the one rate that is wanted.
async fn loads(
    plan: &Plan,
    direct: &Target,
    through: &Target,
    concurrency: usize,
    pid: u32,
) -> anyhow::Result<()> {
    let rates = match plan.rate {
        Some(rate) => {
            let rate = f64::from(rate);
            // Connections are opened before what counts, as the closed load does.
            run_paced(direct, concurrency, rate).await?;
            run_paced(through, concurrency, rate).await?;
            vec![rate]
        }
        None => {
            let reached = measure(direct, through, concurrency, plan.repeats, pid).await?;
            PACES.map(|pace| reached * pace).to_vec()
        }
    };
    for rate in rates {
        measure_paced(direct, through, concurrency, rate, plan.repeats, pid).await?;
    }
    Ok(())
}

/// The closed load; how many calls a second it reached.
async fn measure(
    direct: &Target,
    through: &Target,
    concurrency: usize,
    repeats: usize,
    pid: u32,
) -> anyhow::Result<f64> {
    run(direct, concurrency, CALLS / 4).await?;
    run(through, concurrency, CALLS / 4).await?;
    let (mut added_p50, mut added_p99, mut rate, mut cpu) = (vec![], vec![], vec![], vec![]);
    let mut reached = vec![];
    for _ in 0..repeats {
        let (there, there_took) = run(direct, concurrency, CALLS).await?;
        let cpu_before = cpu_time(pid);
        let (here, here_took) = run(through, concurrency, CALLS).await?;
        let spent = cpu_time(pid).saturating_sub(cpu_before);
        let added = |share| {
            let (a, b) = (percentile(&here, share), percentile(&there, share));
            (a.as_secs_f64() - b.as_secs_f64()) * 1e3
        };
        added_p50.push(added(0.50));
        added_p99.push(added(0.99));
        reached.push(CALLS as f64 / here_took.as_secs_f64());
        rate.push(there_took.as_secs_f64() / here_took.as_secs_f64());
        cpu.push(spent.as_secs_f64() * 1e3 / CALLS as f64);
    }
    for (name, values) in [
        ("added p50, ms", added_p50),
        ("added p99, ms", added_p99),
        ("requests/s, ratio to direct", rate),
        ("CPU of the server, ms a call", cpu),
    ] {
        let (median, least, greatest) = spread(values);
        println!("  {name:<28} {median:>8.3}  {least:>8.3}  {greatest:>8.3}");
    }
    Ok(spread(reached).0)
}

/// The same with calls that arrive evenly, `rate` a second, over at most `concurrency` connections.
async fn measure_paced(
    direct: &Target,
    through: &Target,
    concurrency: usize,
    rate: f64,
    repeats: usize,
    pid: u32,
) -> anyhow::Result<()> {
    let (mut added_p50, mut added_p99, mut cpu, mut busy) = (vec![], vec![], vec![], vec![]);
    for _ in 0..repeats {
        let there = run_paced(direct, concurrency, rate).await?;
        let (cpu_before, (busy_before, all_before)) = (cpu_time(pid), machine_time());
        let here = run_paced(through, concurrency, rate).await?;
        let (busy_after, all_after) = machine_time();
        let share = (busy_after - busy_before).div_duration_f64(all_after - all_before);
        busy.push(share * 100.0);
        let spent = cpu_time(pid).saturating_sub(cpu_before);
        let added = |share| {
            let (a, b) = (percentile(&here, share), percentile(&there, share));
            (a.as_secs_f64() - b.as_secs_f64()) * 1e3
        };
        added_p50.push(added(0.50));
        added_p99.push(added(0.99));
        cpu.push(spent.as_secs_f64() * 1e3 / here.len() as f64);
    }
    println!("  paced at {rate:.0} calls/s");
    for (name, values) in [
        ("added p50, ms", added_p50),
        ("added p99, ms", added_p99),
        ("CPU of the server, ms a call", cpu),
        ("the machine's cores busy, %", busy),
    ] {
        let (median, least, greatest) = spread(values);
        println!("  {name:<28} {median:>8.3}  {least:>8.3}  {greatest:>8.3}");
    }
    Ok(())
}

/// Times count from when a call was due, also where its caller was still busy with the one before.
async fn run_paced(
    target: &Target,
    concurrency: usize,
    rate: f64,
) -> anyhow::Result<Vec<Duration>> {
    let mut queues = Vec::new();
    let mut workers = Vec::new();
    for _ in 0..concurrency {
        let (queue, mut due) = tokio::sync::mpsc::unbounded_channel::<Instant>();
        queues.push(queue);
        let target = target.clone();
        workers.push(tokio::spawn(async move {
            let mut samples = Vec::new();
            while let Some(due) = due.recv().await {
                call(&target).await?;
                samples.push(due.elapsed());
            }
            anyhow::Ok(samples)
        }));
    }
    let calls = (rate * PACED_FOR) as usize;
    // A thread, for the timer of the runtime has a grain of a millisecond.
    let started = Instant::now();
    std::thread::spawn(move || {
        for number in 0..calls {
            let due = started + Duration::from_secs_f64(number as f64 / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            // A caller that failed has gone; its error is told below.
            let _ = queues[number % concurrency].send(due);
        }
    });
    let mut samples = Vec::with_capacity(calls);
    for worker in workers {
        samples.extend(worker.await??);
    }
    samples.sort();
    Ok(samples)
}

async fn run(
    target: &Target,
    concurrency: usize,
    calls: usize,
) -> anyhow::Result<(Vec<Duration>, Duration)> {
    let started = Instant::now();
    let mut workers = Vec::new();
    for _ in 0..concurrency {
        let target = target.clone();
        workers.push(tokio::spawn(async move {
            let mut samples = Vec::with_capacity(calls / concurrency);
            for _ in 0..calls / concurrency {
                samples.push(call(&target).await?);
            }
            anyhow::Ok(samples)
        }));
    }
    let mut samples = Vec::with_capacity(calls);
    for worker in workers {
        samples.extend(worker.await??);
    }
    let took = started.elapsed();
    samples.sort();
    Ok((samples, took))
}

async fn call(target: &Target) -> anyhow::Result<Duration> {
    let body = json!({ "model": target.model,
                       "messages": [{ "role": "user", "content": "How are you today?" }] });
    let started = Instant::now();
    let answer =
        target.client.post(&target.url).bearer_auth(&target.key).json(&body).send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    let took = started.elapsed();
    anyhow::ensure!(status.is_success(), "{status}: {text}");
    Ok(took)
}
