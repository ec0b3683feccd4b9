//! What a trace tells of a call, in the words of OpenTelemetry's conventions for generative AI. Never
//! what was asked or answered, nor a provider's words, which may repeat that.

use http::{HeaderMap, HeaderName, HeaderValue};
use lyceum_core::TRACE;
use lyceum_llm::FinishReason;
use opentelemetry::global::get_text_map_propagator;
use opentelemetry::propagation::Injector;
use opentelemetry::trace::{Status, get_active_span};
use opentelemetry::{KeyValue, StringValue, Value};
use serde::Deserialize;
use serde_json::Number;
use tracing::field::{Empty, display};
use tracing::instrument::Instrumented;
use tracing::{Instrument as _, Span, info_span};
use url::Url;

use super::genai::{self, Operation};
use crate::ledger::{CallStatus, LedgerRow};
use crate::live::Running;

/// The longest name of a reason to end that is kept.
const REASON_CHARS: usize = 50;
/// Reasons that are kept; an answer may have many choices.
const REASONS_MAX: usize = 16;

/// The span of one call of a model. Where nobody traces, it costs nothing.
pub(super) struct CallSpan {
    span: Span,
    finish_reasons: Vec<StringValue>,
}

impl CallSpan {
    /// Of a call that begins.
    pub(super) fn start(call: &Running) -> Self {
        let operation = Operation::of(call.kind).as_str();
        let conversation = call.conversation_id.map(display);
        let span = info_span!(
            target: TRACE, "call",
            otel.kind = "client",
            otel.name = format!("{operation} {}", call.model),
            gen_ai.operation.name = operation,
            gen_ai.provider.name = genai::provider(&call.provider),
            gen_ai.request.model = call.model,
            gen_ai.conversation.id = conversation,
            server.address = Empty,
            server.port = Empty,
            lyceum.request.id = %call.request_id,
            lyceum.purpose = call.purpose.as_str(),
            lyceum.route = call.route(),
            lyceum.attempt = call.attempt,
        );
        Self { span, finish_reasons: Vec::new() }
    }

    /// Whether somebody traces.
    pub(super) fn is_traced(&self) -> bool {
        !self.span.is_disabled()
    }

    /// Does something within the span, so that what is sent belongs to it.
    pub(super) fn around<F: Future>(&self, future: F) -> Instrumented<F> {
        future.instrument(self.span.clone())
    }

    /// What the request, in JSON, asks for beside the answer itself.
    pub(super) fn requested(&self, body: &[u8]) {
        if let Ok(asked) = serde_json::from_slice::<Asked>(body) {
            self.set(asked.attributes());
        }
    }

    /// Why the answer, or one of its choices, ended.
    pub(super) fn ended(&mut self, reason: &FinishReason) {
        if self.is_traced() && self.finish_reasons.len() < REASONS_MAX {
            self.finish_reasons.push(reason_name(reason).into());
        }
    }

    /// The call is over.
    pub(super) fn finish(&mut self, row: &LedgerRow) {
        if !self.is_traced() {
            return;
        }
        let mut attributes = vec![
            KeyValue::new("gen_ai.usage.input_tokens", row.prompt_tokens),
            KeyValue::new("gen_ai.usage.output_tokens", row.completion_tokens),
            KeyValue::new("lyceum.usage.estimated", row.estimated),
            KeyValue::new("lyceum.status", row.status.as_str()),
        ];
        for (name, tokens) in [
            ("gen_ai.usage.cache_read.input_tokens", row.cached_tokens),
            ("gen_ai.usage.reasoning.output_tokens", row.reasoning_tokens),
        ] {
            attributes.extend((tokens > 0).then(|| KeyValue::new(name, tokens)));
        }
        if let Some(model) = &row.served_model {
            attributes.push(KeyValue::new("gen_ai.response.model", model.clone()));
        }
        if !self.finish_reasons.is_empty() {
            let reasons = std::mem::take(&mut self.finish_reasons);
            let reasons = Value::Array(reasons.into());
            attributes.push(KeyValue::new("gen_ai.response.finish_reasons", reasons));
        }
        if let Some(first) = row.first_token_ms {
            let seconds = f64::from(first) / 1000.0;
            attributes.push(KeyValue::new("gen_ai.response.time_to_first_chunk", seconds));
        }
        if let Some(error) = genai::error_type(row) {
            attributes.push(KeyValue::new("error.type", error.to_owned()));
        }
        self.set(attributes);
        if row.status == CallStatus::Failed {
            self.span.in_scope(|| get_active_span(|span| span.set_status(Status::error(""))));
        }
    }

    /// Sets what has no field among those that every call has. The span ends, as the trace tells it,
    /// where it was entered last.
    fn set(&self, attributes: impl IntoIterator<Item = KeyValue>) {
        self.span.in_scope(|| get_active_span(|span| span.set_attributes(attributes)));
    }
}

/// Notes where the call that the present span is goes to.
pub(super) fn note_server(url: &Url) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    if let Some(host) = url.host_str() {
        span.record("server.address", host);
    }
    if let Some(port) = url.port_or_known_default() {
        span.record("server.port", i64::from(port));
    }
}

/// Says with a request to which trace it belongs, where an administrator wants providers told.
pub(super) fn tell_trace(headers: &mut HeaderMap) {
    let mut told = Told(headers);
    get_text_map_propagator(|propagator| propagator.inject(&mut told));
}

struct Told<'a>(&'a mut HeaderMap);

impl Injector for Told<'_> {
    fn set(&mut self, name: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}

fn reason_name(reason: &FinishReason) -> String {
    match reason {
        FinishReason::Stop => "stop".to_owned(),
        FinishReason::Length => "length".to_owned(),
        FinishReason::ToolCalls => "tool_calls".to_owned(),
        FinishReason::ContentFilter => "content_filter".to_owned(),
        FinishReason::Other(name) => name.chars().take(REASON_CHARS).collect(),
    }
}

/// The members of a request that are told. What does not fit is left out.
#[derive(Deserialize)]
struct Asked {
    #[serde(default, alias = "max_completion_tokens", alias = "max_output_tokens")]
    max_tokens: Option<Number>,
    #[serde(default)]
    temperature: Option<Number>,
    #[serde(default)]
    top_p: Option<Number>,
    #[serde(default)]
    frequency_penalty: Option<Number>,
    #[serde(default)]
    presence_penalty: Option<Number>,
    #[serde(default)]
    seed: Option<Number>,
    #[serde(default)]
    n: Option<Number>,
    #[serde(default)]
    stream: Option<bool>,
}

impl Asked {
    fn attributes(&self) -> Vec<KeyValue> {
        let whole =
            |name, number: &Option<Number>| Some(KeyValue::new(name, number.as_ref()?.as_i64()?));
        let real =
            |name, number: &Option<Number>| Some(KeyValue::new(name, number.as_ref()?.as_f64()?));
        let streamed = self.stream.filter(|stream| *stream);
        [
            whole("gen_ai.request.max_tokens", &self.max_tokens),
            real("gen_ai.request.temperature", &self.temperature),
            real("gen_ai.request.top_p", &self.top_p),
            real("gen_ai.request.frequency_penalty", &self.frequency_penalty),
            real("gen_ai.request.presence_penalty", &self.presence_penalty),
            whole("gen_ai.request.seed", &self.seed),
            whole("gen_ai.request.choice.count", &self.n),
            streamed.map(|stream| KeyValue::new("gen_ai.request.stream", stream)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
