use std::sync::Arc;

use futures::StreamExt as _;
use lyceum_store::Db;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Kept;

/// On which the database tells of changes.
const CHANNEL: &str = "lyceum_limits";

/// Listens for changes of limits until it is dropped.
pub(super) struct Watch(JoinHandle<()>);

impl Watch {
    /// `listening` is told when it listens, or cannot at first.
    pub(super) fn start(db: Db, kept: Arc<Kept>, listening: Arc<Notify>) -> Self {
        Self(tokio::spawn(async move {
            let mut changes = std::pin::pin!(db.notifications(CHANNEL));
            while changes.next().await.is_some() {
                kept.forget();
                listening.notify_one();
            }
        }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}
