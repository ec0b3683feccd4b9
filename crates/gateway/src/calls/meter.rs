use std::time::Duration;

use bytes::Bytes;
use lyceum_core::Problem as _;
use lyceum_llm::{ChatEvent, FinishReason, LlmError, ModelKind, Usage};

use super::counts::Counts;
use super::span::CallSpan;
use super::{Admission, CallContext, Notice, tokens_of};
use crate::GatewayError;
use crate::cache::{Kept, Recording, Told};
use crate::ledger::{CallStatus, Ledger, Purpose, Receipt, storable};
use crate::live::{Ended, Entry};
use crate::payloads::Capture;
use crate::routes::{Attempt, Unopened};

/// Measures one call and sees to it that it is recorded exactly once: by [`Meter::complete`], by
/// [`Meter::fail`], or, if it is dropped before either (the caller went away), as cancelled.
pub(crate) struct Meter {
    ledger: Ledger,
    /// Gone once the call is recorded.
    admission: Option<Admission>,
    /// The call itself, among those that run.
    entry: Entry,
    /// The model that serves, in the provider's words.
    served_model: Option<String>,
    counts: Counts,
    /// What it leaves for finding faults, where its model keeps that.
    capture: Option<Box<Capture>>,
    attempt: Attempt,
    /// Told what becomes of the answer, where it is to be kept.
    recording: Option<Recording>,
    /// What a trace tells of it.
    span: CallSpan,
}

impl Meter {
    /// Of the call that stands in `entry`, as long as there is the meter.
    pub(crate) fn start(
        ledger: Ledger,
        context: CallContext,
        admission: Admission,
        entry: Entry,
    ) -> Self {
        let span = CallSpan::start(&entry);
        Self {
            ledger,
            admission: Some(admission),
            entry,
            served_model: None,
            counts: Counts::default(),
            capture: None,
            attempt: context.attempt,
            recording: context.recall.recording,
            span,
        }
    }

    /// Keeps the call's request and answer.
    pub(crate) fn captured(mut self, capture: Option<Box<Capture>>) -> Self {
        self.capture = capture;
        self
    }

