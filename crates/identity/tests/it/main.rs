//! The identity domain against a real PostgreSQL, through its HTTP surface.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod app;

mod access;
mod api_key;
mod decision;
mod group;
mod isolation;
mod me;
mod nodes;
mod role;
mod session;
mod setup;
mod sign_in;
mod token;
mod user;
