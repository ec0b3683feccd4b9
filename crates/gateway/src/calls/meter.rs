use std::time::{Duration, Instant};

use bytes::Bytes;
use lyceum_core::Problem as _;
use lyceum_llm::{ChatEvent, FinishReason, LlmError, ModelKind, Usage};
use rust_decimal::Decimal;

use super::span::CallSpan;
use super::{Admission, CallContext, Notice, prompt_of_body, tokens_of};
use crate::cache::{Kept, Recording, Told};
use crate::ledger::{CallStatus, Ledger, LedgerRow, Price, Receipt};
use crate::live::{Ended, Entry};
use crate::payloads::Capture;
use crate::routes::{Attempt, Unopened};
use crate::{GatewayError, ModelConfig};

/// Measures one call and sees to it that it is recorded exactly once: by [`Meter::complete`], by
/// [`Meter::fail`], or, if it is dropped before either (the caller went away), as cancelled.
pub(crate) struct Meter {
    ledger: Ledger,
    row: Option<LedgerRow>,
    admission: Option<Admission>,
    /// The provider's name of what is asked.
    model: String,
    kind: ModelKind,
    price: Price,
    started: Instant,
    first_token_ms: Option<i32>,
    estimate: Usage,
    usage: Option<Usage>,
    /// The request as sent, to estimate its tokens from if nobody counts them.
    body: Option<Bytes>,
    /// Its place among the calls that run.
    entry: Option<Entry>,
    /// What it leaves for finding faults, where its model keeps that.
    capture: Option<Box<Capture>>,
    attempt: Attempt,
    /// Told what becomes of the answer, where it is to be kept.
    recording: Option<Recording>,
    /// What a trace tells of it.
    span: CallSpan,
}

impl Meter {
    pub(crate) fn start(
        ledger: Ledger,
        context: CallContext,
        model: &ModelConfig,
        admission: Admission,
    ) -> Self {
        let row = LedgerRow {
            id: admission.call,
            created_at: admission.began_at,
            user_id: context.user_id,
            api_key_id: context.api_key_id,
            provider_config_id: model.provider_config_id,
            model_config_id: Some(model.id),
            provider: model.provider.clone(),
            requested_model: storable(context.attempt.requested(model), 200),
            served_model: None,
            purpose: context.purpose,
            prompt_tokens: 0,
            completion_tokens: 0,
            cached_tokens: 0,
            reasoning_tokens: 0,
            cost: None,
            estimated: false,
            status: CallStatus::Cancelled,
            error_code: None,
            latency_ms: 0,
            first_token_ms: None,
            conversation_id: context.conversation_id,
            message_id: context.message_id,
            request_id: context.request_id,
            group_ids: admission.groups.clone(),
            attempt: i16::try_from(context.attempt.number()).unwrap_or(i16::MAX),
            route_id: context.attempt.route_id(),
            route: context.attempt.route().map(|route| route.name.clone()),
            cache_hit: false,
        };
        let asked = storable(&model.model, 200);
        let span = CallSpan::start(&row, &asked, model.kind);
        Self {
            ledger,
            row: Some(row),
            admission: Some(admission),
            model: asked,
            kind: model.kind,
            price: model.price,
            started: Instant::now(),
            first_token_ms: None,
            estimate: Usage::default(),
            usage: None,
            body: None,
            entry: None,
            capture: None,
            attempt: context.attempt,
            recording: context.recall.recording,
            span,
        }
    }

    /// Shows the call among those that run, as long as there is the meter.
    pub(crate) fn shown(mut self, entry: Entry) -> Self {
        self.entry = Some(entry);
        self
    }

    /// Keeps the call's request and answer.
    pub(crate) fn captured(mut self, capture: Option<Box<Capture>>) -> Self {
        self.capture = capture;
        self
    }

    /// Notes the request for those who look for faults; `body` is asked only where it is kept or
    /// where a trace tells of it.
    pub(crate) fn requested(&mut self, body: impl FnOnce() -> Bytes) {
        let is_told = self.span.is_traced() && self.kind == ModelKind::Chat;
        if self.capture.is_none() && !is_told {
            return;
        }
        let body = body();
        if is_told {
            self.span.requested(&body);
        }
        if let Some(capture) = &mut self.capture {
            capture.request(body);
        }
    }

