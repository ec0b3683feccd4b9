use std::sync::Arc;
use std::time::Duration;

use lyceum_store::StoreError;
use serde_json::json;

use super::live::{End, Generation};
use super::run::{Outcome, Progress};
use super::{Plan, citations, store};
use crate::conversations::store as conversations;
use crate::messages::{Citation, MessageStatus};
use crate::model::CallRecord;
use crate::{Chat, ChatError, words};

/// Waits between tries to write the end, in seconds. After the last one the row is left to
/// whoever finds that nobody keeps it alive.
const RETRIES: [u64; 6] = [0, 1, 2, 5, 10, 30];

/// The final state of an answer.
pub(crate) struct Final {
    pub status: MessageStatus,
    pub error: Option<(String, String)>,
    pub finish_reason: Option<String>,
    pub answer: String,
    pub reasoning: String,
    pub words: String,
    pub citations: Vec<Citation>,
    pub record: Option<CallRecord>,
}

/// Writes how an answer ended: text, citations, tokens and the conversation's counters in one
/// commit.
pub(crate) async fn settle(
    chat: &Chat,
    plan: &Plan,
    generation: &Generation,
    progress: &Progress,
    outcome: Outcome,
) {
    let Some(end) = final_state(chat, plan, generation, progress, outcome).await else {
        return;
    };
    if !end.citations.is_empty() {
        generation.notice("citations", json!({ "items": end.citations }));
    }
    for wait in RETRIES {
        if wait > 0 && !chat.inner.shutdown.is_cancelled() {
            tokio::time::sleep(Duration::from_secs(wait)).await;
        }
        match write(chat, plan, &end).await {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(error = ?error, message_id = %plan.message_id,
                                "the end of an answer was not written");
            }
        }
    }
}

async fn final_state(
    chat: &Chat,
    plan: &Plan,
    generation: &Generation,
    progress: &Progress,
    outcome: Outcome,
) -> Option<Final> {
    let (status, error, finish_reason) = match outcome {
        Outcome::Completed { reason } => (MessageStatus::Completed, None, Some(reason)),
        Outcome::Failed { code, detail } => (MessageStatus::Error, Some((code, detail)), None),
        Outcome::Ended(End::Stopped) => (MessageStatus::Stopped, None, None),
        Outcome::Ended(End::Shutdown) => (MessageStatus::Error, Some(interrupted()), None),
        Outcome::Ended(End::Deleted) => return None,
    };
    let (answer, reasoning) = generation.text();
    let (text, nearest) = (answer.clone(), progress.nearest.clone());
    let (sources, grounds) = (Arc::clone(&progress.sources), Arc::clone(&progress.grounds));
    // Both segment the text into words, which takes a while for a long one.
    let read = tokio::task::spawn_blocking(move || {
        let citations = match text.trim().is_empty() {
            true => Vec::new(),
            false if sources.is_empty() => nearest,
            false => citations::of_answer(&text, &sources, &grounds),
        };
        (words::indexed(&text), citations)
    });
    let (words, citations) = read.await.unwrap_or_default();
    let record = match progress.asked {
        true => record(chat, plan).await,
        false => None,
    };
    Some(Final { status, error, finish_reason, answer, reasoning, words, citations, record })
}

/// Code and detail of an answer whose node went down.
pub(crate) fn interrupted() -> (String, String) {
    let detail = "The program was stopped while it wrote this answer; the text so far was kept.";
    ("interrupted".to_owned(), detail.to_owned())
}

/// What the ledger says of the call.
async fn record(chat: &Chat, plan: &Plan) -> Option<CallRecord> {
    // A call that was broken off, by a stop or by the limit of its text, is recorded behind our
    // back; nothing is shown as ended before its row is there.
    chat.inner.gateway.flush().await;
    match chat.inner.gateway.call_record(plan.user_id, plan.request_id).await {
        Ok(record) => record,
        Err(error) => {
            tracing::warn!(error = ?error, "the ledger could not be read");
            None
        }
    }
}

async fn write(chat: &Chat, plan: &Plan, end: &Final) -> Result<(), ChatError> {
    let now = chat.inner.clock.now();
    let tokens =
        end.record.as_ref().map_or(0, |r| r.prompt_tokens.saturating_add(r.completion_tokens));
    let status = match end.status {
        MessageStatus::Error => "error",
        _ => "completed",
    };
    let mut tx = chat.inner.db.begin_as(plan.user_id).await?;
    // The conversation's row comes first, as in every transaction, so that none waits in a circle.
    conversations::settle(&mut tx, plan.user_id, plan.conversation_id, tokens, status, now).await?;
    if !store::finish(&mut tx, plan.user_id, plan.message_id, end, now).await? {
        // Somebody else ended or deleted it; then nothing is counted either.
        return Ok(());
    }
    tx.commit().await.map_err(StoreError)?;
    Ok(())
}
