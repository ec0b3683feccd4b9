//! What is counted of each call, for Prometheus.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use lyceum_llm::ModelKind;
use metrics::{Counter, Histogram, counter, histogram};
use rust_decimal::prelude::ToPrimitive as _;

use super::{CallStatus, LedgerRow};
use crate::calls::genai;

/// The figures of each provider's models. Their handles are kept, for looking them up by their labels
/// at each call takes longer than counting.
#[derive(Default)]
pub(super) struct Figures(RwLock<HashMap<String, Arc<Handles>>>);

/// Of one model. A figure begins with what it counts first.
struct Handles {
    provider: String,
    model: String,
    calls: [OnceLock<Counter>; 3],
    tokens: [OnceLock<Counter>; 4],
    cost: OnceLock<Counter>,
    duration: OnceLock<Histogram>,
    first_token: OnceLock<Histogram>,
    conventional: genai::Handles,
}

impl Figures {
    /// Counts one call of `model`, by the provider's name of it.
    pub(super) fn count(&self, row: &LedgerRow, model: &str, kind: ModelKind) {
        let handles = self.of(row, model, kind);
        handles.count(row);
        // A kept answer took no tokens, and says nothing of how fast anybody is.
        if !row.cache_hit {
            handles.spent(row);
            handles.conventional.count(row);
        }
    }

    fn of(&self, row: &LedgerRow, model: &str, kind: ModelKind) -> Arc<Handles> {
        // What did not resolve is a name that anybody can make up.
        let model = row.model_config_id.map_or("other", |_| model);
        let key = format!("{}\n{model}\n{kind:?}", row.provider);
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let handles = all.entry(key).or_insert_with(|| {
            let (provider, model) = (row.provider.clone(), model.to_owned());
            let conventional = genai::Handles::of(&provider, &model, kind);
            Arc::new(Handles {
                provider,
                model,
                calls: Default::default(),
                tokens: Default::default(),
                cost: OnceLock::new(),
                duration: OnceLock::new(),
                first_token: OnceLock::new(),
                conventional,
            })
        });
        handles.clone()
    }
}

impl Handles {
    fn labels(&self) -> [(&'static str, String); 2] {
        [("provider", self.provider.clone()), ("model", self.model.clone())]
    }

    fn labels_with(&self, name: &'static str, value: &str) -> [(&'static str, String); 3] {
        let [provider, model] = self.labels();
        [provider, model, (name, value.to_owned())]
    }

    fn count(&self, row: &LedgerRow) {
        let place = match row.status {
            CallStatus::Completed => 0,
            CallStatus::Cancelled => 1,
            CallStatus::Failed => 2,
        };
        let labels = || self.labels_with("status", row.status.as_str());
        let calls =
            self.calls[place].get_or_init(|| counter!("lyceum_gateway_calls_total", &labels()));
        calls.increment(1);
    }

    /// What the call took.
    fn spent(&self, row: &LedgerRow) {
        let kinds = [
            ("prompt", row.prompt_tokens),
            ("completion", row.completion_tokens),
            ("cached", row.cached_tokens),
            ("reasoning", row.reasoning_tokens),
        ];
        for (handle, (kind, tokens)) in self.tokens.iter().zip(kinds) {
            if let Ok(tokens) = u64::try_from(tokens)
                && tokens > 0
            {
                let labels = || self.labels_with("kind", kind);
                let counted =
                    handle.get_or_init(|| counter!("lyceum_gateway_tokens_total", &labels()));
                counted.increment(tokens);
            }
        }
        if let Some(cost) = row.cost.and_then(|cost| cost.to_f64()) {
            let name = "lyceum_gateway_cost_microdollars_total";
            // A counter holds whole numbers only.
            let millionths = (cost * 1e6).round() as u64;
            self.cost.get_or_init(|| counter!(name, &self.labels())).increment(millionths);
        }
        let seconds = |milliseconds: i32| f64::from(milliseconds) / 1000.0;
        let duration = || histogram!("lyceum_gateway_call_duration_seconds", &self.labels());
        self.duration.get_or_init(duration).record(seconds(row.latency_ms));
        if let Some(first) = row.first_token_ms {
            let first_token = || histogram!("lyceum_gateway_first_token_seconds", &self.labels());
            self.first_token.get_or_init(first_token).record(seconds(first));
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;
    use uuid::Uuid;

    use super::super::testing::row;
    use super::*;

    #[test]
    fn a_call_is_counted_by_provider_model_and_status() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let figures = Figures::default();
            figures.count(&row(Some(Uuid::nil())), "m", ModelKind::Chat);
            figures.count(&row(Some(Uuid::nil())), "m", ModelKind::Chat);
            figures.count(&row(None), "a name that somebody typed", ModelKind::Chat);
        });
        let text = handle.render();
        for line in [
            r#"lyceum_gateway_calls_total{provider="custom",model="m",status="completed"} 2"#,
            r#"lyceum_gateway_calls_total{provider="custom",model="other",status="completed"} 1"#,
            r#"lyceum_gateway_tokens_total{provider="custom",model="m",kind="prompt"} 20"#,
            r#"lyceum_gateway_cost_microdollars_total{provider="custom",model="m"} 3000"#,
            r#"lyceum_gateway_first_token_seconds_count{provider="custom",model="m"} 2"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("typed"), "{text}");
        assert!(!text.contains("mine"), "it goes by the provider's names\n{text}");
        assert!(!text.contains("cached"), "nothing is not counted\n{text}");
    }
}
