//! For tests only: a database of one's own in milliseconds, users, callers, and an upstream
//! provider with every fault. Knows no domain.

mod authority;
mod database;
pub mod measure;
mod people;
mod program;
mod redis;
mod server;
mod tls_front;
mod upstream;

pub use authority::{Authority, Issued};
pub use database::TestDb;
pub use people::{admin, caller, caller_with, user};
pub use program::{PASSWORD, ServerProcess, Session, http_client};
pub use redis::RedisServer;
pub use tls_front::TlsFront;
pub use upstream::{MockUpstream, RecordedRequest};
