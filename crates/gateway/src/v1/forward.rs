//! Passing a request on to an OpenAI-compatible provider and its answer back, unread but for the
//! usage.

use axum::response::Response;
use bytes::Bytes;
use lyceum_llm::openai::{
    ChunkDelta, CompletionChunk, OpenAiClient, WireUsage, finish_reason, readable,
};
use lyceum_llm::{ChatModel as _, FinishReason, LlmError, Taken, Usage};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Failure;
use super::body::Body;
use super::call::{Ask, Call, failed};
use super::form::Form;
use super::frames::Relay;
use crate::MeteredStream;
use crate::calls::Meter;

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
    #[serde(default, deserialize_with = "finish_reason")]
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
        mut self,
        client: &OpenAiClient,
        mut question: Ask,
    ) -> Result<Response, Failure> {
        self.fit(client, &mut question)?;
        match question.streamed {
            true => Box::pin(self.streamed(client, question)).await,
            false => self.completion(client, question).await,
        }
    }

    /// Fits a question to the model, once its settings have filled in what the caller leaves open. Only
    /// of the caller's own words is told what has no effect.
    fn fit(&mut self, client: &OpenAiClient, question: &mut Ask) -> Result<(), Failure> {
        let Ask { form, body, streamed, .. } = question;
        let model = &self.model.model;
        self.ignored.only_of(body);
        form.aim(body, self.model)?;
        if *streamed {
            let options = body.get::<Map<String, Value>>("stream_options")?;
            let mut options = options.unwrap_or_default();
            options.insert("include_usage".to_owned(), true.into());
            body.set("stream_options", options)?;
        }
        self.ignored.add(client.fit(model, body.members_mut()));
        Ok(())
    }

    /// Passes on a request whose answer comes in one piece.
    async fn completion(
        mut self,
        client: &OpenAiClient,
        mut question: Ask,
    ) -> Result<Response, Failure> {
        let sent = question.body.to_bytes()?;
        let mut meter = self.begin(&sent).await?;
        let asking = complete(client, question.form, sent, &mut question.body);
        let answered = meter.in_time(asking).await;
        match answered {
            Ok(((answer, glance), left_out)) => {
                self.ignored.add(left_out);
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
        let (request, writer) = match prepared {
            Ok(prepared) => prepared,
            Err(failure) => {
                meter.refused(&refusal);
                meter.fail(refusal.into()).await;
                return Err(failure);
            }
        };
        self.ignored.join(form.ignored(&body, self.model));
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
    async fn streamed(
        mut self,
        client: &OpenAiClient,
        mut question: Ask,
    ) -> Result<Response, Failure> {
        let (Form::Chat { with_usage } | Form::Completions { with_usage }) = question.form else {
            return Box::pin(self.translate(question)).await;
        };
        let sent = question.body.to_bytes()?;
        let meter = self.begin(&sent).await?;
        let notice = meter.notice();
        let asking = client.send(path(question.form), sent, question.body.members_mut());
        let answer = meter.in_time(asking).await;
        let attempt = &self.context.attempt;
        let opened = match answer {
            Ok(Taken { response, mut left_out }) => {
                // That every stream should tell its usage is our own wish.
                left_out.retain(|name| with_usage || name != "stream_options");
                self.ignored.add(left_out);
                attempt.opened_frames(client, client.frames(response)).await
            }
            Err(error) if wants_messages(question.form, &error) => {
                return Box::pin(self.other_way(client, question, meter, error)).await;
            }
            Err(error) => Err(error.into()),
        };
        match opened {
            Ok(frames) => {
                let relay = Relay::new(client.clone(), meter, with_usage);
                Ok(self.events(relay.run(frames), &notice))
            }
            Err(unopened) => Err(meter.unopened(unopened).await.into()),
        }
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
    glance(client, client.ask(path, body).await?)
}

/// The same to a request that was fitted, and the members that had to be left out.
async fn complete(
    client: &OpenAiClient,
    form: Form,
    sent: Bytes,
    body: &mut Body,
) -> Result<((Bytes, Glance), Vec<String>), LlmError> {
    let (answer, left_out) = client.send_whole(path(form), sent, body.members_mut()).await?;
    Ok((glance(client, answer)?, left_out))
}

/// Notes a message, or what is new of one.
pub(super) fn said(meter: &mut Meter, delta: &ChunkDelta) {
    for text in [&delta.content, &delta.refusal].into_iter().flatten() {
        meter.text(text);
    }
    if let Some(text) = &delta.reasoning_content {
        meter.reasoning(text);
    }
    for call in &delta.tool_calls {
        meter.text(&call.function.arguments);
    }
    if let Some(call) = &delta.function_call {
        meter.text(&call.arguments);
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
