use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use lyceum_store::Db;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Kept;
use crate::ledger::Ledger;

/// On which the database tells of changes.
const CHANNEL: &str = "lyceum_limits";
/// What it tells where a process finds a quota leased out to others.
const WANTED: &str = "leases";
/// Between two looks for quotas that are leased and not used.
const IDLE: Duration = Duration::from_secs(2);

/// Listens for changes of limits until it is dropped, and gives back what is leased of quotas and
/// not needed.
pub(super) struct Watch(JoinHandle<()>);

impl Watch {
    /// `listening` is told when it listens, or cannot at first.
    pub(super) fn start(db: Db, ledger: Ledger, kept: Arc<Kept>, listening: Arc<Notify>) -> Self {
        Self(tokio::spawn(async move {
            let mut changes = std::pin::pin!(db.notifications(CHANNEL));
            let mut ticks = tokio::time::interval(IDLE);
            loop {
                let only_idle = tokio::select! {
                    change = changes.next() => match change {
                        Some(Some(told)) if told == WANTED => false,
                        Some(_) => {
                            kept.forget();
                            listening.notify_one();
                            continue;
                        }
                        None => return,
                    },
                    _ = ticks.tick() => true,
                };
                if !only_idle {
                    // What was answered holds all that it reserved until its row is committed.
                    ledger.flush().await;
                }
                if let Some(holder) = ledger.current_holder() {
                    kept.accounts.give_back(&db, holder, only_idle).await;
                }
            }
        }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}
