//! The identity domain against a real PostgreSQL, through its HTTP surface.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod app;
mod post_office;

mod api_key;
mod avatar;
mod departure;
mod export;
mod invitation;
mod isolation;
mod me;
mod nodes;
mod recovery;
mod registration;
mod session;
mod setup;
mod sign_in;
mod token;
mod user;
