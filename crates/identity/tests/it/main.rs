//! The identity domain against a real PostgreSQL, through its HTTP surface.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod app;
mod authenticator;
mod issuer;

mod api_key;
mod isolation;
mod me;
mod nodes;
mod oidc;
mod passkey;
mod second_factor;
mod session;
mod setup;
mod sign_in;
mod token;
mod user;
