//! The store against a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod audit_chain;
mod audit_tampering;
mod begin;
mod catalogue;
mod cluster;
mod isolation;
mod secrets;
