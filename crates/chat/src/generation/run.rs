use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::{FutureExt as _, StreamExt as _};
use lyceum_core::Problem;
use lyceum_http::ApiError;
use lyceum_llm::{ChatEvent, ChatRequest, FinishReason};
use serde_json::json;

use super::buffer::Kind;
use super::claims::Grounds;
use super::live::{End, Generation};
use super::marker::Marker;
use super::prompt::{Parts, Prompt, Style, Turn};
use super::search::{Searched, explained, search};
use super::{Cause, Plan, checkpoint, citations, denial, prompt, settle, store, title};
use crate::configs::store::Known;
use crate::messages::{Citation, Context, Message, MessageRole};
use crate::model::{CallContext, LOCAL, ModelConfig, Purpose};
use crate::{Chat, ChatError, RetrievedChunk};

/// Messages read at a time while the history is fitted into the prompt.
const HISTORY_PAGE: i64 = 30;
/// Why an answer ended for which no model was asked.
pub(super) const NOT_FOUND: &str = "not_found";

/// How a generation ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Completed { reason: String },
    Failed { code: String, detail: String },
    Ended(End),
}

impl Outcome {
    pub fn failed(problem: &impl Problem) -> Self {
        Outcome::Failed { code: problem.code().to_owned(), detail: problem.detail() }
    }

    fn internal() -> Self {
        let detail = "Something went wrong on our side; the log has the cause.";
        Outcome::Failed { code: "internal".to_owned(), detail: detail.to_owned() }
    }
}

impl From<ApiError> for Outcome {
    fn from(error: ApiError) -> Self {
        Outcome::Failed { code: error.code().to_owned(), detail: error.detail().to_owned() }
    }
}

impl From<ChatError> for Outcome {
    fn from(error: ChatError) -> Self {
        if let ChatError::Store(cause) = &error {
            tracing::error!(cause = ?cause, "a generation met a database fault");
        }
        Outcome::failed(&error)
    }
}

/// What the end needs to know of the way there.
#[derive(Default)]
pub(crate) struct Progress {
    /// The passages in the prompt, in the order of their numbers.
    pub sources: Arc<[RetrievedChunk]>,
    /// Their words, to tell what the answer rests on.
    pub grounds: Arc<Grounds>,
    /// The nearest passages, where none is about the question.
    pub nearest: Vec<Citation>,
    /// Whether a model was asked, so that the ledger has the call.
    pub asked: bool,
    pub question: String,
}

/// Runs a generation to its end, whatever that is.
pub(crate) async fn run(chat: &Chat, plan: &Plan, generation: &Generation) {
    let mut progress = Progress::default();
    let outcome = {
        let answer = AssertUnwindSafe(answer(chat, plan, generation, &mut progress)).catch_unwind();
        tokio::select! {
            biased;
            end = generation.ended() => Outcome::Ended(end),
            () = chat.inner.shutdown.cancelled() => Outcome::Ended(End::Shutdown),
            outcome = answer => match outcome {
                Ok(Ok(outcome) | Err(outcome)) => outcome,
                Err(_) => {
                    tracing::error!(message_id = %plan.message_id, "a generation panicked");
                    Outcome::internal()
                }
            },
            end = checkpoint::keep(chat, plan, generation) => Outcome::Ended(end),
        }
    };
    let completed = matches!(outcome, Outcome::Completed { .. });
    let settled = AssertUnwindSafe(settle::settle(chat, plan, generation, &progress, outcome));
    if settled.catch_unwind().await.is_err() {
        tracing::error!(message_id = %plan.message_id, "the end of a generation panicked");
    }
    // Whatever happened, nobody is left waiting for more of it.
    chat.inner.live.remove(generation);
    if completed && plan.cause == (Cause::Asked { makes_title: true }) {
        title::improve(chat, plan, &progress.question, &generation.text().0).await;
    }
}

