//! Passing a request on to an OpenAI-compatible provider and its answer back, unread but for the
//! usage.

use std::collections::BTreeSet;

use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt as _;
use lyceum_llm::openai::{
    ChunkDelta, CompletionChunk, Frame, Frames, OpenAiClient, WireUsage, readable,
};
use lyceum_llm::{ChatModel as _, FinishReason, LlmError, Usage, sse};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Failure;
use super::body::Body;
use super::call::{Ask, Call, failed};
use super::form::{Form, fit};
use crate::calls::Meter;
use crate::{GatewayError, MeteredStream};

/// What is read of an answer that is not streamed. What has an unknown form counts as absent.
#[derive(Deserialize)]
struct Glance {
    #[serde(default, deserialize_with = "readable")]
    model: Option<String>,
    #[serde(default, deserialize_with = "readable")]
    usage: Option<WireUsage>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    code: Option<Value>,
    #[serde(default)]
    message: Option<Value>,
    #[serde(default)]
    choices: Option<Vec<GlanceChoice>>,
}

#[derive(Deserialize)]
struct GlanceChoice {
    #[serde(default)]
    message: Option<ChunkDelta>,
    /// Of the older completions.
    #[serde(default, deserialize_with = "readable")]
    text: Option<String>,
    #[serde(default, deserialize_with = "readable")]
    finish_reason: Option<FinishReason>,
}

impl GlanceChoice {
    /// Whether it has words for the caller.
    fn speaks(&self) -> bool {
        let message = self.message.iter().flat_map(|message| [&message.content, &message.refusal]);
        message.chain([&self.text]).flatten().any(|text| !text.is_empty())
    }
}

impl Glance {
    /// Whether it says of each of its choices why it ended.
    fn is_finished(&self) -> bool {
        let mut choices = self.choices.iter().flatten().peekable();
        choices.peek().is_some() && choices.all(|choice| choice.finish_reason.is_some())
    }

    /// Whether the provider said nothing at all and names its content filter for it.
    fn is_withheld(&self) -> bool {
        let mut choices = self.choices.iter().flatten().peekable();
        let is_withheld = |choice: &GlanceChoice| {
            choice.finish_reason == Some(FinishReason::ContentFilter) && !choice.speaks()
        };
        choices.peek().is_some() && choices.all(is_withheld)
    }
}

