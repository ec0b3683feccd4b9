//! Provider configs: accounts at providers, personal or the organisation's. Their keys are
//! write-only.

mod account;
mod address;
mod change;
mod http;
mod probe;
mod schema;
mod store;

pub(crate) use account::{Account, embeds, request_members};
pub(crate) use http::router;
pub(crate) use store::find;

/// Where a provider's key is sealed; part of what it is bound to.
pub(crate) const SEALED_IN: &str = "gateway.provider_configs";
