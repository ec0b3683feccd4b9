//! Traces for OpenTelemetry: spans of requests, calls of models, retrieval and jobs, sent to a
//! collector by OTLP over HTTP. Nothing waits for the collector: what it does not take in time is
//! dropped and counted.

mod client;
mod config;
mod exporter;
mod format;
mod log;
mod request;
mod settings;

use std::time::Duration;

use anyhow::Context as _;
use lyceum_core::TRACE;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::{Layer, Registry};

pub use config::{SamplerKind, TelemetryConfig};
pub use log::start_log;
pub use request::{request_span, traced};

use client::CollectorClient;
use exporter::{Delivery, processor};
use settings::{collector, headers, resource, sampler};

/// How long the last spans may take to be delivered when the program ends.
const LAST_SPANS: Duration = Duration::from_secs(3);

/// A layer on the program's log.
type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// The program's traces, while they are made.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Begins to make traces, where a collector is named. `node` tells the programs of one database
    /// apart.
    pub fn start(config: &TelemetryConfig, node: &str) -> anyhow::Result<Option<Self>> {
        let Some(collector) = collector(config)? else { return Ok(None) };
        if config.tell_providers {
            opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        }
        let delivery = Delivery::to(&collector);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(CollectorClient::new(delivery.clone())?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(collector.as_str())
            .with_headers(headers(config.otlp_headers.as_deref().unwrap_or_default())?)
            .build()
            .context("traces cannot be sent to the collector")?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource(config, node))
            .with_sampler(sampler(config)?)
            .with_span_processor(processor(exporter, delivery))
            .build();
        Ok(Some(Self { provider }))
    }

    /// What makes spans of the program's own. It takes those of [`TRACE`] and nothing else, no event
    /// of the log above all, whose words may be anybody's.
    fn layer(&self) -> BoxedLayer {
        let tracer = self.provider.tracer("lyceum");
        let ours = filter_fn(|metadata| metadata.is_span() && metadata.target() == TRACE);
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(ours.with_max_level_hint(LevelFilter::INFO))
            .boxed()
    }

    /// Delivers the last spans, but does not wait long for it.
    pub async fn end(self) {
        let end = move || self.provider.shutdown_with_timeout(LAST_SPANS);
        let ended = tokio::task::spawn_blocking(end).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the last traces were not delivered");
        }
    }
}
