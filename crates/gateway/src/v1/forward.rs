//! Passing a request on to an OpenAI-compatible provider and its answer back, unread but for the
//! usage.

use axum::body::Body as HttpBody;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderValue, header};
use lyceum_llm::openai::{CompletionChunk, Frame, Frames, OpenAiClient, WireUsage};
use lyceum_llm::{ChatModel as _, FinishReason, LlmError, Usage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::Body;
use super::{Failure, describe, translate};
use crate::calls::{Meter, forecast_of_body};
use crate::{CallContext, Gateway, GatewayError, MeteredStream, ModelConfig};

/// One call to be passed on.
pub(super) struct Call<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) context: CallContext,
    pub(super) model: &'a ModelConfig,
    pub(super) client: &'a OpenAiClient,
}

/// What is read of an answer that is not streamed.
#[derive(Deserialize)]
struct Glance {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
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
    message: Option<GlanceMessage>,
    #[serde(default)]
    finish_reason: Option<FinishReason>,
}

impl Glance {
    /// Whether the provider said nothing at all and names its content filter for it.
    fn is_withheld(&self) -> bool {
        let mut choices = self.choices.iter().flatten().peekable();
        choices.peek().is_some()
            && choices.all(|choice| {
                let content = choice.message.as_ref().and_then(|message| message.content.as_ref());
                choice.finish_reason == Some(FinishReason::ContentFilter)
                    && content.is_none_or(String::is_empty)
            })
    }
}

#[derive(Deserialize)]
struct GlanceMessage {
    #[serde(default)]
    content: Option<String>,
}

impl Call<'_> {
    /// Passes on a request for vectors.
    pub(super) async fn embeddings(self, body: Body) -> Result<Response, Failure> {
        let sent = body.to_bytes()?;
        let meter = self.begin(&sent).await?;
        match self.ask("embeddings", sent).await {
            Ok(answer) => self.answered(meter, answer).await,
            Err(error) => Err(failed(meter, error).await),
        }
    }

    /// Passes on a request whose answer comes in one piece.
    pub(super) async fn completion(self, body: Body) -> Result<Response, Failure> {
        let sent = body.to_bytes()?;
        let meter = self.begin(&sent).await?;
        match self.ask("chat/completions", sent).await {
            Ok(answer) => self.answered(meter, answer).await,
            // Some models only stream, those that think above all.
            Err(LlmError::Rejected(words)) if wants_stream(&words) => {
                let request = translate::request(body)?;
                let request_id = self.context.request_id;
                let attempt = &self.context.attempt;
                let opened = match attempt.in_time(self.client.chat(request)).await {
                    Ok(events) => attempt.opened(events).await,
                    Err(error) => Err(error.into()),
                };
                match opened {
                    Ok(events) => {
                        let events = MeteredStream::new(events, meter);
                        translate::whole(self.gateway, self.model, request_id, events).await
                    }
                    Err(unopened) => Err(meter.unopened(unopened).await.into()),
                }
            }
            Err(error) => Err(failed(meter, error).await),
        }
    }

    /// Admits the call that sends this body.
    async fn begin(&self, sent: &Bytes) -> Result<Meter, GatewayError> {
        let forecast = || forecast_of_body(sent);
        let meter = self.gateway.begin(self.context.clone(), self.model, forecast).await?;
        Ok(meter.with_body(sent.clone()))
    }

    async fn ask(&self, path: &str, body: Bytes) -> Result<(Bytes, Glance), LlmError> {
        let answer = async {
            let response = self.client.post(path, body).await?;
            glance(self.client, self.client.read(response).await?)
        };
        self.context.attempt.in_time(answer).await
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
        let texts = glance.choices.iter().flatten().filter_map(|choice| choice.message.as_ref());
        for text in texts.filter_map(|message| message.content.as_deref()) {
            meter.text(text);
        }
        meter.complete(usage).await?;
        let mut response = Response::new(HttpBody::from(answer));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        describe(response.headers_mut(), self.context.request_id, self.model, &notice);
        Ok(response)
    }

    /// Passes on a request whose answer is streamed.
    pub(super) async fn stream(
        self,
        mut body: Body,
        with_usage: bool,
    ) -> Result<Response, Failure> {
        let asked = body.to_bytes()?;
        body.set("stream_options", json!({ "include_usage": true }))?;
        let request_id = self.context.request_id;
        let sent = body.to_bytes()?;
        let meter = self.begin(&sent).await?;
        let notice = meter.notice();
        let attempt = &self.context.attempt;
        let mut answer = attempt.in_time(self.client.post("chat/completions", sent)).await;
        // Older servers know no stream_options.
        if let Err(LlmError::Rejected(words)) = &answer
            && words.contains("stream_options")
            && !with_usage
        {
            body = Body::from_bytes(&asked)?;
            body.remove("stream_options");
            let plain = self.client.post("chat/completions", body.to_bytes()?);
            answer = attempt.in_time(plain).await;
        }
        let opened = match answer {
            Ok(response) => attempt.opened_frames(self.client, self.client.frames(response)).await,
            Err(error) => Err(error.into()),
        };
        let frames = match opened {
            Ok(frames) => frames,
            Err(unopened) => return Err(meter.unopened(unopened).await.into()),
        };
        let relay = Relay {
            client: self.client.clone(),
            meter,
            held: Vec::new(),
            ended: false,
            with_usage,
        };
        let mut response = Response::new(HttpBody::from_stream(relay.run(frames)));
        stream_headers(&mut response);
        describe(response.headers_mut(), request_id, self.model, &notice);
        Ok(response)
    }
}

