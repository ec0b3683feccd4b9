//! The store against a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod catalogue;
mod cluster;
mod isolation;
