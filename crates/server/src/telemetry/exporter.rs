//! What happens to a span that has ended: it waits, with others, for the collector; where too many
//! wait, it is dropped.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::counter;
use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};
use url::Url;

/// Spans that wait at most, some two kilobytes each.
const WAITING_MAX: usize = 4096;

/// How the delivery goes. An outage is told once, and once that it is over.
#[derive(Debug)]
pub(super) struct Delivery {
    /// Without what may be a key.
    collector: String,
    waiting: AtomicUsize,
    /// Why the last attempt failed.
    reason: Mutex<String>,
    is_out: AtomicBool,
    lost: AtomicU64,
}

impl Delivery {
    pub(super) fn to(collector: &Url) -> Arc<Self> {
        let mut shown = collector.clone();
        shown.set_query(None);
        Arc::new(Self {
            collector: shown.into(),
            waiting: AtomicUsize::new(0),
            reason: Mutex::default(),
            is_out: AtomicBool::new(false),
            lost: AtomicU64::new(0),
        })
    }

    /// Notes why an attempt failed; another may follow.
    pub(super) fn blame(&self, reason: String) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// Takes a place among the spans that wait, if one is free.
    fn admit(&self) -> bool {
        let admitted = self.waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX;
        if !admitted {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            counter!("lyceum_trace_spans_total", "outcome" => "dropped").increment(1);
        }
        admitted
    }

    fn delivered(&self, spans: u64) {
        counter!("lyceum_trace_spans_total", "outcome" => "delivered").increment(spans);
        if self.is_out.swap(false, Ordering::Relaxed) {
            let lost = self.lost.swap(0, Ordering::Relaxed);
            tracing::info!(collector = self.collector, lost, "traces reach the collector again");
        }
    }

    fn failed(&self, spans: u64) {
        counter!("lyceum_trace_spans_total", "outcome" => "lost").increment(spans);
        self.lost.fetch_add(spans, Ordering::Relaxed);
        if !self.is_out.swap(true, Ordering::Relaxed) {
            let reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let collector = &self.collector;
            tracing::warn!(collector, reason, "traces do not reach the collector and are lost");
        }
    }
}

/// Gathers spans and hands them to `exporter` on a thread of its own.
pub(super) fn processor<E>(exporter: E, delivery: Arc<Delivery>) -> impl SpanProcessor + use<E>
where
    E: SpanExporter + 'static,
{
    let config = BatchConfigBuilder::default().with_max_queue_size(WAITING_MAX).build();
    let watched = Watched { exporter, delivery: delivery.clone() };
    let batches = BatchSpanProcessor::builder(watched).with_batch_config(config).build();
    Bounded { batches, delivery }
}

/// Counts what finds no room, which the batches' own queue would drop unseen.
#[derive(Debug)]
struct Bounded {
    batches: BatchSpanProcessor,
    delivery: Arc<Delivery>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.delivery.admit() {
            self.batches.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Sees what becomes of each batch.
#[derive(Debug)]
struct Watched<E> {
    exporter: E,
    delivery: Arc<Delivery>,
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let taken = batch.len();
        self.delivery.waiting.fetch_sub(taken, Ordering::Relaxed);
        let spans = u64::try_from(taken).unwrap_or(u64::MAX);
        let result = self.exporter.export(batch).await;
        match &result {
            Ok(()) => self.delivery.delivered(spans),
            Err(_) => self.delivery.failed(spans),
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
