//! What every HTTP surface of Lyceum shares: `problem+json` errors, the [`Caller`] with the right
//! that a handler names, paging, and the one client for outgoing requests.

mod auth;
mod extract;
mod outgoing;
mod paging;
mod patch;
mod problem;

pub use auth::{
    Allow, AllowedModels, Authenticator, Caller, ClientInfo, Credential, Right, SessionRequired,
};
pub use extract::{ApiPath, ApiQuery, misread_query};
pub use outgoing::{Egress, Outgoing, OutgoingError, OutgoingPolicy, SendError};
pub use paging::PageQuery;
pub use patch::present;
pub use problem::{ApiError, ApiJson, ProblemDocument, retry_after};
