//! The operations domain against a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod api;
mod audit;
mod audit_chain;
mod audit_export;
mod metrics;
mod support;
mod system_log;
mod upkeep;
