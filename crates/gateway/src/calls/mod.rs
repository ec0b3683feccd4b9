//! Calls to models: every one is admitted, metered and recorded here.

mod admission;
mod ask;
mod counts;
pub(crate) mod genai;
mod meter;
mod span;
mod stream;
mod tokens;

use std::sync::Arc;

use futures::future::BoxFuture;
use lyceum_http::{Outgoing, SendError};
use lyceum_llm::{
    ChatRequest, EmbeddingRequest, EmbeddingResponse, HttpSend, ModelKind, TransportError,
};
use uuid::Uuid;

pub use genai::{METRIC_BUCKETS, describe_metrics};
pub use stream::MeteredStream;

pub(crate) use admission::{Admission, Notice};
pub(crate) use meter::Meter;
use tokens::tokens_of;
pub(crate) use tokens::{forecast_of_body, prompt_of_body};

use crate::cache::Recall;
use crate::quotas::Forecast;
use crate::routes::{Ask, Attempt, Needs, Seed};
use crate::{Gateway, GatewayError, ModelConfig, Purpose};

/// The most tokens of a built-in model's answer through a route, where the request names none.
const LOCAL_ANSWER: u32 = 2048;

/// Who calls and what for; goes into the ledger row.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// Whose call it is.
    pub user_id: Uuid,
    /// The API key it came with.
    pub api_key_id: Option<Uuid>,
    /// What for.
    pub purpose: Purpose,
    /// The conversation it belongs to.
    pub conversation_id: Option<Uuid>,
    /// The message it answers.
    pub message_id: Option<Uuid>,
    /// The request that it serves; one request may make several calls.
    pub request_id: Uuid,
    /// Which attempt of the request it is, where a route asks.
    pub attempt: Attempt,
    /// What the request says of kept answers; only `/v1` keeps any.
    pub recall: Recall,
    /// Whom it is made for, as a program of `/v1` names them: no user here.
    pub end_user: Option<Arc<str>>,
}

impl CallContext {
    /// A call of `user` that belongs to no conversation, under a new request id.
    pub fn new(user_id: Uuid, purpose: Purpose) -> Self {
        Self {
            user_id,
            api_key_id: None,
            purpose,
            conversation_id: None,
            message_id: None,
            request_id: lyceum_core::new_id(),
            attempt: Attempt::default(),
            recall: Recall::default(),
            end_user: None,
        }
    }
}

/// The outgoing client as the provider clients see it.
pub(crate) struct Http {
    outgoing: Outgoing,
}

impl Http {
    pub(crate) fn new(outgoing: Outgoing) -> Self {
        Self { outgoing }
    }
}

impl HttpSend for Http {
    fn send(
        &self,
        mut request: reqwest::Request,
    ) -> BoxFuture<'_, Result<reqwest::Response, TransportError>> {
        span::note_server(request.url());
        span::tell_trace(request.headers_mut());
        Box::pin(async move {
            let answer = self.outgoing.send(request).await;
            answer.map_err(|error| match error {
                SendError::Reqwest(error) => error.into(),
                SendError::Connecting(cause) => TransportError::Connect(cause),
                SendError::Broken(cause) => TransportError::Broken(cause),
            })
        })
    }
}

impl Gateway {
    /// Asks the model, or the models behind a route in turn. The stream's last event comes after the
    /// call's ledger row is committed; dropping the stream cancels the call at the provider and
    /// records it as cancelled.
    pub async fn chat(
        &self,
        context: CallContext,
        model: &ModelConfig,
        request: ChatRequest,
    ) -> Result<MeteredStream, GatewayError> {
        model.expect(ModelKind::Chat)?;
        let Some(route) = model.route() else {
            return self.chat_once(context, model, request).await;
        };
        let affinity = Seed::of_call(&context, &request);
        let ask = Ask { streamed: true, pin: None, needs: Needs::of(&request), affinity };
        let mut tries = self.tries(context, route, &ask)?;
        loop {
            let (context, target) = tries.attempt()?;
            match self.chat_once(context, target, request.clone()).await {
                Ok(events) => return Ok(events),
                Err(error) => tries.next(error).await?,
            }
        }
    }