    /// Waits for something of the provider, but not longer than the route does.
    pub(crate) fn in_time<T, F>(
        &self,
        future: F,
    ) -> impl Future<Output = Result<T, LlmError>> + use<T, F>
    where
        F: Future<Output = Result<T, LlmError>>,
    {
        let attempt = self.attempt.clone();
        self.span.around(async move { attempt.in_time(future).await })
    }

    /// Estimates the prompt, if nobody should count it.
    pub(crate) fn with_prompt(mut self, prompt_tokens: u64) -> Self {
        self.estimate.prompt_tokens = prompt_tokens;
        self
    }

    /// How the limits stand of who calls.
    pub(crate) fn notice(&self) -> Notice {
        let mut notice = self.admission.as_ref().map(Admission::notice).unwrap_or_default();
        notice.attempt = self.attempt.clone();
        notice
    }

    /// Keeps the request's body, from which the prompt is estimated only if it must be.
    pub(crate) fn with_body(mut self, body: Bytes) -> Self {
        self.requested(|| body.clone());
        self.body = Some(body);
        self
    }

    /// The provider named the model that serves.
    pub(crate) fn served_by(&mut self, model: &str) {
        if let Some(row) = self.row.as_mut().filter(|_| !model.is_empty()) {
            row.served_model = Some(storable(model, 200));
        }
    }

    /// More of the answer came.
    pub(crate) fn text(&mut self, text: &str) {
        if let Some(capture) = &mut self.capture {
            capture.answer(text);
        }
        self.count(text);
    }

    fn count(&mut self, text: &str) {
        if self.first_token_ms.is_none() && !text.is_empty() {
            self.first_token_ms = Some(millis(self.started));
            self.attempt.begun();
        }
        let tokens = &mut self.estimate.completion_tokens;
        *tokens = tokens.saturating_add(tokens_of(text));
        if let Some(entry) = self.entry.as_ref().filter(|_| !text.is_empty()) {
            entry.answered(*tokens);
        }
    }

    /// More reasoning came.
    pub(crate) fn reasoning(&mut self, text: &str) {
        if let Some(capture) = &mut self.capture {
            capture.reasoning(text);
        }
        self.count(text);
        let tokens = &mut self.estimate.reasoning_tokens;
        *tokens = tokens.saturating_add(tokens_of(text));
    }

    /// Something of the answer came.
    pub(crate) fn observe(&mut self, event: &ChatEvent) {
        match event {
            ChatEvent::Started { model, .. } => self.served_by(model),
            ChatEvent::Text(text) => self.text(text),
            ChatEvent::Reasoning(text) => self.reasoning(text),
            ChatEvent::ToolCall(call) => self.text(&call.arguments),
            ChatEvent::Finished { reason, usage } => {
                self.finished(reason);
                self.usage = usage.or(self.usage);
            }
        }
    }

    /// The model said why the answer ended, or one of its choices.
    pub(crate) fn finished(&mut self, reason: &FinishReason) {
        self.span.ended(reason);
        if let Some(recording) = &self.recording {
            recording.finished(reason);
        }
    }

    /// The model did not say of all of the answer why it ended.
    pub(crate) fn unfinished(&mut self) {
        if let Some(recording) = &self.recording {
            recording.unfinished();
        }
    }

    /// The answer is one that was kept: nobody is asked, and nothing is spent. For finding faults
    /// there is the call that it was made for.
    pub(crate) fn recalled(&mut self, kept: &Kept) {
        let Told { usage, estimated, served_model } = &kept.told;
        match estimated {
            true => self.estimate = *usage,
            false => self.usage = Some(*usage),
        }
        if let Some(row) = &mut self.row {
            row.cache_hit = true;
            row.served_model.clone_from(served_model);
        }
        self.capture = None;
    }

    /// The provider's own count, as soon as it is known.
    pub(crate) fn counted(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }

    /// No answer came. Where the provider refused the request or was not reached, it cost nothing;
    /// otherwise it may have worked on it.
    pub(crate) fn refused(&mut self, error: &LlmError) {
        let unknown = matches!(
            error,
            LlmError::Timeout(_) | LlmError::BrokenStream(_) | LlmError::Malformed(_)
        );
        if !unknown {
            self.usage = Some(Usage::default());
        }
    }

