//! The store against a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod audit_chain;
mod audit_tampering;
mod cache;
mod cache_shared;
mod catalogue;
mod cluster;
mod isolation;
mod listen;
mod redis;
mod redis_tls;
mod secrets;