async fn answer(
    chat: &Chat,
    plan: &Plan,
    generation: &Generation,
    progress: &mut Progress,
) -> Result<Outcome, Outcome> {
    let (question, settings) = beginning(chat, plan).await?;
    progress.question.clone_from(&question.content);
    let searched = search(chat, plan, generation, &question).await?;
    let style = if plan.model.provider == LOCAL { Style::Plain } else { Style::Numbered };
    if let Some(nothing) = searched.as_ref().filter(|found| found.retrieval.found_nothing()) {
        progress.nearest = citations::nearest(&nothing.retrieval.chunks);
        if style == Style::Plain || nothing.retrieval.nothing_is_ready() {
            let nothing = nothing.clone();
            return deny(chat, plan, generation, question.content, nothing).await;
        }
    }
    let retrieval = searched.as_ref().map(|searched| &searched.retrieval);
    let being_read = retrieval.map_or(0, |retrieval| retrieval.being_read);
    let max_tokens = settings.max_tokens.or(plan.model.max_tokens.and_then(|n| n.try_into().ok()));
    let parts = Parts {
        question: &question.content,
        chunks: retrieval.map(|retrieval| retrieval.chunks.as_slice()),
        being_read,
        system_prompt: settings.system_prompt.as_deref(),
        context_length: plan.model.context_length.and_then(|n| n.try_into().ok()),
        max_tokens: max_tokens.and_then(|n| n.try_into().ok()),
        style,
    };
    let mut prompt = Prompt::new(&parts).map_err(|too_long| Outcome::Failed {
        code: "context_length_exceeded".to_owned(),
        detail: format!(
            "The question has about {} tokens, but this model reads only {} at once. Shorten it, \
             or choose a model with a larger context.",
            too_long.tokens, too_long.limit
        ),
    })?;
    add_history(chat, plan, &question, &mut prompt).await?;
    if let Some(retrieval) = retrieval {
        let numbered = retrieval.chunks.iter().zip(&prompt.numbers);
        progress.sources = numbered
            .filter(|(_, number)| number.is_some())
            .map(|(chunk, _)| chunk.clone())
            .collect();
        progress.grounds = grounds(&progress.question, &progress.sources).await;
        if !progress.sources.is_empty() {
            generation.notice("citations", json!({ "items": citations::all(&progress.sources) }));
        }
    }
    let context = Context {
        question: question.content,
        retrieval: searched.map(|searched| explained(searched, &prompt.numbers)),
        prompt: prompt.explained(),
    };
    mark_streaming(chat, plan, Some(&plan.model), &context).await?;
    generation.notice("status", json!({ "status": "streaming" }));

    let mut request = ChatRequest::new(plan.model.model.clone(), prompt.messages());
    request.temperature = settings.temperature.or_else(|| temperature(plan, &progress.sources));
    // A small local model may never end by itself; a provider has its own limit.
    if max_tokens.is_some() || plan.model.provider == LOCAL {
        request.max_tokens = u32::try_from(prompt.answer_tokens).ok();
    }
    progress.asked = true;
    // Where the model numbers its sources itself, its own marks are on their way.
    let marker = (style == Style::Plain).then(|| Marker::new(progress));
    let outcome = ask(chat, plan, generation, request, marker).await?;
    if style == Style::Plain && being_read > 0 && prompt::denies(&generation.text().0) {
        generation.say(Kind::Answer, &denial::still_being_read(&progress.question, being_read));
    }
    Ok(outcome)
}

/// From documents a small model reads off its likeliest words, so that the same question gets the
/// same answer; asked again, it may find others. A provider's model keeps its own default: some
/// refuse any other.
fn temperature(plan: &Plan, sources: &[RetrievedChunk]) -> Option<f32> {
    let read_off = plan.model.provider == LOCAL && !sources.is_empty();
    (read_off && plan.cause != Cause::AskedAgain).then_some(0.0)
}

/// Says that the documents hold no answer, or not yet, without asking a model.
async fn deny(
    chat: &Chat,
    plan: &Plan,
    generation: &Generation,
    question: String,
    nothing: Searched,
) -> Result<Outcome, Outcome> {
    let text = denial::nothing_found(&question, &nothing.retrieval);
    let numbers = vec![None; nothing.retrieval.chunks.len()];
    let retrieval = Some(explained(nothing, &numbers));
    let context = Context { question, retrieval, prompt: Vec::new() };
    mark_streaming(chat, plan, None, &context).await?;
    generation.say(Kind::Answer, &text);
    Ok(Outcome::Completed { reason: NOT_FOUND.to_owned() })
}

/// The words of the sources, found off the threads that serve requests.
async fn grounds(question: &str, sources: &Arc<[RetrievedChunk]>) -> Arc<Grounds> {
    let (question, sources) = (question.to_owned(), Arc::clone(sources));
    let read = tokio::task::spawn_blocking(move || Grounds::new(&question, &sources));
    Arc::new(read.await.unwrap_or_default())
}

