//! Who is there: everybody who signed in and asks for something.

use async_trait::async_trait;
use http::request::Parts;
use lyceum_gateway::Gateway;
use lyceum_http::{ApiError, Authenticator, Caller};
use lyceum_identity::Identity;

/// Finds callers, and tells the live figures of those who are people.
pub struct Presence {
    identity: Identity,
    gateway: Gateway,
}

impl Presence {
    /// With what finds callers, and what counts.
    pub fn new(identity: Identity, gateway: Gateway) -> Self {
        Self { identity, gateway }
    }
}

#[async_trait]
impl Authenticator for Presence {
    async fn authenticate(&self, parts: &Parts) -> Result<Caller, ApiError> {
        let caller = self.identity.authenticate(parts).await?;
        if caller.session().is_some() {
            self.gateway.saw(caller.user_id);
        }
        Ok(caller)
    }
}