    /// No token came before the route gave up waiting for the answer.
    pub(crate) async fn unopened(mut self, unopened: Unopened) -> GatewayError {
        match unopened.usage {
            Some(usage) => self.counted(usage),
            None => self.refused(&unopened.error),
        }
        self.fail(unopened.error.into()).await
    }

    /// The same for the last of several requests: the ones before it were answered and took
    /// about `spent` tokens.
    pub(crate) fn refused_after(&mut self, error: &LlmError, spent: u64) {
        self.refused(error);
        if spent > 0 && self.usage.take().is_some() {
            self.estimate.prompt_tokens = spent;
        }
    }

    /// The answer is whole. Returns when its row will not be lost.
    pub(crate) async fn complete(mut self, usage: Option<Usage>) -> Result<(), GatewayError> {
        self.usage = usage.or(self.usage);
        let first_token = self.first_token_ms.and_then(|millis| u64::try_from(millis).ok());
        let latency = first_token.map_or_else(|| self.started.elapsed(), Duration::from_millis);
        if self.row.as_ref().is_some_and(|row| !row.cache_hit) {
            self.attempt.succeeded(latency);
        }
        if let Some(receipt) = self.close(CallStatus::Completed, None) {
            receipt.kept().await?;
        }
        if let Some(recording) = &self.recording {
            recording.recorded();
        }
        Ok(())
    }

    /// The call failed. Returns the error to report once the failure's row will not be lost.
    pub(crate) async fn fail(mut self, error: GatewayError) -> GatewayError {
        self.attempt.failed(&error);
        if let Some(receipt) = self.close(CallStatus::Failed, Some(&error)) {
            // The caller is told of a failure in any case; the ledger keeps the row and logs.
            drop(receipt.kept().await);
        }
        error
    }

    fn close(&mut self, status: CallStatus, error: Option<&GatewayError>) -> Option<Receipt> {
        let mut row = self.row.take()?;
        if let Some(body) = self.body.take().filter(|_| self.usage.is_none()) {
            self.estimate.prompt_tokens = prompt_of_body(&body);
        }
        let usage = self.usage.unwrap_or(self.estimate).bounded();
        row.status = status;
        row.error_code = error.map(|error| storable(error.code(), 50));
        row.estimated = self.usage.is_none();
        row.prompt_tokens = count(usage.prompt_tokens);
        row.completion_tokens = count(usage.completion_tokens);
        row.cached_tokens = count(usage.cached_tokens);
        row.reasoning_tokens = count(usage.reasoning_tokens);
        row.cost = match row.cache_hit {
            true => Some(Decimal::ZERO),
            false => self.price.cost(self.kind, &usage).filter(|cost| *cost < max_cost()),
        };
        row.latency_ms = millis(self.started);
        row.first_token_ms = self.first_token_ms;
        let tokens = match row.cache_hit {
            true => 0,
            false => usage.prompt_tokens.saturating_add(usage.completion_tokens),
        };
        if let Some(recording) = &self.recording {
            let (estimated, served_model) = (row.estimated, row.served_model.clone());
            recording.tell(Told { usage, estimated, served_model });
        }
        self.span.finish(&row);
        row.served_model.get_or_insert_with(|| self.model.clone());
        let reserved = self.admission.take().and_then(|admission| admission.settle(tokens));
        if let Some(entry) = &self.entry {
            entry.ended(Ended { tokens, failed: status == CallStatus::Failed });
        }
        if let Some(capture) = self.capture.take() {
            capture.finish(row.id, row.user_id, error.map(|error| error.detail()));
        }
        Some(self.ledger.record(row, (&self.model, self.kind), reserved))
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        // The receipt is dropped: nobody waits, the row is written all the same.
        drop(self.close(CallStatus::Cancelled, None));
    }
}

/// The column is numeric(18,9).
fn max_cost() -> Decimal {
    Decimal::from(1_000_000_000)
}

fn millis(since: Instant) -> i32 {
    i32::try_from(since.elapsed().as_millis()).unwrap_or(i32::MAX)
}

fn count(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

/// A text that PostgreSQL takes: without NUL, cut to `limit` characters.
fn storable(text: &str, limit: usize) -> String {
    text.chars().filter(|c| *c != '\0').take(limit).collect()
}