    /// Notes the request for those who look for faults; `body` is asked only where it is kept or
    /// where a trace tells of it.
    pub(crate) fn requested(&mut self, body: impl FnOnce() -> Bytes) {
        let is_told = self.span.is_traced() && self.entry.kind == ModelKind::Chat;
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

    /// Waits for something of the provider, but not longer than the route does. What is waited for is
    /// put in a place of its own: each wrapping would copy it, twice the size each time.
    pub(crate) fn in_time<T, F>(
        &self,
        future: F,
    ) -> impl Future<Output = Result<T, LlmError>> + use<T, F>
    where
        F: Future<Output = Result<T, LlmError>>,
    {
        let attempt = self.attempt.clone();
        let future = Box::pin(future);
        self.span.around(async move { attempt.in_time(future).await })
    }

    /// Estimates the prompt, if nobody should count it.
    pub(crate) fn with_prompt(self, prompt_tokens: u64) -> Self {
        self.entry.asked(prompt_tokens);
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
        self.entry.sent(body);
        self
    }

    /// The provider named the model that serves. Most do so with each piece of the answer.
    pub(crate) fn served_by(&mut self, model: &str) {
        if !model.is_empty() && self.served_model.as_deref() != Some(model) {
            self.entry.served_by(model);
            self.served_model = Some(storable(model, 200));
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
        if text.is_empty() {
            return;
        }
        if self.entry.first_token_ms().is_none() {
            self.entry.begun();
            self.attempt.begun();
        }
        let tokens = &mut self.counts.came.completion_tokens;
        *tokens = tokens.saturating_add(tokens_of(text));
        self.entry.answered(*tokens);
    }

    /// More reasoning came.
    pub(crate) fn reasoning(&mut self, text: &str) {
        if let Some(capture) = &mut self.capture {
            capture.reasoning(text);
        }
        self.count(text);
        let tokens = &mut self.counts.came.reasoning_tokens;
        *tokens = tokens.saturating_add(tokens_of(text));
        self.entry.reasoned(*tokens);
    }

    /// Something of the answer came.
    pub(crate) fn observe(&mut self, event: &ChatEvent) {
        match event {
            ChatEvent::Started { model, .. } => self.served_by(model),
            ChatEvent::Text(text) | ChatEvent::Refusal(text) => self.text(text),
            ChatEvent::Reasoning(text) => self.reasoning(text),
            ChatEvent::ToolCall(call) => self.text(&call.arguments),
            ChatEvent::Counted(usage) => self.counted(*usage),
            ChatEvent::Finished { reason, usage } => {
                self.finished(reason);
                self.counts.end(*usage);
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
        self.counts.fix(*usage, *estimated);
        self.entry.recall();
        self.served_model.clone_from(served_model);
        self.capture = None;
    }

    /// The provider's own count so far.
    pub(crate) fn counted(&mut self, usage: Usage) {
        self.counts.tell(Some(usage));
    }

    /// The call takes no tokens.
    pub(crate) fn free(&mut self) {
        self.counts.fix(Usage::default(), false);
    }

    /// No answer came. Where the provider refused the request or was not reached, it cost nothing;
    /// otherwise it may have worked on it.
    pub(crate) fn refused(&mut self, error: &LlmError) {
        self.refused_after(error, 0);
    }

    /// No token came before the route gave up waiting for the answer.
    pub(crate) async fn unopened(mut self, unopened: Unopened) -> GatewayError {
        match unopened.usage.filter(|usage| usage.total_tokens() > 0) {
            Some(usage) => self.counts.end(Some(usage)),
            None => self.refused(&unopened.error),
        }
        self.fail(unopened.error.into()).await
    }

    /// The same for the last of several requests: the ones before it were answered and took
    /// about `spent` tokens.
    pub(crate) fn refused_after(&mut self, error: &LlmError, spent: u64) {
        let unknown = matches!(
            error,
            LlmError::Timeout(_) | LlmError::BrokenStream(_) | LlmError::Malformed(_)
        );
        if !unknown {
            let usage = Usage { prompt_tokens: spent, ..Usage::default() };
            self.counts.fix(usage.bounded(), spent > 0);
        }
    }

    /// The answer is whole. Returns when its row will not be lost.
    pub(crate) async fn complete(mut self, usage: Option<Usage>) -> Result<(), GatewayError> {
        self.counts.end(usage);
        let first_token = self.entry.first_token_ms().and_then(|millis| u64::try_from(millis).ok());
        let latency =
            first_token.map_or_else(|| self.entry.started.elapsed(), Duration::from_millis);
        if !self.entry.is_recalled() {
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
        self.log(&error);
        let error = match (error, self.entry.account.as_deref()) {
            // Whoever tests a provider knows which it is.
            (GatewayError::Llm(error), Some(name)) if self.entry.purpose != Purpose::Test => {
                error.of_provider(name).into()
            }
            (error, _) => error,
        };
        if let Some(receipt) = self.close(CallStatus::Failed, Some(&error)) {
            // The caller is told of a failure in any case; the ledger keeps the row and logs.
            drop(receipt.kept().await);
        }
        error
    }

    /// Tells the log of a provider that is not reached or fails, once for each call. Not of what it
    /// refuses: that is between it and the caller.
    fn log(&self, error: &GatewayError) {
        let GatewayError::Llm(error) = error else { return };
        let reason = match error {
            LlmError::Connect(_)
            | LlmError::Tls(_)
            | LlmError::Timeout(_)
            | LlmError::BrokenStream(_) => error.to_string(),
            // Its words may repeat what was asked.
            LlmError::Provider { status, .. } if *status >= 500 => format!("status {status}"),
            _ => return,
        };
        let entry = &self.entry;
        let provider = entry.account.as_deref().unwrap_or(&entry.provider);
        tracing::warn!(
            code = error.code(),
            reason,
            provider,
            model = entry.model,
            request_id = %entry.request_id,
            "a provider failed a call"
        );
    }

    fn close(&mut self, status: CallStatus, error: Option<&GatewayError>) -> Option<Receipt> {
        let admission = self.admission.take()?;
        let (usage, is_estimated) = self.counts.settle(|| self.entry.prompt_tokens());
        let mut row = self.entry.row();
        row.status = status;
        row.error_code = error.map(|error| storable(error.code(), 50));
        row.estimated = is_estimated;
        row.spend(&usage, &self.entry.price, self.entry.kind);
        row.latency_ms = self.entry.millis();
        row.served_model = self.served_model.take();
        let tokens = match row.cache_hit {
            true => 0,
            false => usage.prompt_tokens.saturating_add(usage.completion_tokens),
        };
        if let Some(recording) = &self.recording {
            let (estimated, served_model) = (row.estimated, row.served_model.clone());
            recording.tell(Told { usage, estimated, served_model });
        }
        self.span.finish(&row);
        row.served_model.get_or_insert_with(|| self.entry.model.clone());
        let reserved = admission.settle(tokens);
        self.entry.ended(Ended { tokens, failed: status == CallStatus::Failed });
        if let Some(capture) = self.capture.take() {
            capture.finish(row.id, row.user_id, error.map(|error| error.detail()));
        }
        Some(self.ledger.record(row, (&self.entry.model, self.entry.kind), reserved))
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        // The receipt is dropped: nobody waits, the row is written all the same.
        drop(self.close(CallStatus::Cancelled, None));
    }
}
