//! `lyceum serve`: starts the parts in order, serves, and stops them in the opposite order.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use lyceum_core::{Clock, Secret};
use lyceum_identity::Identity;
use lyceum_jobs::CancellationToken;
use lyceum_ops::Metrics;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use utoipa::openapi::OpenApi;

use crate::cli::print;
use crate::config::Config;
use crate::database::{Database, server_options};
use crate::listen::listen;
use crate::openapi::summarise;
use crate::rights;
use crate::router::{Surroundings, application};
use crate::telemetry::{Traces, start_log};
use crate::wiring::Platform;

/// How long requests may take to end once the answers have.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

/// Runs the platform until it is asked to stop.
pub async fn serve(mut config: Config) -> anyhow::Result<()> {
    let started = Instant::now();
    install_crypto();
    let traces = Traces::start(&config.telemetry, &config.server.node)?;
    let log = start_log(&config.log, traces.as_ref())?;
    let token = config.metrics.token.clone().map(Secret::new);
    let metrics = Metrics::install(token, &lyceum_gateway::METRIC_BUCKETS)
        .map_err(anyhow::Error::from_boxed)?;
    lyceum_gateway::describe_metrics();
    let listener = TcpListener::bind(config.server.listen).await.with_context(|| {
        format!("cannot listen on {}; server.listen sets another address", config.server.listen)
    })?;
    // Where a free port was asked for, it is known now.
    config.server.listen.set_port(listener.local_addr()?.port());
    let database = Database::open(&config).await?;
    let platform = Platform::start(&config, &database, Clock::system()).await?;
    let last_word = CancellationToken::new();
    let log = platform.keep_log(log, config.server.node.clone(), last_word.clone());
    let address = config.public_url()?.map(String::from).unwrap_or_default();
    let address = address.trim_end_matches('/');
    announce(&platform.identity, address).await?;
    tracing::info!(address, took = ?started.elapsed(), "ready");
    let counting = metrics.clone();
    tokio::spawn(async move { counting.keep().await });
    let app = router(&platform, metrics, &config).await;
    let head_timeout = Duration::from_secs(config.server.head_timeout_seconds);
    let (asked, stopping) = (platform.stopping(), platform.stopping());
    let serving = listen(listener, app, head_timeout, async move {
        asked_to_stop().await;
        tracing::info!("stopping");
        asked.cancel();
    });
    let ending = async {
        stopping.cancelled().await;
        platform.end_answers().await;
        // A client that keeps its connection must not keep the program.
        tokio::time::sleep(LAST_REQUESTS).await;
    };
    let served = tokio::select! {
        served = serving => served,
        () = ending => Ok(()),
    };
    platform.stop().await;
    // What went wrong at the end is kept, too.
    last_word.cancel();
    if tokio::time::timeout(LAST_REQUESTS, log).await.is_err() {
        tracing::warn!("the last warnings were not kept in time");
    }
    if let Some(traces) = traces {
        traces.end().await;
    }
    database.close().await;
    Ok(served?)
}

/// Applies the migrations to the configured server.
pub async fn migrate(config: Config) -> anyhow::Result<()> {
    let url = config.database.url.as_deref().context("set DATABASE_URL")?;
    let owner = server_options(url)?;
    let applied = lyceum_store::migrate(&owner).await?;
    lyceum_jobs::prepare(&owner).await?;
    print(&format!("{applied} migrations applied"))
}

/// The OpenAPI document of all routes. Needs no database.
pub async fn openapi() -> anyhow::Result<String> {
    install_crypto();
    Ok(serde_json::to_string_pretty(&document().await?)?)
}

/// The document, with a summary of each operation and the right that it asks for.
async fn document() -> anyhow::Result<OpenApi> {
    let (routes, mut document) = Platform::unconnected()?.routes();
    rights::state(&routes, &mut document).await;
    summarise(&mut document);
    Ok(document)
}

async fn router(platform: &Platform, metrics: Metrics, config: &Config) -> Router {
    let (routes, plain) = platform.routes();
    let document = document().await.unwrap_or_else(|error| {
        tracing::warn!(error = %format!("{error:#}"), "the API's document names no rights");
        plain
    });
    let routes = routes.merge(platform.metrics_routes(metrics));
    let surroundings = Surroundings {
        authenticator: platform.authenticator(),
        trust_proxy: config.server.trust_proxy,
    };
    application(routes, document, surroundings)
}

/// Prints where to go; on the first start with the token that lets one make the administrator.
async fn announce(identity: &Identity, address: &str) -> anyhow::Result<()> {
    match identity.setup_token().await? {
        Some(token) => print(&format!(
            "\nLyceum is ready. Make the administrator's account here (the link works once):\n\n  \
             {address}/setup?token={}\n",
            token.expose()
        )),
        None => print(&format!("\nLyceum is ready: {address}\n")),
    }
}

fn install_crypto() {
    // Fails only where one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

async fn asked_to_stop() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
