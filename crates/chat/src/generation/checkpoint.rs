use std::time::Duration;

use lyceum_store::StoreError;

use super::live::{End, Generation};
use super::{Plan, store};
use crate::{Chat, ChatError};

/// Writes growing text to its row, so that a crash leaves what was said, and tells other nodes
/// that this one is alive. Ends only when the answer must end.
pub(crate) async fn keep(chat: &Chat, plan: &Plan, generation: &Generation) -> End {
    let settings = &chat.inner.settings;
    let mut written = 0;
    let mut quiet = Duration::ZERO;
    loop {
        tokio::time::sleep(settings.checkpoint_interval).await;
        quiet += settings.checkpoint_interval;
        let grown = generation.len() - written;
        // A long text is rewritten as a whole, so it is written less often.
        let due = grown > written / 32 || (grown > 0 && quiet >= Duration::from_secs(5));
        let writes = due || quiet >= settings.lease / 4;
        let length = generation.len();
        let found = match writes {
            true => write(chat, plan, generation).await,
            false => look(chat, plan).await,
        };
        match found {
            Ok(Found::Running) if writes => {
                written = length;
                quiet = Duration::ZERO;
            }
            Ok(Found::Running) => {}
            Ok(Found::StopRequested) => return End::Stopped,
            Ok(Found::Gone) => return End::Deleted,
            // The text is still in memory; the next round tries again.
            Err(error) => tracing::warn!(error = ?error, "a checkpoint was not written"),
        }
    }
}

enum Found {
    Running,
    StopRequested,
    Gone,
}

async fn write(chat: &Chat, plan: &Plan, generation: &Generation) -> Result<Found, ChatError> {
    let (answer, reasoning) = generation.text();
    let mut tx = chat.inner.db.begin_as(plan.user_id).await?;
    let now = chat.inner.clock.now();
    let stop = store::checkpoint(&mut tx, plan, &answer, &reasoning, now).await?;
    tx.commit().await.map_err(StoreError)?;
    Ok(found(stop))
}

/// Whether another node was asked to stop the answer.
async fn look(chat: &Chat, plan: &Plan) -> Result<Found, ChatError> {
    let mut tx = chat.inner.db.begin_as(plan.user_id).await?;
    let stop = store::stop_requested(&mut tx, plan).await?;
    tx.commit().await.map_err(StoreError)?;
    Ok(found(stop))
}

fn found(stop: Option<bool>) -> Found {
    match stop {
        None => Found::Gone,
        Some(true) => Found::StopRequested,
        Some(false) => Found::Running,
    }
}
