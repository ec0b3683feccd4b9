//! What can be set of traces.

use serde::{Deserialize, Serialize};

/// Traces, sent by OTLP over HTTP to a collector. None are made without an address.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// The collector, such as `http://localhost:4318`; `/v1/traces` is added. Also read from
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub otlp_endpoint: Option<String>,
    /// The whole address for traces instead. Also read from `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`.
    pub otlp_traces_endpoint: Option<String>,
    /// Headers for the collector, `name=value,name=value`, with `%`-escapes: a secret. Those of
    /// `OTEL_EXPORTER_OTLP_HEADERS` go over them.
    pub otlp_headers: Option<String>,
    /// The name of this service; `lyceum` unless the environment says another. Also read from
    /// `OTEL_SERVICE_NAME`.
    pub service_name: Option<String>,
    /// Which requests are traced. Also read from `OTEL_TRACES_SAMPLER`.
    pub sampler: SamplerKind,
    /// The share of traces that a sampler by ratio takes, 0 to 1. Also read from
    /// `OTEL_TRACES_SAMPLER_ARG`.
    pub sample_ratio: f64,
    /// Whether providers are told the trace of a call (`traceparent`), so that theirs continue it.
    pub tell_providers: bool,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            otlp_traces_endpoint: None,
            otlp_headers: None,
            service_name: None,
            sampler: SamplerKind::ParentbasedTraceidratio,
            sample_ratio: 1.0,
            tell_providers: false,
        }
    }
}

/// Which requests are traced, in OpenTelemetry's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplerKind {
    /// All.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// A share of them.
    Traceidratio,
    /// As the caller's `traceparent` says; without one, all.
    ParentbasedAlwaysOn,
    /// As the caller's `traceparent` says; without one, none.
    ParentbasedAlwaysOff,
    /// As the caller's `traceparent` says; without one, a share of them.
    ParentbasedTraceidratio,
}
