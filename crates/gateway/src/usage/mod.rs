//! What was called, by whom, for how much: reading the ledger and its roll-ups.

mod daily;
mod export;
mod http;
mod query;
mod store;
mod sums;

pub(crate) use export::defused;
pub(crate) use http::router;