impl Call<'_> {
    /// Passes on a request for vectors.
    pub(super) async fn embeddings(
        self,
        client: &OpenAiClient,
        body: Body,
    ) -> Result<Response, Failure> {
        let sent = body.to_bytes()?;
        let meter = self.begin(&sent).await?;
        match meter.in_time(ask(client, "embeddings", sent)).await {
            Ok(answer) => self.answered(meter, answer).await,
            Err(error) => Err(failed(meter, error).await),
        }
    }

    /// Passes on a request for an answer.
    pub(super) async fn forward(
        self,
        client: &OpenAiClient,
        mut question: Ask,
    ) -> Result<Response, Failure> {
        question.form.aim(&mut question.body, self.model)?;
        match question.streamed {
            true => Box::pin(self.streamed(client, question)).await,
            false => self.completion(client, question).await,
        }
    }

    /// Passes on a request whose answer comes in one piece.
    async fn completion(self, client: &OpenAiClient, question: Ask) -> Result<Response, Failure> {
        let sent = question.body.to_bytes()?;
        let mut meter = self.begin(&sent).await?;
        match meter.in_time(ask(client, path(question.form), sent)).await {
            Ok((answer, glance)) => {
                if !glance.is_finished() {
                    meter.unfinished();
                }
                self.answered(meter, (answer, glance)).await
            }
            // Some models only stream, those that think above all; many know no older completions.
            Err(error) if wants_stream(&error) || wants_messages(question.form, &error) => {
                Box::pin(self.other_way(client, question, meter, error)).await
            }
            Err(error) => Err(failed(meter, error).await),
        }
    }

    /// Asks for a stream of a chat completion instead, within the same call.
    async fn other_way(
        mut self,
        client: &OpenAiClient,
        question: Ask,
        mut meter: Meter,
        refusal: LlmError,
    ) -> Result<Response, Failure> {
        let Ask { form, body, streamed, .. } = question;
        let prepared =
            form.request(&body).and_then(|request| Ok((request, form.writer(self.head(), &body)?)));
        let (mut request, writer) = match prepared {
            Ok(prepared) => prepared,
            Err(failure) => {
                meter.refused(&refusal);
                meter.fail(refusal.into()).await;
                return Err(failure);
            }
        };
        fit(&mut request, self.model);
        self.ignored = form.ignored(&body, self.model);
        let attempt = &self.context.attempt;
        let opened = match meter.in_time(client.chat(request)).await {
            Ok(events) => attempt.opened(events).await,
            Err(error) => Err(error.into()),
        };
        match opened {
            Ok(events) => self.written(writer, MeteredStream::new(events, meter), streamed).await,
            Err(unopened) => Err(meter.unopened(unopened).await.into()),
        }
    }

    async fn answered(
        self,
        mut meter: Meter,
        (answer, glance): (Bytes, Glance),
    ) -> Result<Response, Failure> {
        let notice = meter.notice();
        let usage = glance.usage.as_ref().map(Usage::from);
        if let Err(unopened) = self.context.attempt.refuse_withheld(glance.is_withheld(), usage) {
            return Err(meter.unopened(unopened).await.into());
        }
        meter.served_by(glance.model.as_deref().unwrap_or_default());
        for choice in glance.choices.iter().flatten() {
            choice.text.iter().for_each(|text| meter.text(text));
            choice.message.iter().for_each(|message| said(&mut meter, message));
            if let Some(reason) = &choice.finish_reason {
                meter.finished(reason);
            }
        }
        meter.complete(usage).await?;
        Ok(self.document(answer, &notice))
    }

    /// Passes on a request whose answer is streamed.
    async fn streamed(self, client: &OpenAiClient, mut question: Ask) -> Result<Response, Failure> {
        let (Form::Chat { with_usage } | Form::Completions { with_usage }) = question.form else {
            return Box::pin(self.translate(question)).await;
        };
        let body = &mut question.body;
        let asked = body.to_bytes()?;
        let mut options = body.get::<Map<String, Value>>("stream_options")?.unwrap_or_default();
        options.insert("include_usage".to_owned(), true.into());
        body.set("stream_options", options)?;
        let sent = body.to_bytes()?;
        let meter = self.begin(&sent).await?;
        let notice = meter.notice();
        let attempt = &self.context.attempt;
        let mut answer = meter.in_time(client.post(path(question.form), sent)).await;
        // Older servers know no stream_options.
        if let Err(LlmError::Rejected(words)) = &answer
            && words.contains("stream_options")
            && !with_usage
        {
            *body = Body::from_bytes(&asked)?;
            body.remove("stream_options");
            let plain = client.post(path(question.form), body.to_bytes()?);
            answer = meter.in_time(plain).await;
        }
        let opened = match answer {
            Ok(response) => attempt.opened_frames(client, client.frames(response)).await,
            Err(error) if wants_messages(question.form, &error) => {
                return Box::pin(self.other_way(client, question, meter, error)).await;
            }
            Err(error) => Err(error.into()),
        };
        let frames = match opened {
            Ok(frames) => frames,
            Err(unopened) => return Err(meter.unopened(unopened).await.into()),
        };
        let held = Vec::new();
        let (begun, ended) = (BTreeSet::new(), BTreeSet::new());
        let relay = Relay { client: client.clone(), meter, held, begun, ended, with_usage };
        Ok(self.events(relay.run(frames), &notice))
    }
}

fn path(form: Form) -> &'static str {
    match form {
        Form::Completions { .. } => "completions",
        _ => "chat/completions",
    }
}

/// An answer in one piece.
async fn ask(client: &OpenAiClient, path: &str, body: Bytes) -> Result<(Bytes, Glance), LlmError> {
    let response = client.post(path, body).await?;
    glance(client, client.read(response).await?)
}

/// Notes a message, or what is new of one.
fn said(meter: &mut Meter, delta: &ChunkDelta) {
    for text in [&delta.content, &delta.refusal].into_iter().flatten() {
        meter.text(text);
    }
    if let Some(text) = &delta.reasoning_content {
        meter.reasoning(text);
    }
    for call in &delta.tool_calls {
        meter.text(&call.function.arguments);
    }
}

/// Whether a provider refused the older completions, which most have given up.
fn wants_messages(form: Form, error: &LlmError) -> bool {
    let refused = match error {
        LlmError::UnknownModel(_) => true,
        LlmError::Rejected(words) => words == "Method Not Allowed" || words.contains("chat"),
        _ => false,
    };
    refused && matches!(form, Form::Completions { .. })
}

/// Whether a provider refused to answer in one piece.
fn wants_stream(error: &LlmError) -> bool {
    let LlmError::Rejected(words) = error else { return false };
    let words = words.to_lowercase();
    ["only support stream", "non-streaming", "stream=false", "stream=`false`"]
        .iter()
        .any(|phrase| words.contains(phrase))
}

