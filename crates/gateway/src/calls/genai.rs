//! OpenTelemetry's vocabulary for generative AI, and the figures that it names, for Prometheus.

use std::sync::OnceLock;

use lyceum_llm::ModelKind;
use metrics::{Histogram, Unit, describe_histogram, histogram};

use crate::ledger::{CallStatus, LedgerRow};

const DURATION: &str = "gen_ai_client_operation_duration_seconds";
const TOKENS: &str = "gen_ai_client_token_usage";
const FIRST_TOKEN: &str = "gen_ai_server_time_to_first_token_seconds";

/// The upper bounds of their buckets, as the conventions want them.
pub const METRIC_BUCKETS: [(&str, &[f64]); 3] = [
    (
        DURATION,
        &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92],
    ),
    (
        TOKENS,
        &[
            1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0,
            4194304.0, 16777216.0, 67108864.0,
        ],
    ),
    (
        FIRST_TOKEN,
        &[
            0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5,
            10.0,
        ],
    ),
];

/// What a model is asked for.
#[derive(Clone, Copy)]
pub(super) enum Operation {
    Chat,
    Embeddings,
}

impl Operation {
    pub(super) fn of(kind: ModelKind) -> Self {
        match kind {
            ModelKind::Chat => Operation::Chat,
            ModelKind::Embedding => Operation::Embeddings,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Operation::Chat => "chat",
            Operation::Embeddings => "embeddings",
        }
    }
}

/// A provider by the name that the conventions have for it; by ours where they have none.
pub(super) fn provider(ours: &str) -> &str {
    match ours {
        "gemini" => "gcp.gemini",
        same => same,
    }
}

/// Why a call has no whole answer.
pub(super) fn error_type(row: &LedgerRow) -> Option<&str> {
    match row.status {
        CallStatus::Completed => None,
        CallStatus::Cancelled => Some("cancelled"),
        CallStatus::Failed => Some(row.error_code.as_deref().unwrap_or("_OTHER")),
    }
}

/// The figures of one model, named by the conventions. A figure begins with what it counts first.
pub(crate) struct Handles {
    labels: [(&'static str, String); 3],
    duration: OnceLock<Histogram>,
    tokens: [OnceLock<Histogram>; 2],
    first_token: OnceLock<Histogram>,
}

impl Handles {
    /// `ours` is our name of the provider. Names of models are those of the configured ones, so that
    /// nobody makes up more.
    pub(crate) fn of(ours: &str, model: &str, kind: ModelKind) -> Self {
        let labels = [
            ("gen_ai_operation_name", Operation::of(kind).as_str().to_owned()),
            ("gen_ai_provider_name", provider(ours).to_owned()),
            ("gen_ai_request_model", model.to_owned()),
        ];
        let (duration, first_token) = (OnceLock::new(), OnceLock::new());
        Self { labels, duration, tokens: Default::default(), first_token }
    }

    fn labels_with(&self, name: &'static str, value: &str) -> [(&'static str, String); 4] {
        let [operation, provider, model] = self.labels.clone();
        [operation, provider, model, (name, value.to_owned())]
    }

    /// Counts one call.
    pub(crate) fn count(&self, row: &LedgerRow) {
        let seconds = |milliseconds: i32| f64::from(milliseconds) / 1000.0;
        let took = seconds(row.latency_ms);
        match error_type(row) {
            Some(error) => {
                histogram!(DURATION, &self.labels_with("error_type", error)).record(took);
            }
            None => {
                self.duration.get_or_init(|| histogram!(DURATION, &self.labels)).record(took);
            }
        }
        let kinds = [("input", row.prompt_tokens), ("output", row.completion_tokens)];
        for (handle, (kind, tokens)) in self.tokens.iter().zip(kinds) {
            if tokens > 0 {
                let labels = || self.labels_with("gen_ai_token_type", kind);
                handle.get_or_init(|| histogram!(TOKENS, &labels())).record(tokens as f64);
            }
        }
        if let Some(first) = row.first_token_ms.filter(|_| row.status == CallStatus::Completed) {
            let first_token = || histogram!(FIRST_TOKEN, &self.labels);
            self.first_token.get_or_init(first_token).record(seconds(first));
        }
    }
}

/// Says to whoever collects figures what those of calls are.
pub fn describe_metrics() {
    describe_histogram!(DURATION, Unit::Seconds, "Calls of models, from the request to the end.");
    describe_histogram!(TOKENS, "Tokens of calls, those of the prompt and those answered.");
    describe_histogram!(
        FIRST_TOKEN,
        Unit::Seconds,
        "Calls that were answered, from the request to the first token."
    );
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
    use uuid::Uuid;

    use super::*;
    use crate::ledger::testing::row;

    #[test]
    fn a_call_is_counted_in_the_words_of_the_conventions() {
        let builder =
            METRIC_BUCKETS.iter().fold(PrometheusBuilder::new(), |builder, (name, of)| {
                builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), of).unwrap()
            });
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            Handles::of("custom", "m", ModelKind::Chat).count(&row(Some(Uuid::nil())));
            let mut failed = row(None);
            failed.status = CallStatus::Failed;
            failed.error_code = Some("provider_unreachable".to_owned());
            Handles::of("custom", "other", ModelKind::Chat).count(&failed);
        });
        let text = handle.render();
        let of = |model: &str| {
            format!(
                r#"gen_ai_operation_name="chat",gen_ai_provider_name="custom",gen_ai_request_model="{model}""#
            )
        };
        for line in [
            format!("{DURATION}_bucket{{{},le=\"0.32\"}} 1", of("m")),
            format!("{DURATION}_count{{{},error_type=\"provider_unreachable\"}} 1", of("other")),
            format!("{TOKENS}_sum{{{},gen_ai_token_type=\"input\"}} 10", of("m")),
            format!("{TOKENS}_bucket{{{},gen_ai_token_type=\"output\",le=\"4\"}} 1", of("m")),
            format!("{FIRST_TOKEN}_count{{{}}} 1", of("m")),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
