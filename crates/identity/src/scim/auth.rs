//! Who calls: a directory with its token.

use axum::extract::FromRequestParts;
use http::request::Parts;
use lyceum_store::Tx;
use uuid::Uuid;

use super::error::ScimError;
use crate::authenticate::bearer;
use crate::scim_token::store;
use crate::session::store::act_as;
use crate::token::{SCIM_TOKEN_PREFIX, sha256};
use crate::{Identity, IdentityError};

/// A directory that showed a token which works. Every handler of SCIM takes it.
pub(crate) struct Directory {
    /// The token's id, which audit entries name.
    pub(crate) token: Uuid,
}

impl FromRequestParts<Identity> for Directory {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, identity: &Identity) -> Result<Self, ScimError> {
        let given = bearer(parts).filter(|token| token.starts_with(SCIM_TOKEN_PREFIX));
        let hash = sha256(given.ok_or_else(ScimError::unauthenticated)?.as_bytes());
        let now = identity.clock().now();
        let mut tx = identity.db().begin_maintenance().await.map_err(IdentityError::from)?;
        let found = store::working(&mut tx, &hash, now).await?;
        let token = found.ok_or_else(ScimError::unauthenticated)?;
        store::note_use(&mut tx, token, now).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(Self { token })
    }
}

impl Identity {
    /// A transaction in which a directory acts. It reaches every account, so what it may not do is
    /// said by the logic and by the constraints.
    pub(super) async fn begin_provisioning(
        &self,
        directory: &Directory,
    ) -> Result<Tx, IdentityError> {
        let mut tx = self.db().begin_maintenance().await?;
        act_as(&mut tx, directory.token).await?;
        Ok(tx)
    }
}
