use chrono::TimeDelta;
use lyceum_core::new_id;
use lyceum_http::AllowedModels;
use lyceum_store::StoreError;

use super::settle::{Final, interrupted};
use super::store::Orphan;
use super::{Cause, Plan, store};
use crate::conversations::store as conversations;
use crate::messages::MessageStatus;
use crate::{Chat, words};

/// An answer that was not begun is begun anew only so soon after the question that the person may
/// still be waiting for it.
const WORTH_BEGINNING: TimeDelta = TimeDelta::minutes(10);

/// Ends or begins answers that nobody keeps alive: those of `own` (a node that has just started)
/// and those of nodes that fell silent. Answers how many.
pub(crate) async fn recover(chat: &Chat, own: Option<&str>) -> Result<u64, StoreError> {
    let inner = &chat.inner;
    let lease = TimeDelta::from_std(inner.settings.lease).unwrap_or(TimeDelta::minutes(1));
    let now = inner.clock.now();
    let silent_since = now - lease;
    let mut tx = inner.db.begin_maintenance().await?;
    let orphans = store::orphans(&mut tx, own, silent_since, &inner.live.ids(), now).await?;
    tx.commit().await?;
    let mut recovered = 0;
    for orphan in orphans {
        let fresh = inner.clock.now() - orphan.created_at < WORTH_BEGINNING;
        let begin = !orphan.begun && !orphan.stop_requested && fresh;
        let done = match begin {
            true => begin_anew(chat, &orphan, silent_since).await,
            false => end(chat, &orphan).await,
        };
        match done {
            Ok(done) => recovered += u64::from(done),
            // One answer that cannot be settled must not keep the others, or the start, waiting.
            Err(error) => {
                tracing::error!(message_id = %orphan.id, error = ?error, "an answer was not recovered");
            }
        }
    }
    if recovered > 0 {
        tracing::info!(answers = recovered, "took care of answers that were interrupted");
    }
    Ok(recovered)
}

async fn begin_anew(
    chat: &Chat,
    orphan: &Orphan,
    silent_since: chrono::DateTime<chrono::Utc>,
) -> Result<bool, StoreError> {
    let inner = &chat.inner;
    let model = inner.gateway.resolve_chat_model(orphan.user_id, orphan.model_config_id).await;
    // A key may have ended, or lost this model, since it asked.
    let allowed = AllowedModels::new(orphan.models.clone());
    let Some(model) = model.ok().filter(|model| allowed.allows(&model.name)) else {
        return end(chat, orphan).await;
    };
    let mut tx = inner.db.begin_as(orphan.user_id).await?;
    let node = &inner.settings.node;
    let ours = store::adopt(&mut tx, orphan, node, silent_since, inner.clock.now()).await?;
    tx.commit().await?;
    if ours {
        chat.start_generation(Plan {
            user_id: orphan.user_id,
            api_key_id: orphan.api_key_id,
            conversation_id: orphan.conversation_id,
            message_id: orphan.id,
            request_id: new_id(),
            model,
            knowledge_bases: orphan.knowledge_base_ids.clone(),
            cause: match orphan.asked_again {
                true => Cause::AskedAgain,
                false => Cause::Asked { makes_title: false },
            },
        });
    }
    Ok(ours)
}

/// Marks the answer as interrupted (or stopped, where that was asked), its text kept, with what its
/// call had used where its node noted that.
async fn end(chat: &Chat, orphan: &Orphan) -> Result<bool, StoreError> {
    let inner = &chat.inner;
    let record = match orphan.request_id {
        Some(request) => inner.gateway.call_record(orphan.user_id, request).await.ok().flatten(),
        None => None,
    };
    let (status, error) = match orphan.stop_requested {
        true => (MessageStatus::Stopped, None),
        false => (MessageStatus::Error, Some(interrupted())),
    };
    let end = Final {
        status,
        error,
        finish_reason: None,
        answer: orphan.content.clone(),
        reasoning: orphan.reasoning.clone().unwrap_or_default(),
        words: words::indexed_off_thread(orphan.content.clone()).await,
        citations: Vec::new(),
        record,
    };
    let tokens =
        end.record.as_ref().map_or(0, |r| r.prompt_tokens.saturating_add(r.completion_tokens));
    let conversation_status = if orphan.stop_requested { "completed" } else { "error" };
    let now = inner.clock.now();
    let mut tx = inner.db.begin_as(orphan.user_id).await?;
    let (user, conversation) = (orphan.user_id, orphan.conversation_id);
    conversations::settle(&mut tx, user, conversation, tokens, conversation_status, now).await?;
    let done = store::finish(&mut tx, user, orphan.id, &end, now).await?;
    if done {
        tx.commit().await?;
    }
    Ok(done)
}

/// Looks after silent nodes as long as the program runs.
pub(crate) fn watch(chat: &Chat) {
    let chat = chat.clone();
    let tracker = chat.inner.tasks.clone();
    tracker.spawn(async move {
        let period = chat.inner.settings.lease / 3;
        loop {
            tokio::select! {
                () = chat.inner.shutdown.cancelled() => return,
                () = tokio::time::sleep(period) => {}
            }
            if let Err(error) = recover(&chat, None).await {
                tracing::warn!(error = ?error, "silent nodes could not be looked after");
            }
        }
    });
}
