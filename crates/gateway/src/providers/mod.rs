//! Provider configs: accounts at providers, personal or the organisation's. Their keys and the values
//! of their headers are write-only.

mod account;
mod address;
mod change;
mod credentials;
mod headers;
mod http;
mod listing;
mod probe;
mod schema;
mod store;

pub(crate) use account::{Account, embeds, request_members};
pub(crate) use credentials::Credentials;
pub(crate) use http::router;
pub(crate) use store::{ConfigRow, find};
