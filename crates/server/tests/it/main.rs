//! The real program, from outside: over HTTP, killed, restarted, and by other products' clients.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod administer;
mod collector;
mod journey;
mod kill;
mod kill_chat;
mod kill_documents;
mod kill_reservations;
mod limits;
mod load;
mod matrix;
mod named;
mod nodes;
mod packages;
mod pages;
mod query;
mod reconcile;
mod redis;
mod replaced;
mod revoked;
mod routes;
mod settings;
mod stop;
mod suspension;
mod telemetry;
mod world;
