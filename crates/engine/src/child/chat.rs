//! `/v1/chat/completions`.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use lyceum_core::{Clock, new_id};
use lyceum_llm::openai::{
    Choice, ChunkChoice, ChunkDelta, Completion, CompletionChunk, CompletionMessage, WireUsage,
};
use lyceum_llm::{ChatRequest, FinishReason, ModelKind, Usage};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::failure::Failure;
use super::models::{Loaded, Models, Work};
use crate::native::{ChatJob, ChatOutput, ChatUsage, EndReason, Grammar, Sampling, Token};

/// Whose request it is, for the turns in the queue.
pub(crate) const USER_HEADER: &str = "x-lyceum-user";
/// Tokens of an answer where the caller sets no limit: small models can talk without end.
const DEFAULT_MAX_TOKENS: usize = 2048;
/// What small models do best with, where the caller does not say.
const DEFAULT_TEMPERATURE: f32 = 0.7;
const DEFAULT_TOP_P: f32 = 0.9;
const DEFAULT_REPEAT_PENALTY: f32 = 1.05;

/// What the answer carries on every chunk.
#[derive(Clone)]
struct Envelope {
    id: String,
    created: i64,
    model: String,
}

pub(super) async fn complete(
    State(models): State<Arc<Models>>,
    headers: HeaderMap,
    body: Result<Json<ChatRequest>, JsonRejection>,
) -> Result<Response, Failure> {
    let Json(request) = body.map_err(|error| Failure::Invalid(error.body_text()))?;
    let loaded = models.get(&request.model, ModelKind::Chat).await?;
    let envelope = Envelope {
        id: format!("chatcmpl-{}", new_id().simple()),
        created: Clock::system().now().timestamp(),
        model: request.model.clone(),
    };
    let flag = |value: Option<&Value>| value.and_then(Value::as_bool).unwrap_or(false);
    let streamed = flag(request.extra.get("stream"));
    let options = request.extra.get("stream_options");
    let with_usage = flag(options.and_then(|options| options.get("include_usage")));
    let output = submit(loaded, request, user_of(&headers)).await?;
    match streamed {
        true => Ok(Sse::new(events(output, envelope, with_usage)).into_response()),
        false => whole(output, envelope).await,
    }
}

/// The key by which requests take turns.
pub(super) fn user_of(headers: &HeaderMap) -> String {
    let user = headers.get(USER_HEADER).and_then(|value| value.to_str().ok());
    user.unwrap_or_default().to_owned()
}

/// Hands the request to the model's thread and waits until its turn comes.
async fn submit(
    loaded: Arc<Loaded>,
    request: ChatRequest,
    user: String,
) -> Result<UnboundedReceiver<ChatOutput>, Failure> {
    let Work::Chat { inbox, context, .. } = &loaded.work else {
        return Err(Failure::Invalid("not a chat model".to_owned()));
    };
    let context = *context;
    let sampling = sampling(&request)?;
    let stops = stops(&request)?;
    let wanted = request.max_tokens.map_or(DEFAULT_MAX_TOKENS, |tokens| tokens as usize);
    let prompt = prompt(&loaded, request).await?;
    if prompt.len() >= context {
        return Err(Failure::TooLong(format!(
            "This model's maximum context length is {context} tokens; the messages have {}.",
            prompt.len()
        )));
    }
    let max_tokens = wanted.clamp(1, context - prompt.len());
    let (sender, mut output) = unbounded_channel();
    let job = ChatJob { prompt, user: user.clone(), max_tokens, sampling, stops, output: sender };
    let pushed = inbox.push(&user, false, job, |job| !job.output.is_closed());
    pushed.map_err(|_| Failure::Busy)?;
    match output.recv().await {
        Some(ChatOutput::Started) => Ok(output),
        Some(ChatOutput::Failed(reason)) => Err(Failure::Invalid(reason)),
        _ => Err(Failure::Native("the model was unloaded".to_owned())),
    }
}

async fn prompt(loaded: &Arc<Loaded>, request: ChatRequest) -> Result<Vec<Token>, Failure> {
    let loaded = loaded.clone();
    let build = move || {
        let Work::Chat { template, .. } = &loaded.work else { return Ok(Vec::new()) };
        let pieces = template.render(&request.messages)?;
        let tokens = pieces.iter().flat_map(|piece| loaded.native.tokenize(piece, false, true));
        Ok(tokens.collect())
    };
    let built = tokio::task::spawn_blocking(build).await;
    built.map_err(|error| Failure::Native(error.to_string()))?
}

fn sampling(request: &ChatRequest) -> Result<Sampling, Failure> {
    let number = |name: &str| request.extra.get(name).and_then(Value::as_f64).unwrap_or(0.0) as f32;
    let refuse = |what: &str| Err(Failure::Invalid(format!("local models do not offer {what}")));
    if request.extra.get("n").and_then(Value::as_u64).is_some_and(|count| count > 1) {
        return refuse("several answers at once (n)");
    }
    let tools = request.extra.get("tools").and_then(Value::as_array);
    if tools.is_some_and(|tools| !tools.is_empty()) {
        return refuse("tools");
    }
    let temperature = request.temperature.unwrap_or(DEFAULT_TEMPERATURE);
    let top_p = request.top_p.unwrap_or(DEFAULT_TOP_P);
    if !(0.0..=2.0).contains(&temperature) || !(0.0..=1.0).contains(&top_p) {
        let reason = "temperature must be within 0 and 2, top_p within 0 and 1";
        return Err(Failure::Invalid(reason.to_owned()));
    }
    let seed = request.seed.and_then(|seed| u64::try_from(seed).ok());
    let seed = seed.unwrap_or_else(|| new_id().as_u128() as u64);
    Ok(Sampling {
        temperature,
        top_p,
        repeat_penalty: DEFAULT_REPEAT_PENALTY,
        frequency_penalty: number("frequency_penalty"),
        presence_penalty: number("presence_penalty"),
        seed: (seed ^ (seed >> 32)) as u32,
        grammar: grammar(request)?,
    })
}

