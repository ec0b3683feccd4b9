//! Signing in through OpenID Connect issuers that an administrator configures.
//!
//! - An account here is linked with an account there by issuer and subject, never by its address.
//! - An address that an issuer has verified leads to a link only after its person has signed in
//!   here in the usual way.

mod account;
mod discovery;
mod error;
mod flow;
pub(crate) mod http;
mod id_token;
mod link;
mod provider;
pub(crate) mod provider_http;
mod store;

pub use error::OidcError;

pub(crate) use account::username as username_like;
pub(crate) use discovery::Issuers;
