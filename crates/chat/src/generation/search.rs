//! What a question finds in the knowledge bases; one that says little by itself, together with the
//! questions before it.

use serde_json::json;

use super::Plan;
use super::follow_up::{goes_on, without_talk};
use super::live::Generation;
use super::run::Outcome;
use crate::messages::{ExplainedChunk, ExplainedRetrieval, Message, MessageRole};
use crate::{Chat, ChatError, Question, Retrieval};

/// Questions of the person that a question is put together with…
const EARLIER: usize = 2;
/// …and the characters of each that count: what the person asks now has to fit behind them.
const EARLIER_CHARS: usize = 500;
/// Messages among which those are looked for.
const LOOK_BACK: i64 = 16;

/// What was found.
#[derive(Clone)]
pub(super) struct Searched {
    pub retrieval: Retrieval,
    /// What was searched for, where it was more than the question.
    pub searched_for: Option<String>,
}

/// Searches for the question; where nothing is about it, as about "Thanks" or "And when?", once more
/// for it together with the questions before it. `None` where no knowledge base is asked.
pub(super) async fn search(
    chat: &Chat,
    plan: &Plan,
    generation: &Generation,
    question: &Message,
) -> Result<Option<Searched>, Outcome> {
    if plan.knowledge_bases.is_empty() {
        return Ok(None);
    }
    generation.notice("status", json!({ "status": "pending", "stage": "retrieving" }));
    let first = retrieve(chat, plan, &question.content).await?;
    // Where there is no passage at all, other words find none either.
    if first.found_nothing()
        && !first.chunks.is_empty()
        && let Some(text) = with_earlier(chat, plan, question).await?
    {
        let again = retrieve(chat, plan, &text).await?;
        if !again.found_nothing() && goes_on(&question.content, &again.chunks).await {
            let took_ms = first.took_ms + again.took_ms;
            let retrieval = Retrieval { took_ms, ..again };
            return Ok(Some(Searched { retrieval, searched_for: Some(text) }));
        }
    }
    Ok(Some(Searched { retrieval: first, searched_for: None }))
}

async fn retrieve(chat: &Chat, plan: &Plan, text: &str) -> Result<Retrieval, Outcome> {
    let retriever = chat.inner.retriever.as_ref().ok_or(ChatError::NoRetriever)?;
    let found = retriever.retrieve(Question {
        user_id: plan.user_id,
        api_key_id: plan.api_key_id,
        knowledge_bases: &plan.knowledge_bases,
        text,
        request_id: plan.request_id,
    });
    Ok(found.await?)
}

/// The question behind the last ones that the person asked in this branch, if there are any.
async fn with_earlier(
    chat: &Chat,
    plan: &Plan,
    question: &Message,
) -> Result<Option<String>, ChatError> {
    let Some(last) = question.parent_id else { return Ok(None) };
    let mut tx = chat.inner.db.begin_as(plan.user_id).await?;
    let before = crate::messages::store::walk(&mut tx, plan.user_id, last, LOOK_BACK).await?;
    tx.commit().await?;
    let asked = before.into_iter().filter(|message| message.role == MessageRole::User);
    let cut = |message: Message| message.content.chars().take(EARLIER_CHARS).collect::<String>();
    let mut texts = without_talk(asked.map(cut).collect()).await;
    texts.drain(..texts.len().saturating_sub(EARLIER));
    if texts.is_empty() {
        return Ok(None);
    }
    texts.push(question.content.clone());
    Ok(Some(texts.join("\n")))
}

/// The same for the explanation, with the number in the prompt of each passage.
pub(super) fn explained(searched: Searched, numbers: &[Option<u32>]) -> ExplainedRetrieval {
    let Searched { retrieval, searched_for } = searched;
    let chunks = retrieval.chunks.into_iter().zip(numbers);
    ExplainedRetrieval {
        searched_for,
        took_ms: retrieval.took_ms,
        chunks: chunks.map(|(chunk, source)| ExplainedChunk { chunk, source: *source }).collect(),
    }
}
