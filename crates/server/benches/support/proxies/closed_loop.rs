//! Callers that ask again as soon as they are answered.

use std::time::{Duration, Instant};

use lyceum_testkit::measure::percentile;
use tokio::task::JoinSet;

use super::provision::Target;

/// What came out of one measurement.
pub struct Figures {
    pub calls: usize,
    pub per_second: f64,
    pub p50: f64,
    pub p99: f64,
}

/// Calls for `lasts`; times are in milliseconds.
pub async fn measure(target: &Target, callers: usize, lasts: Duration) -> anyhow::Result<Figures> {
    let started = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..callers {
        let target = target.clone();
        workers.spawn(async move {
            let mut samples = Vec::new();
            while started.elapsed() < lasts {
                let asked = Instant::now();
                let answer = target.ask("ok", "How are you today?", false).send().await?;
                let status = answer.status();
                let text = answer.text().await?;
                samples.push(asked.elapsed());
                anyhow::ensure!(status.is_success(), "{status}: {text}");
                anyhow::ensure!(text.contains("How are you today?"), "another answer: {text}");
            }
            anyhow::Ok(samples)
        });
    }
    let mut samples: Vec<Duration> = Vec::new();
    while let Some(worker) = workers.join_next().await {
        samples.extend(worker??);
    }
    let took = started.elapsed();
    samples.sort();
    let milliseconds = |share| percentile(&samples, share).as_secs_f64() * 1e3;
    Ok(Figures {
        calls: samples.len(),
        per_second: samples.len() as f64 / took.as_secs_f64(),
        p50: milliseconds(0.50),
        p99: milliseconds(0.99),
    })
}
