//! From starting the program to its being ready, with everything on disk; and its memory when
//! idle, without models.
//!
//! `cargo xtask bench start`.

#![expect(clippy::print_stdout, reason = "the report of a benchmark")]

mod support;

use std::time::Instant;

use lyceum_testkit::ServerProcess;
use lyceum_testkit::measure::family;
use support::{print_machine, program, spread};

const REPEATS: usize = 7;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    print_machine("start: process start to ready, and idle memory");
    let data = tempfile::tempdir()?;
    ServerProcess::start(program(), data.path(), &[]).await?.stop().await?;
    let (mut seconds, mut program_mb, mut all_mb) = (vec![], vec![], vec![]);
    for _ in 0..REPEATS {
        let started = Instant::now();
        let server = ServerProcess::start(program(), data.path(), &[]).await?;
        seconds.push(started.elapsed().as_secs_f64());
        let pid = server.pid().unwrap_or_default();
        program_mb.push(proportional_mb(pid));
        all_mb.push(family(pid).into_iter().map(proportional_mb).sum());
        server.stop().await?;
    }
    println!("                                    median     least  greatest");
    for (name, values) in [
        ("start to ready, s", seconds),
        ("memory of the server (PSS), MB", program_mb),
        ("with its children, MB", all_mb),
    ] {
        let (median, least, greatest) = spread(values);
        println!("  {name:<32} {median:>8.2}  {least:>8.2}  {greatest:>8.2}");
    }
    Ok(())
}

/// Proportional set size: shared pages counted once over all processes that share them.
fn proportional_mb(pid: u32) -> f64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kb = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or(0.0);
    kb * 1024.0 / 1e6
}