/// The question that is answered and the settings of its conversation.
async fn beginning(chat: &Chat, plan: &Plan) -> Result<(Message, Known), ChatError> {
    let mut tx = chat.inner.db.begin_as(plan.user_id).await?;
    let pair = crate::messages::store::walk(&mut tx, plan.user_id, plan.message_id, 2).await?;
    let settings =
        crate::configs::store::known(&mut tx, plan.user_id, plan.conversation_id).await?;
    tx.commit().await?;
    let question = pair.into_iter().find(|message| message.role == MessageRole::User);
    Ok((question.ok_or(ChatError::NotFound("question"))?, settings))
}

/// Adds the turns before the question, newest first, until the prompt is full. Turns without an
/// answer are left out.
async fn add_history(
    chat: &Chat,
    plan: &Plan,
    question: &Message,
    prompt: &mut Prompt,
) -> Result<(), ChatError> {
    let mut next = question.parent_id;
    while let Some(last) = next {
        let mut tx = chat.inner.db.begin_as(plan.user_id).await?;
        let page = crate::messages::store::walk(&mut tx, plan.user_id, last, HISTORY_PAGE).await?;
        tx.commit().await?;
        next = page.first().and_then(|message| message.parent_id);
        // The page holds whole turns, because its limit is even and answers follow questions.
        let mut answer: Option<Message> = None;
        for message in page.into_iter().rev() {
            match message.role {
                MessageRole::Assistant => answer = Some(message),
                MessageRole::User => {
                    let Some(answer) = answer.take().filter(|a| !a.content.trim().is_empty())
                    else {
                        continue;
                    };
                    let turn = Turn { question: message.content, answer: answer.content };
                    if !prompt.push_older(turn) {
                        return Ok(());
                    }
                }
                MessageRole::System | MessageRole::Tool => {}
            }
        }
    }
    Ok(())
}

async fn mark_streaming(
    chat: &Chat,
    plan: &Plan,
    model: Option<&ModelConfig>,
    context: &Context,
) -> Result<(), Outcome> {
    let mut tx = chat.inner.db.begin_as(plan.user_id).await.map_err(ChatError::from)?;
    let found = store::mark_streaming(&mut tx, plan, model, context, chat.inner.clock.now())
        .await
        .map_err(ChatError::from)?;
    tx.commit().await.map_err(ChatError::from)?;
    if found { Ok(()) } else { Err(Outcome::Ended(End::Deleted)) }
}

/// Asks the model and takes down what it says.
async fn ask(
    chat: &Chat,
    plan: &Plan,
    generation: &Generation,
    request: ChatRequest,
    mut marker: Option<Marker>,
) -> Result<Outcome, Outcome> {
    let context = CallContext {
        api_key_id: plan.api_key_id,
        conversation_id: Some(plan.conversation_id),
        message_id: Some(plan.message_id),
        request_id: plan.request_id,
        ..CallContext::new(plan.user_id, Purpose::Chat)
    };
    let stream = chat.inner.gateway.chat(context, &plan.model, request).await;
    let mut stream = stream.map_err(|error| Outcome::failed(&error))?;
    while let Some(event) = stream.next().await {
        match event.map_err(|error| Outcome::failed(&error))? {
            ChatEvent::Text(text) | ChatEvent::Refusal(text) => {
                generation.say(Kind::Answer, &text);
                if let Some(marker) = &mut marker {
                    marker.follow(generation, &text);
                }
            }
            ChatEvent::Reasoning(text) => generation.say(Kind::Reasoning, &text),
            ChatEvent::Started { .. } | ChatEvent::ToolCall(_) | ChatEvent::Counted(_) => {}
            ChatEvent::Finished { reason, .. } => return Ok(finished(generation, &reason)),
        }
        if generation.is_full() {
            return Ok(Outcome::Completed { reason: "length".to_owned() });
        }
    }
    Err(Outcome::internal())
}

fn finished(generation: &Generation, reason: &FinishReason) -> Outcome {
    let reason = match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Other(other) => other,
    };
    if generation.text().0.trim().is_empty() {
        let detail = match reason {
            "content_filter" => "The provider withheld the answer.".to_owned(),
            "length" => "The model used up its tokens before it answered.".to_owned(),
            _ => "The model gave an empty answer; try again.".to_owned(),
        };
        return Outcome::Failed { code: "empty_answer".to_owned(), detail };
    }
    Outcome::Completed { reason: reason.chars().filter(|c| *c != '\0').take(50).collect() }
}
