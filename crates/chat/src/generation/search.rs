//! What a question finds in the knowledge bases; one that says little by itself, together with the
//! questions before it.

use serde_json::json;

use super::Plan;
use super::follow_up::{goes_on, is_talk, without_talk};
use super::live::Generation;
use super::run::{NOT_FOUND, Outcome};
use crate::messages::{ExplainedChunk, ExplainedRetrieval, Message, MessageRole};
use crate::{Chat, ChatError, Question, Retrieval};

/// Questions of the person that a question is put together with…
const EARLIER: usize = 2;
/// …and the characters of each that count: some embedding models refuse more than 512 tokens.
const EARLIER_CHARS: usize = 150;
/// Messages among which those are looked for.
const LOOK_BACK: i64 = 16;

/// A question behind which those before it stand.
struct Together {
    text: String,
    /// Whether it is talk about a denial.
    of_denial: bool,
}

/// What was found.
#[derive(Clone)]
pub(super) struct Searched {
    pub retrieval: Retrieval,
    /// What was searched for, where it was more than the question.
    pub searched_for: Option<String>,
}

/// Searches for the question; where nothing is about it, as about "And for part-timers?", once more
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
    // By itself "Thanks" or "And when?" may find anything.
    let talk = is_talk(&question.content).await;
    if talk && let Some(together) = search_together(chat, plan, question, talk).await? {
        return Ok(Some(together));
    }
    let first = retrieve(chat, plan, &question.content).await?;
    // Where there is no passage at all, other words find none either.
    if !talk
        && first.found_nothing()
        && !first.chunks.is_empty()
        && let Some(mut together) = search_together(chat, plan, question, talk).await?
    {
        together.retrieval.took_ms += first.took_ms;
        return Ok(Some(together));
    }
    Ok(Some(Searched { retrieval: first, searched_for: None }))
}

/// What the question finds together with those before it, where it goes on with them. Talk about a
/// denial has no other search, whatever this one finds. A search that fails is none: the question has
/// its own.
async fn search_together(
    chat: &Chat,
    plan: &Plan,
    question: &Message,
    talk: bool,
) -> Result<Option<Searched>, ChatError> {
    let Some(together) = with_earlier(chat, plan, question, talk).await? else { return Ok(None) };
    let Together { text, of_denial } = together;
    let retrieval = match retrieve(chat, plan, &text).await {
        Ok(retrieval) => retrieval,
        Err(error) => {
            tracing::debug!(error = ?error, "a search with the questions before it failed");
            return Ok(None);
        }
    };
    if of_denial
        || !retrieval.found_nothing() && goes_on(&question.content, &retrieval.chunks).await
    {
        return Ok(Some(Searched { retrieval, searched_for: Some(text) }));
    }
    Ok(None)
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

/// The question before the last ones that the person asked in this branch, if there are any. Talk
/// after a denial, as "Why?", is about the one that was denied, not about an older answer.
async fn with_earlier(
    chat: &Chat,
    plan: &Plan,
    question: &Message,
    talk: bool,
) -> Result<Option<Together>, ChatError> {
    let Some(last) = question.parent_id else { return Ok(None) };
    let mut tx = chat.inner.db.begin_as(plan.user_id).await?;
    let before = crate::messages::store::walk(&mut tx, plan.user_id, last, LOOK_BACK).await?;
    tx.commit().await?;
    let answer = before.iter().rfind(|message| message.role == MessageRole::Assistant);
    let denied = |answer: &Message| answer.finish_reason.as_deref() == Some(NOT_FOUND);
    let of_denial = talk && answer.is_some_and(denied);
    let asked = before.into_iter().filter(|message| message.role == MessageRole::User);
    let cut = |message: Message| message.content.chars().take(EARLIER_CHARS).collect::<String>();
    let mut texts = without_talk(asked.map(cut).collect()).await;
    let most = if of_denial { 1 } else { EARLIER };
    texts.drain(..texts.len().saturating_sub(most));
    if texts.is_empty() {
        return Ok(None);
    }
    texts.insert(0, question.content.clone());
    Ok(Some(Together { text: texts.join("\n"), of_denial }))
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
