//! What the gateway adds to a pass-through call: latency of the upstream asked directly and through
//! `/v1`, interleaved, over real sockets, each row committed by a real PostgreSQL.
//!
//! `cargo run --release -p lyceum-gateway --example passthrough -- [callers] [calls each]`

#![expect(clippy::print_stdout, reason = "this is a program that prints figures")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first fault")]
#![expect(clippy::disallowed_methods, reason = "a client of its own, as an application has")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Extension;
use axum::http::request::Parts;
use axum::serve::ListenerExt as _;
use futures::future::join_all;
use lyceum_core::Clock;
use lyceum_gateway::Gateway;
use lyceum_http::{ApiError, Authenticator, Caller, Outgoing, OutgoingPolicy};
use lyceum_llm::LocalModels;
use lyceum_store::Keyring;
use lyceum_testkit::{MockUpstream, TestDb, caller};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

struct Everybody(Caller);

#[async_trait]
impl Authenticator for Everybody {
    async fn authenticate(&self, _: &Parts) -> Result<Caller, ApiError> {
        Ok(self.0.clone())
    }
}

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>().unwrap());
    let callers = numbers.next().unwrap_or(16);
    let calls = numbers.next().unwrap_or(200);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let test = TestDb::new().await;
    let upstream = MockUpstream::start().await;
    let policy = OutgoingPolicy { allowed_private_hosts: vec!["127.0.0.1".to_owned()] };
    let gateway = Gateway::new(
        test.db.clone(),
        Keyring::generate().unwrap(),
        Outgoing::new(policy).unwrap(),
        LocalModels::absent(),
        Clock::system(),
    )
    .await
    .unwrap();
    let user = lyceum_testkit::user(&test.db, "bench").await;
    let authenticator: Arc<dyn Authenticator> = Arc::new(Everybody(caller(user)));
    let (app, _) = OpenApiRouter::new()
        .nest("/api/v1", lyceum_gateway::router(gateway.clone()))
        .merge(lyceum_gateway::v1_router(gateway.clone()))
        .split_for_parts();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Else the end of a stream, which waits for its commit, waits 40 ms for the peer's ACK, too.
    let listener = listener.tap_io(|connection| connection.set_nodelay(true).unwrap());
    let app = app.layer(Extension(authenticator));
    tokio::spawn(async move { axum::serve(listener, app).await });

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |path: &str, body: Value| {
        let url = format!("http://{address}/api/v1{path}");
        let answer = client.post(url).json(&body).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let provider = json!({"provider": "custom", "name": "bench", "scope": "personal",
        "base_url": upstream.base_url, "api_key": "sk-0123456789"});
    let provider = post("/providers", provider).await;
    post("/models", json!({"provider_config_id": provider, "model": "ok", "kind": "chat"})).await;

    let direct = format!("{}/chat/completions", upstream.base_url);
    let through = format!("http://{address}/v1/chat/completions");
    for streamed in [false, true] {
        let body = json!({"model": "ok", "stream": streamed,
            "messages": [{"role": "user", "content": "How long does this take?"}]});
        run(&client, &direct, &body, callers, 20).await;
        run(&client, &through, &body, callers, 20).await;
        for round in 1..=5 {
            let bare = run(&client, &direct, &body, callers, calls).await;
            let ours = run(&client, &through, &body, callers, calls).await;
            println!(
                "streamed {streamed}, {callers} callers, round {round}: direct {bare}; through {ours}"
            );
        }
    }
    gateway.flush().await;
}

struct Figures {
    p50: Duration,
    p99: Duration,
    per_second: f64,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { p50, p99, per_second } = self;
        write!(f, "p50 {p50:.2?} p99 {p99:.2?} {per_second:.0}/s")
    }
}

async fn run(
    client: &reqwest::Client,
    url: &str,
    body: &Value,
    callers: usize,
    calls: usize,
) -> Figures {
    let started = Instant::now();
    let caller = async || {
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let started = Instant::now();
            let request = client.post(url).bearer_auth("sk-0123456789").json(body);
            let answer = request.send().await.unwrap().error_for_status().unwrap();
            answer.bytes().await.unwrap();
            times.push(started.elapsed());
        }
        times
    };
    let mut times = join_all((0..callers).map(|_| caller())).await.concat();
    let per_second = times.len() as f64 / started.elapsed().as_secs_f64();
    times.sort();
    Figures { p50: times[times.len() / 2], p99: times[times.len() * 99 / 100], per_second }
}