/// Records a call that got no answer.
async fn failed(mut meter: Meter, error: LlmError) -> Failure {
    meter.refused(&error);
    meter.fail(error.into()).await.into()
}

/// Whether a provider refused to answer in one piece.
fn wants_stream(words: &str) -> bool {
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

/// The headers of every stream of events.
pub(super) fn stream_headers(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}

/// One event with `data`.
pub(super) fn event(data: &str) -> Bytes {
    // Data never holds a line break: it is JSON on one line or was joined from several lines.
    let mut text = String::with_capacity(data.len() + 8);
    for line in data.split('\n') {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text.into()
}

/// A stream on its way through.
struct Relay {
    client: OpenAiClient,
    meter: Meter,
    /// The end of the answer, kept back until the call is in the ledger.
    held: Vec<Bytes>,
    ended: bool,
    with_usage: bool,
}

impl Relay {
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
            let failure = match failure {
                Some(LlmError::BrokenStream(_) | LlmError::Timeout(_)) if self.ended => None,
                failure => failure.or_else(|| (!done && !self.ended).then(early)),
            };
            let Relay { mut meter, held, .. } = self;
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
        let chunk: CompletionChunk = serde_json::from_str(data).map_err(|error| {
            LlmError::Malformed(format!("an event is not a completion chunk ({error})"))
        })?;
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
            let delta = &choice.delta;
            for text in [&delta.content].into_iter().flatten() {
                self.meter.text(text);
                more |= !text.is_empty();
            }
            for text in [&delta.reasoning_content, &delta.reasoning].into_iter().flatten() {
                self.meter.reasoning(text);
                more |= !text.is_empty();
            }
            for call in &delta.tool_calls {
                self.meter.text(&call.function.arguments);
                more = true;
            }
            ends |= choice.finish_reason.is_some();
        }
        self.ended |= ends;
        // The closing usage is ours; the caller gets it if they asked for it.
        if chunk.choices.is_empty() && chunk.usage.is_some() && !self.with_usage {
            return Ok(Vec::new());
        }
        if ends || (self.ended && !more) {
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
    event(&Failure::from(error).document().to_string())
}
