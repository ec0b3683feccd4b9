//! The one way from a surface to a model.

use std::convert::Infallible;

use axum::body::Body as HttpBody;
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use http::{HeaderName, HeaderValue, header};
use lyceum_llm::LlmError;
use lyceum_llm::surface::Head;

use super::body::Body;
use super::form::Form;
use super::heartbeat::Heartbeat;
use super::ignored::Ignored;
use super::kept::{Found, Sought, keep};
use super::{Failure, describe};
use crate::calls::{Meter, Notice, forecast_of_body};
use crate::limits::Dialect;
use crate::models::Target;
use crate::{CallContext, Gateway, GatewayError, ModelConfig};

/// What is asked.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) form: Form,
    pub(super) body: Body,
    pub(super) streamed: bool,
    /// For a provider whose own form it is.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// One call of a model.
pub(super) struct Call<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) context: CallContext,
    pub(super) model: &'a ModelConfig,
    pub(super) dialect: Dialect,
    /// What of the request has no effect.
    pub(super) ignored: Ignored,
}

impl<'a> Call<'a> {
    /// One of which all has an effect, as far as is known.
    pub(super) fn new(
        gateway: &'a Gateway,
        context: CallContext,
        model: &'a ModelConfig,
        dialect: Dialect,
    ) -> Self {
        Self { gateway, context, model, dialect, ignored: Ignored::default() }
    }

    /// Answers, whatever the surface and the provider: with what is kept of an earlier answer, else
    /// by asking.
    pub(super) async fn answer(mut self, ask: Ask) -> Result<Response, Failure> {
        if self.model.cache.is_some() {
            self.ignored = self.ignored_of(&ask);
        }
        match self.find(Sought::from(&ask)).await? {
            Found::Answer(response) => Ok(response),
            Found::Nothing(place) => {
                let every = self.gateway.inner.settings.heartbeat;
                let heartbeat = ask.streamed.then(|| Heartbeat::new(self.dialect, every));
                let response = keep(place, self.ask_model(ask).await).await?;
                // Behind what is kept: an answer that is given again has no silences.
                Ok(match heartbeat {
                    Some(heartbeat) => heartbeat.keep(response),
                    None => response,
                })
            }
        }
    }

    /// What of a question has no effect, as far as is known before it is asked: a kept answer tells of
    /// it as well.
    fn ignored_of(&self, ask: &Ask) -> Ignored {
        let Ask { form, body, .. } = ask;
        let (model, members) = (&self.model.model, body.as_members());
        let left_out = match &self.model.target {
            target if !form.is_spoken_at(target) => return form.ignored(body, self.model),
            Target::OpenAi(client) => client.left_out_from(model, members),
            Target::Responses(client) => client.left_out_from(model, members),
            _ => Vec::new(),
        };
        let mut ignored = Ignored::default();
        ignored.add(left_out);
        ignored
    }

    /// Asks: the request is passed on as it came where the provider speaks the surface's own form,
    /// and translated otherwise. Each way has a place of its own: a future is as large as its largest
    /// part, and is moved as a whole.
    async fn ask_model(self, ask: Ask) -> Result<Response, Failure> {
        match (&self.model.target, ask.form) {
            (Target::OpenAi(client), Form::Chat { .. } | Form::Completions { .. }) => {
                Box::pin(self.forward(client, ask)).await
            }
            (Target::Anthropic(client), Form::Messages) => Box::pin(self.relay(client, ask)).await,
            (Target::Responses(client), Form::Responses) => Box::pin(self.relay(client, ask)).await,
            _ => Box::pin(self.translate(ask)).await,
        }
    }

    /// Admits the call that sends this body.
    pub(super) async fn begin(&self, sent: &Bytes) -> Result<Meter, GatewayError> {
        let forecast = || forecast_of_body(sent);
        let meter = self.gateway.begin(self.context.clone(), self.model, forecast).await?;
        Ok(meter.with_body(sent.clone()))
    }

    /// What every piece of the answer repeats.
    pub(super) fn head(&self) -> Head {
        Head {
            seed: self.context.request_id.simple().to_string(),
            created: self.gateway.inner.clock.now().timestamp(),
            model: self.model.model.clone(),
        }
    }

    /// An answer in one piece.
    pub(super) fn document(&self, answer: Bytes, notice: &Notice) -> Response {
        let mut response = Response::new(HttpBody::from(answer));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        self.described(response, notice)
    }

    /// An answer as a stream of events.
    pub(super) fn events(
        &self,
        pieces: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
        notice: &Notice,
    ) -> Response {
        let mut response = Response::new(HttpBody::from_stream(pieces));
        stream_headers(&mut response);
        self.described(response, notice)
    }

    fn described(&self, mut response: Response, notice: &Notice) -> Response {
        let headers = response.headers_mut();
        describe(headers, self.dialect, self.context.request_id, self.model, notice);
        self.ignored.describe(headers);
        response
    }
}

/// Records a call that got no answer.
pub(super) async fn failed(mut meter: Meter, error: LlmError) -> Failure {
    meter.refused(&error);
    meter.fail(error.into()).await.into()
}

/// The headers of every stream of events.
pub(super) fn stream_headers(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}
