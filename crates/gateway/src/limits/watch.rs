use std::sync::Arc;
use std::time::Duration;

use lyceum_store::Db;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Kept;

/// On which the database tells of changes.
const CHANNEL: &str = "lyceum_limits";
/// Pause before listening again; meanwhile what is remembered is at most this old.
const RETRY_AFTER: Duration = Duration::from_millis(900);

/// Listens for changes of limits until it is dropped.
pub(super) struct Watch(JoinHandle<()>);

impl Watch {
    /// `listening` is told when it listens, or cannot at first.
    pub(super) fn start(db: Db, kept: Arc<Kept>, listening: Arc<Notify>) -> Self {
        Self(tokio::spawn(async move {
            loop {
                if let Err(error) = listen(&db, &kept, &listening).await {
                    tracing::warn!(%error, "listening for changes of limits failed");
                }
                kept.forget();
                listening.notify_one();
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn listen(db: &Db, kept: &Kept, listening: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(db.pool()).await?;
    listener.listen(CHANNEL).await?;
    // What changed before the listening began was not heard.
    kept.forget();
    listening.notify_one();
    while listener.try_recv().await?.is_some() {
        kept.forget();
    }
    Ok(())
}
