//! Figures for Prometheus at `/metrics`. Each part counts for itself by the `metrics` macros; what
//! has to be asked for, such as the job queue, is asked when somebody scrapes.

use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{HeaderMap, Method, header};
use lyceum_core::{BoxError, Secret};
use lyceum_http::{Allow, ApiError};
use lyceum_store::audit;
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use subtle::ConstantTimeEq as _;

use crate::{Ops, OpsError, SystemRead};

/// Upper bounds of the buckets of all durations, in seconds: from a cached read to a long answer.
const BUCKETS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];
/// How often what was counted is put in order, so that a program that nobody scrapes does not grow.
const UPKEEP: Duration = Duration::from_secs(5);

/// The figures of this process; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    token: Option<Secret>,
}

impl Metrics {
    /// Begins to count, once in a process. Whoever has `token` may read the figures, beside those
    /// who have the right `system:read`. `buckets` are the upper bounds of single histograms.
    pub fn install(token: Option<Secret>, buckets: &[(&str, &[f64])]) -> Result<Self, BoxError> {
        let mut builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)?;
        for (name, bounds) in buckets {
            builder = builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), bounds)?;
        }
        let handle = builder.install_recorder()?;
        describe();
        Ok(Self { handle, token: token.filter(|token| !token.is_empty()) })
    }

    /// Keeps the figures small for as long as it is polled.
    pub async fn keep(&self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.handle.run_upkeep();
        }
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
        let given = given.and_then(|value| value.strip_prefix(b"Bearer "));
        match (&self.token, given) {
            (Some(token), Some(given)) => given.ct_eq(token.expose().as_bytes()).into(),
            _ => false,
        }
    }
}

/// Counts an answered request. `route` is the template that matched, never the address itself.
pub fn note_request(method: &Method, route: Option<&str>, status: u16, took: Duration) {
    // Anybody can make up a method.
    let method = match *method {
        Method::GET | Method::HEAD => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    };
    let labels = [
        ("method", method.to_owned()),
        ("route", route.unwrap_or("other").to_owned()),
        ("status", status.to_string()),
    ];
    histogram!("lyceum_http_request_duration_seconds", &labels).record(took);
}

/// `GET /metrics`, at the root.
pub fn metrics_router(ops: Ops, metrics: Metrics) -> Router {
    Router::new().route("/metrics", get(scrape)).with_state((ops, metrics))
}

async fn scrape(
    State((ops, metrics)): State<(Ops, Metrics)>,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    if !metrics.admits(&parts.headers) {
        Allow::<SystemRead>::from_request_parts(&mut parts, &()).await?;
    }
    ops.measure().await?;
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, metrics.handle.render()).into_response())
}

impl Ops {
    /// Sets the figures that nobody counts.
    async fn measure(&self) -> Result<(), OpsError> {
        let inner = &self.inner;
        let mut tx = inner.db.begin_maintenance().await?;
        let jobs = lyceum_jobs::figures(&mut tx).await?;
        let chain = audit::state(&mut tx).await?;
        tx.commit().await?;
        for (state, count) in
            [("waiting", jobs.waiting), ("running", jobs.running), ("failed", jobs.failed)]
        {
            gauge!("lyceum_jobs", "state" => state).set(count as f64);
        }
        gauge!("lyceum_audit_pending").set(chain.pending as f64);
        counter!("lyceum_audit_links_total").absolute(chain.head.seq.unsigned_abs());
        let pool = inner.db.pool();
        gauge!("lyceum_database_connections").set(pool.size());
        gauge!("lyceum_database_connections_idle").set(pool.num_idle() as f64);
        gauge!("lyceum_database_connections_max").set(pool.options().get_max_connections());
        let uptime = inner.clock.now() - inner.started_at;
        gauge!("lyceum_uptime_seconds").set(uptime.as_seconds_f64());
        gauge!("lyceum_build_info", "version" => inner.version).set(1.0);
        for source in &inner.sources {
            // A part that watches something says in `health` how that is.
            if let Some(health) = source.status().await.get("health") {
                let up = if health.is_null() { 0.0 } else { 1.0 };
                gauge!("lyceum_part_up", "part" => source.name()).set(up);
            }
        }
        Ok(())
    }
}

fn describe() {
    describe_histogram!(
        "lyceum_http_request_duration_seconds",
        Unit::Seconds,
        "Requests by route and status, to the head of the answer."
    );
    describe_gauge!("lyceum_jobs", "Jobs by state; failed ones were given up.");
    describe_gauge!("lyceum_audit_pending", "Audit entries that are not linked yet.");
    describe_counter!("lyceum_audit_links_total", "Links of the audit log's chain.");
    describe_gauge!("lyceum_database_connections", "Open connections, idle ones included.");
    describe_gauge!("lyceum_database_connections_idle", "Connections that nobody uses.");
    describe_gauge!("lyceum_database_connections_max", "Connections that there may be.");
    describe_gauge!("lyceum_uptime_seconds", Unit::Seconds, "Time since the start.");
    describe_gauge!("lyceum_build_info", "The version; always 1.");
    describe_gauge!("lyceum_part_up", "Whether a part, such as the engine, answers.");
}