fn grammar(request: &ChatRequest) -> Result<Option<Grammar>, Failure> {
    let Some(format) = request.extra.get("response_format") else { return Ok(None) };
    let schema = match format.get("type").and_then(Value::as_str) {
        None | Some("text") => return Ok(None),
        Some("json_object") => json!({ "type": "object" }),
        Some("json_schema") => format.pointer("/json_schema/schema").cloned().unwrap_or(json!({})),
        Some(other) => {
            return Err(Failure::Invalid(format!("response_format '{other}' is not known")));
        }
    };
    let grammar = Grammar::of_json_schema(&schema);
    grammar.map(Some).map_err(|error| Failure::Invalid(format!("response_format: {error}")))
}

fn stops(request: &ChatRequest) -> Result<Vec<String>, Failure> {
    match &request.stop {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(stop)) => Ok(vec![stop.clone()]),
        Some(other) => serde_json::from_value(other.clone())
            .map_err(|_| Failure::Invalid("stop must be a string or a list of strings".to_owned())),
    }
}

fn events(
    output: UnboundedReceiver<ChatOutput>,
    envelope: Envelope,
    with_usage: bool,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let first = chunk(&envelope, Some(("assistant", String::new())), None);
    let rest = stream::unfold(Some(output), |output| async {
        let mut output = output?;
        let next = output.recv().await;
        let ended = !matches!(next, Some(ChatOutput::Text(_) | ChatOutput::Started));
        Some((next, (!ended).then_some(output)))
    });
    let rest = rest.flat_map(move |output| {
        let data = match output {
            Some(ChatOutput::Started) => Vec::new(),
            Some(ChatOutput::Text(text)) => vec![chunk(&envelope, Some(("", text)), None)],
            Some(ChatOutput::Finished(reason, usage)) => end(&envelope, reason, usage, with_usage),
            Some(ChatOutput::Failed(reason)) => vec![failed(reason)],
            None => vec![failed("the model was unloaded".to_owned())],
        };
        stream::iter(data)
    });
    stream::once(async { first }).chain(rest).map(|data| Ok(Event::default().data(data)))
}

fn failed(reason: String) -> String {
    json!({ "error": Failure::Native(reason).to_json() }).to_string()
}

fn end(envelope: &Envelope, reason: EndReason, usage: ChatUsage, with_usage: bool) -> Vec<String> {
    let mut data = vec![chunk(envelope, None, Some(reason))];
    if with_usage {
        let usage = WireUsage::from(Usage::from(usage));
        data.push(to_text(&CompletionChunk { usage: Some(usage), ..bare(envelope) }));
    }
    data.push("[DONE]".to_owned());
    data
}

fn bare(envelope: &Envelope) -> CompletionChunk {
    CompletionChunk {
        id: envelope.id.clone(),
        object: "chat.completion.chunk".to_owned(),
        created: envelope.created,
        model: envelope.model.clone(),
        ..CompletionChunk::default()
    }
}

fn chunk(
    envelope: &Envelope,
    text: Option<(&'static str, String)>,
    reason: Option<EndReason>,
) -> String {
    let mut delta = ChunkDelta::default();
    if let Some((role, text)) = text {
        delta.role = (!role.is_empty()).then_some(role.into());
        delta.content = Some(text);
    }
    let finish_reason = reason.map(FinishReason::from);
    let choice = ChunkChoice { delta, finish_reason, ..ChunkChoice::default() };
    to_text(&CompletionChunk { choices: vec![choice], ..bare(envelope) })
}

fn to_text(chunk: &CompletionChunk) -> String {
    serde_json::to_string(chunk).unwrap_or_default()
}

async fn whole(
    mut output: UnboundedReceiver<ChatOutput>,
    envelope: Envelope,
) -> Result<Response, Failure> {
    let mut content = String::new();
    loop {
        match output.recv().await {
            Some(ChatOutput::Started) => {}
            Some(ChatOutput::Text(text)) => content += &text,
            Some(ChatOutput::Finished(reason, usage)) => {
                return Ok(completion(envelope, content, reason, usage).into_response());
            }
            Some(ChatOutput::Failed(reason)) => return Err(Failure::Native(reason)),
            None => return Err(Failure::Native("the model was unloaded".to_owned())),
        }
    }
}

fn completion(
    envelope: Envelope,
    content: String,
    reason: EndReason,
    usage: ChatUsage,
) -> Json<Completion> {
    let message = CompletionMessage {
        role: "assistant".into(),
        content: Some(content),
        ..CompletionMessage::default()
    };
    Json(Completion {
        id: envelope.id,
        object: "chat.completion".into(),
        created: envelope.created,
        model: envelope.model,
        choices: vec![Choice { index: 0, message, finish_reason: Some(reason.into()) }],
        usage: Some(WireUsage::from(Usage::from(usage))),
    })
}

impl From<EndReason> for FinishReason {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::Stop => FinishReason::Stop,
            EndReason::Length => FinishReason::Length,
        }
    }
}

impl From<ChatUsage> for Usage {
    fn from(usage: ChatUsage) -> Self {
        Self {
            prompt_tokens: usage.prompt as u64,
            completion_tokens: usage.completion as u64,
            cached_tokens: usage.cached as u64,
            ..Usage::default()
        }
    }
}
