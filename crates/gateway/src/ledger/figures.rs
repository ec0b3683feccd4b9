//! What is counted of each call, for Prometheus.

use metrics::{counter, histogram};
use rust_decimal::prelude::ToPrimitive as _;

use super::LedgerRow;

/// Counts one call.
pub(super) fn count(row: &LedgerRow) {
    // What did not resolve is a name that anybody can make up.
    let model = match row.model_config_id {
        Some(_) => row.requested_model.clone(),
        None => "other".to_owned(),
    };
    let of = [("provider", row.provider.clone()), ("model", model)];
    let with = |name: &'static str, value: &'static str| {
        let [provider, model] = of.clone();
        [provider, model, (name, value.to_owned())]
    };
    counter!("lyceum_gateway_calls_total", &with("status", row.status.as_str())).increment(1);
    // A kept answer took no tokens, and says nothing of how fast anybody is.
    if row.cache_hit {
        return;
    }
    for (kind, tokens) in [
        ("prompt", row.prompt_tokens),
        ("completion", row.completion_tokens),
        ("cached", row.cached_tokens),
        ("reasoning", row.reasoning_tokens),
    ] {
        if let Ok(tokens) = u64::try_from(tokens)
            && tokens > 0
        {
            counter!("lyceum_gateway_tokens_total", &with("kind", kind)).increment(tokens);
        }
    }
    if let Some(cost) = row.cost.and_then(|cost| cost.to_f64()) {
        // A counter holds whole numbers only.
        let millionths = (cost * 1e6).round() as u64;
        counter!("lyceum_gateway_cost_microdollars_total", &of).increment(millionths);
    }
    let seconds = |milliseconds: i32| f64::from(milliseconds) / 1000.0;
    histogram!("lyceum_gateway_call_duration_seconds", &of).record(seconds(row.latency_ms));
    if let Some(first) = row.first_token_ms {
        histogram!("lyceum_gateway_first_token_seconds", &of).record(seconds(first));
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
            count(&row(Some(Uuid::nil())));
            count(&row(Some(Uuid::nil())));
            count(&row(None));
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
        assert!(!text.contains("cached"), "nothing is not counted\n{text}");
    }
}
