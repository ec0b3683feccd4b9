//! Calls at a fixed rate.

use std::time::{Duration, Instant};
use std::{iter, thread};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::load::{Caller, Samples};

/// Calls that arrive evenly, `rate` a second, whose times count from when they were due, also where
/// their caller was still busy with the one before.
pub async fn paced(callers: &[Caller], rate: f64, lasts: Duration) -> anyhow::Result<Samples> {
    let mut running = JoinSet::new();
    let mut queues = Vec::new();
    for caller in callers {
        let caller = caller.clone();
        let (queue, mut due) = unbounded_channel::<Instant>();
        queues.push(queue);
        running.spawn(async move {
            let mut samples = Vec::new();
            while let Some(due) = due.recv().await {
                caller.ask().await?;
                samples.push(due.elapsed());
            }
            Ok(samples)
        });
    }
    let calls = (rate * lasts.as_secs_f64()) as usize;
    let started = Instant::now();
    // A thread, for the timer of the runtime has a grain of a millisecond.
    thread::spawn(move || dispatch(&queues, started, rate, calls));
    Samples::of(running, started).await
}

/// Tells the callers in turn that a call is due.
fn dispatch(queues: &[UnboundedSender<Instant>], started: Instant, rate: f64, calls: usize) {
    for (number, queue) in iter::repeat(queues).flatten().take(calls).enumerate() {
        let due = started + Duration::from_secs_f64(number as f64 / rate);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // A caller that failed has gone; its error is told to who waits for it.
        let _ = queue.send(due);
    }
}
