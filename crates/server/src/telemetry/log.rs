//! The program's log.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use lyceum_core::{Clock, TRACE};
use lyceum_ops::SystemLogEvents;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use super::format::WithTrace;
use super::{BoxedLayer, Traces};
use crate::config::LogConfig;

/// Logs to standard error, and hands spans to the traces where there are any; what is to be kept in
/// the database, too, is answered.
pub fn start_log(config: &LogConfig, traces: Option<&Traces>) -> anyhow::Result<SystemLogEvents> {
    let filter = EnvFilter::try_new(&config.filter).context("log.filter cannot be read")?;
    let others = filter_fn(|metadata| metadata.target() != TRACE);
    // Without a hint of its own, it would take away that of the first.
    let filter = filter.and(others.with_max_level_hint(LevelFilter::TRACE));
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !no_color);
    let log: BoxedLayer = match config.json {
        true => log.json().map_event_format(WithTrace).with_filter(filter).boxed(),
        false => log.with_filter(filter).boxed(),
    };
    let (kept, events) = lyceum_ops::system_log(Clock::system());
    let mut layers: Vec<BoxedLayer> = vec![log, kept.boxed()];
    layers.extend(traces.map(Traces::layer));
    tracing_subscriber::registry().with(layers).init();
    Ok(events)
}