    async fn chat_once(
        &self,
        context: CallContext,
        model: &ModelConfig,
        mut request: ChatRequest,
    ) -> Result<MeteredStream, GatewayError> {
        model.expect(ModelKind::Chat)?;
        let port = model.target.chat().ok_or_else(|| model.wrong_kind(ModelKind::Chat))?;
        model.apply_defaults(&mut request);
        if context.attempt.route().is_some() && model.is_local() {
            // It may never end by itself, and who asks a route does not know that it is local.
            request.max_tokens.get_or_insert(LOCAL_ANSWER);
        }
        if model.provider == "dify" {
            // It wants to know people apart, always by the same name.
            let user = || context.user_id.to_string().into();
            request.extra.entry("user").or_insert_with(user);
        }
        let prompt = tokens::prompt_of_request(&request);
        let max_tokens = request.max_tokens.map(u64::from);
        let forecast =
            || Forecast { prompt_tokens: prompt, max_tokens, answers: 1, is_free: false };
        let attempt = context.attempt.clone();
        let mut meter = self.begin(context, model, forecast).await?.with_prompt(prompt);
        meter.requested(|| serde_json::to_vec(&request).unwrap_or_default().into());
        let asking = ask::ask(&self.inner.common, &model.target, port, request);
        let opened = match meter.in_time(asking).await {
            Ok(events) => attempt.opened(events).await,
            Err(error) => Err(error.into()),
        };
        match opened {
            Ok(events) => Ok(MeteredStream::new(events, meter)),
            Err(unopened) => Err(meter.unopened(unopened).await),
        }
    }

    /// Embeds all texts or none.
    pub async fn embed(
        &self,
        context: CallContext,
        model: &ModelConfig,
        request: EmbeddingRequest,
    ) -> Result<EmbeddingResponse, GatewayError> {
        self.embed_noted(context, model, request).await.map(|(response, _)| response)
    }

    /// The same, with how the caller's limits stand.
    pub(crate) async fn embed_noted(
        &self,
        context: CallContext,
        model: &ModelConfig,
        request: EmbeddingRequest,
    ) -> Result<(EmbeddingResponse, Notice), GatewayError> {
        model.expect(ModelKind::Embedding)?;
        let Some(route) = model.route() else {
            return self.embed_once(context, model, request).await;
        };
        let mut tries = self.tries(context, route, &Ask::default())?;
        loop {
            let (context, target) = tries.attempt()?;
            match self.embed_once(context, target, request.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => tries.next(error).await?,
            }
        }
    }

    async fn embed_once(
        &self,
        context: CallContext,
        model: &ModelConfig,
        mut request: EmbeddingRequest,
    ) -> Result<(EmbeddingResponse, Notice), GatewayError> {
        model.expect(ModelKind::Embedding)?;
        let port =
            model.target.embedding().ok_or_else(|| model.wrong_kind(ModelKind::Embedding))?;
        request.model.clone_from(&model.model);
        let sizes: Vec<u64> = request.input.iter().map(|text| tokens_of(text)).collect();
        let prompt = sizes.iter().sum();
        let forecast = || Forecast { prompt_tokens: prompt, ..Forecast::default() };
        let mut meter = self.begin(context, model, forecast).await?.with_prompt(prompt);
        let notice = meter.notice();
        meter.requested(|| {
            let body = serde_json::json!({ "model": request.model, "input": request.input });
            body.to_string().into()
        });
        let mut answered = 0;
        match meter.in_time(port.embed_counted(request, &mut answered)).await {
            Ok(response) => {
                meter.served_by(&response.model);
                meter.complete(response.usage).await?;
                Ok((response, notice))
            }
            Err(error) => {
                meter.refused_after(&error, sizes.iter().take(answered).sum());
                Err(meter.fail(error.into()).await)
            }
        }
    }
}
