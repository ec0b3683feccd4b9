//! The identity domain against a real PostgreSQL, through its HTTP surface.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod app;
mod authenticator;
mod issuer;
mod post_office;

mod access;
mod api_key;
mod avatar;
mod decision;
mod departure;
mod export;
mod group;
mod invitation;
mod isolation;
mod me;
mod nodes;
mod oidc;
mod oidc_provider;
mod passkey;
mod recovery;
mod registration;
mod role;
mod scim;
mod scim_filter;
mod scim_group;
mod scim_token;
mod second_factor;
mod session;
mod setup;
mod sign_in;
mod token;
mod user;
