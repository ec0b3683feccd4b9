//! The operations domain against a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod api;
mod audit;
mod support;
mod upkeep;
