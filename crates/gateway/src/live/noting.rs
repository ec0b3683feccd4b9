//! Calls that take their time are noted in a file of this node, so that those that are cut off by the
//! end of its process come into the ledger at the next start. The calls do nothing for that: who notes
//! looks at what is known of them, on a thread that may wait for the disk.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::{Live, Running, State, locked};
use crate::ledger::{LedgerRow, Notes};

/// How often they are noted.
const TICK: Duration = Duration::from_secs(1);
/// How long a call runs before it is.
const AGE: Duration = Duration::from_secs(1);
/// Between two times there is at least so many times what the first took, for there may be very many.
const REST: u32 = 50;

impl Live {
    /// Notes in a file what runs, from now on.
    pub(crate) fn keep_notes(&self, notes: Notes) {
        // A second one would be another's folder.
        if self.0.notes.set(notes).is_ok() {
            tokio::spawn(keep(Arc::downgrade(&self.0)));
        }
    }

    /// The program ends: what still runs is cut off, and noted for the last time.
    pub(crate) async fn close_notes(&self) {
        let live = self.clone();
        let closing = tokio::task::spawn_blocking(move || {
            if let Some(notes) = live.0.notes.get() {
                notes.close(|| live.interrupted());
            }
        });
        drop(closing.await);
    }

    /// Notes what runs, where there is something or was. Answers how long that is enough.
    async fn note(self) -> Duration {
        let are_noted = self.0.notes.get().is_some_and(Notes::stand);
        if self.running() == 0 && !are_noted {
            return TICK;
        }
        let began = Instant::now();
        let noting = tokio::task::spawn_blocking(move || {
            if let Some(notes) = self.0.notes.get() {
                notes.write(|| self.interrupted());
            }
        });
        drop(noting.await);
        TICK.max(REST * began.elapsed())
    }

    /// The rows of the calls that have run for a while, if the process is killed now. Where the answer
    /// is one that was kept, nobody was asked.
    fn interrupted(&self) -> Vec<LedgerRow> {
        let now = Instant::now();
        let lasts = |call: &&Arc<Running>| {
            now.saturating_duration_since(call.started) >= AGE && !call.is_recalled()
        };
        let mut calls = Vec::new();
        for shard in &self.0.shards {
            calls.extend(locked(shard).values().filter(lasts).cloned());
        }
        calls.iter().map(|call| call.interrupted()).collect()
    }
}

/// Notes what runs as long as somebody counts it.
async fn keep(state: Weak<State>) {
    let mut pause = TICK;
    loop {
        tokio::time::sleep(pause).await;
        let Some(state) = state.upgrade() else { return };
        pause = Live(state).note().await;
    }
}
