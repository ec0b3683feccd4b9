//! Callers on the thread of the benchmark, which cost the machine little: it is shared with what is
//! measured. Each has a connection of its own, as callers have.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lyceum_testkit::measure::percentile;
use serde_json::json;
use tokio::task::JoinSet;

const WORDS: &str = "How are you today?";

/// Somewhere that answers chat completions, and what it is asked.
#[derive(Clone)]
pub struct Target(Request<Full<Bytes>>);

impl Target {
    /// The model `ok` below `base_url`, which ends in `/v1`.
    pub fn new(base_url: &str, key: &str) -> anyhow::Result<Self> {
        let body = json!({ "model": "ok", "messages": [{ "role": "user", "content": WORDS }] });
        let question = Request::post(format!("{base_url}/chat/completions"))
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.to_string()))?;
        Ok(Self(question))
    }
}

/// How long each call took, sorted, and all of them.
pub struct Samples {
    sorted: Vec<Duration>,
    took: Duration,
}

impl Samples {
    /// What callers saw that began at `started`, once they are done.
    pub async fn of(
        mut callers: JoinSet<anyhow::Result<Vec<Duration>>>,
        started: Instant,
    ) -> anyhow::Result<Self> {
        let mut sorted = Vec::new();
        while let Some(samples) = callers.join_next().await {
            sorted.extend(samples??);
        }
        sorted.sort();
        Ok(Self { sorted, took: started.elapsed() })
    }

    pub fn calls(&self) -> usize {
        self.sorted.len()
    }

    pub fn per_second(&self) -> f64 {
        self.sorted.len() as f64 / self.took.as_secs_f64()
    }

    /// Milliseconds within which `share` of the calls were answered.
    pub fn milliseconds(&self, share: f64) -> f64 {
        percentile(&self.sorted, share).as_secs_f64() * 1e3
    }
}

/// One of those who ask.
#[derive(Clone)]
pub struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    target: Target,
}

impl Caller {
    /// Opens the connection, by a first call.
    async fn connect(target: Target) -> anyhow::Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        #[expect(clippy::disallowed_methods, reason = "reaches loopback only")]
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let caller = Self { client, target };
        caller.ask().await.context("the first call, which opens the connection")?;
        Ok(caller)
    }

    /// Asks and reads the answer, which has to be the right one.
    pub async fn ask(&self) -> anyhow::Result<()> {
        let answer = self.client.request(self.target.0.clone()).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        let text = std::str::from_utf8(&body)?;
        anyhow::ensure!(status.is_success(), "{status}: {text}");
        anyhow::ensure!(text.contains(WORDS), "another answer: {text}");
        Ok(())
    }
}

/// So many callers of one target, with open connections.
pub async fn connect(target: &Target, callers: usize) -> anyhow::Result<Vec<Caller>> {
    let mut connected = Vec::with_capacity(callers);
    for _ in 0..callers {
        connected.push(Caller::connect(target.clone()).await?);
    }
    Ok(connected)
}

/// Calls for `lasts`; each caller asks again as soon as it is answered.
pub async fn closed(callers: &[Caller], lasts: Duration) -> anyhow::Result<Samples> {
    let started = Instant::now();
    let mut running = JoinSet::new();
    for caller in callers {
        let caller = caller.clone();
        running.spawn(async move {
            let mut samples = Vec::new();
            while started.elapsed() < lasts {
                let asked = Instant::now();
                caller.ask().await?;
                samples.push(asked.elapsed());
            }
            Ok(samples)
        });
    }
    Samples::of(running, started).await
}