fn glance(client: &OpenAiClient, answer: Bytes) -> Result<(Bytes, Glance), LlmError> {
    let glance: Glance = serde_json::from_slice(&answer).map_err(|error| {
        LlmError::Malformed(format!("not the JSON of the OpenAI protocol ({error})"))
    })?;
    let failure = CompletionChunk {
        error: glance.error.clone(),
        code: glance.code.clone(),
        message: glance.message.clone(),
        ..CompletionChunk::default()
    };
    match failure.failure() {
        Some(error) => Err(client.member_error(&error)),
        None => Ok((answer, glance)),
    }
}

/// One event with `data`.
pub(super) fn event(data: &str) -> Bytes {
    sse::event(None, data).into()
}

/// A stream on its way through.
struct Relay {
    client: OpenAiClient,
    meter: Meter,
    /// The end of the answer, kept back until the call is in the ledger.
    held: Vec<Bytes>,
    /// The choices that have begun, and those of which the model said why they ended.
    begun: BTreeSet<u32>,
    ended: BTreeSet<u32>,
    with_usage: bool,
}

impl Relay {
    /// Whether all that began has ended.
    fn is_whole(&self) -> bool {
        !self.ended.is_empty() && self.begun.is_subset(&self.ended)
    }

    fn run(
        mut self,
        mut frames: Frames,
    ) -> impl futures::Stream<Item = Result<Bytes, std::convert::Infallible>> {
        async_stream::stream! {
            let mut done = false;
            let mut begun = false;
            let failure = loop {
                let data = match frames.next().await {
                    Some(Ok(Frame::Data(data))) => data,
                    Some(Ok(Frame::Done)) => {
                        done = true;
                        break None;
                    }
                    Some(Err(error)) => break Some(error),
                    None => break None,
                };
                match self.pass(&data) {
                    Ok(ready) => {
                        begun = true;
                        for piece in ready {
                            yield Ok(piece);
                        }
                    }
                    Err(error) => break Some(error),
                }
            };
            drop(frames);
            let early = || LlmError::BrokenStream("the provider ended it early".to_owned());
            // Once the model has said why it ended, a connection that breaks takes nothing away.
            let whole = self.is_whole();
            let failure = match failure {
                Some(LlmError::BrokenStream(_) | LlmError::Timeout(_)) if whole => None,
                failure => failure.or_else(|| (!done && !whole).then(early)),
            };
            let Relay { mut meter, held, .. } = self;
            if !whole {
                meter.unfinished();
            }
            let closing = match failure {
                Some(error) => {
                    // Some providers refuse with status 200 and say so in the first event.
                    if !begun {
                        meter.refused(&error);
                    }
                    Err(meter.fail(error.into()).await)
                }
                None => meter.complete(None).await,
            };
            match closing {
                Ok(()) => {
                    for piece in held {
                        yield Ok(piece);
                    }
                    yield Ok(event("[DONE]"));
                }
                Err(error) => yield Ok(error_event(error)),
            }
        }
    }

    /// Reads one event for the ledger; returns what may be passed on now.
    fn pass(&mut self, data: &str) -> Result<Vec<Bytes>, LlmError> {
        let chunk = CompletionChunk::read(data)?;
        if let Some(error) = chunk.failure() {
            return Err(self.client.member_error(&error));
        }
        self.meter.served_by(&chunk.model);
        if let Some(usage) = &chunk.usage {
            self.meter.counted(usage.into());
        }
        let mut more = false;
        let mut ends = false;
        for choice in &chunk.choices {
            self.begun.insert(choice.index);
            choice.text.iter().for_each(|text| self.meter.text(text));
            said(&mut self.meter, &choice.delta);
            more |= choice.says_something();
            if let Some(reason) = &choice.finish_reason {
                self.meter.finished(reason);
                self.ended.insert(choice.index);
                ends = true;
            }
        }
        // The closing usage is ours; the caller gets it if they asked for it.
        if chunk.choices.is_empty() && chunk.usage.is_some() && !self.with_usage {
            return Ok(Vec::new());
        }
        if ends || (!self.ended.is_empty() && !more) {
            self.held.push(event(data));
            return Ok(Vec::new());
        }
        // Another choice goes on after one has ended.
        let mut ready = std::mem::take(&mut self.held);
        ready.push(event(data));
        Ok(ready)
    }
}

/// A failure after the stream has begun.
pub(super) fn error_event(error: GatewayError) -> Bytes {
    event(&Failure::from(error).fault().openai().to_string())
}
