//! Chat against a real PostgreSQL and a real gateway; only the model at the end is scripted.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in tests, helpers included")]

mod conversations;
mod faults;
mod foreign;
mod messages;
mod paging;
mod providers;
mod recovery;
mod retrieval;
mod streams;
mod support;
