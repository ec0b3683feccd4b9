//! Many calls, half of which meet a fault of their provider, through a program that is killed in the
//! middle as `kill -9` does; then what the callers got, what the ledger says and what the upstream
//! counted are compared call by call.

mod call;
mod cases;
mod verdict;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use call::{Answer, Seen, call};
use lyceum_testkit::{MockUpstream, ServerProcess};
use tokio::sync::watch;
pub use verdict::Report;

use super::provision::{SETTINGS, provision};
use super::target::Target;
use super::{events, ledger};

/// The longest that the program may be away after a kill.
const RESTART: Duration = Duration::from_secs(60);

/// How much to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub calls: usize,
    pub callers: usize,
    pub kills: usize,
}

/// Does it and compares.
pub async fn run(program: &Path, plan: Plan) -> anyhow::Result<Report> {
    let upstream = MockUpstream::start_apart();
    let data = tempfile::tempdir()?;
    let start = || ServerProcess::start(program, data.path(), &SETTINGS);
    let mut server = start().await?;
    let (_, key) = provision(&server, &upstream, &cases::models()).await?;
    let target = |server: &ServerProcess| Target::new(&format!("{}/v1", server.base_url), &key);
    let (publish, targets) = watch::channel(target(&server)?);
    let begun = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..plan.callers)
        .map(|_| tokio::spawn(keep_calling(targets.clone(), begun.clone(), plan.calls)))
        .collect();
    for kill in 1..=plan.kills {
        while begun.load(Ordering::SeqCst) < plan.calls * kill / (plan.kills + 1) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.kill().await?;
        server = start().await?;
        publish.send_replace(target(&server)?);
    }
    let mut answers = Vec::with_capacity(plan.calls);
    for caller in callers {
        answers.extend(caller.await?);
    }
    let rows = verdict::rows(&server.sign_in("admin").await?).await?;
    let report = verdict::compare(plan, &answers, &rows, &upstream);
    server.stop().await?;
    Ok(report)
}

/// Calls until all calls have begun. Whose call is lost waits for the program to come back.
async fn keep_calling(
    mut targets: watch::Receiver<Target>,
    begun: Arc<AtomicUsize>,
    calls: usize,
) -> Vec<Answer> {
    let mut answers = Vec::new();
    loop {
        let number = begun.fetch_add(1, Ordering::SeqCst);
        if number >= calls {
            return answers;
        }
        let target = targets.borrow_and_update().clone();
        let mut answer = call(&target, number).await;
        if matches!(answer.seen, Seen::Lost)
            && !matches!(tokio::time::timeout(RESTART, targets.changed()).await, Ok(Ok(())))
        {
            answer.seen = Seen::Odd("it was lost, and nothing was killed".to_owned());
        }
        answers.push(answer);
    }
}
