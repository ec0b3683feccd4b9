//! The queue against a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod crash;
mod queue;
mod support;
