//! Sessions: one for each sign-in, kept alive by refresh tokens that are used once.

pub(crate) mod http;
pub(crate) mod store;

use chrono::{DateTime, TimeDelta, Utc};
use lyceum_core::{Secret, new_id};
use lyceum_http::{Caller, ClientInfo};
use lyceum_store::audit::{self, AuditEntry};
use serde_json::json;
use sqlx::PgConnection;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::sign_in::{note_sign_in, record_sign_in};
use crate::token::ACCESS_LIFETIME;
use crate::{Identity, IdentityError};

/// How long a session lives without being used, and at most.
const IDLE_LIFETIME: TimeDelta = TimeDelta::days(14);
const WHOLE_LIFETIME: TimeDelta = TimeDelta::days(90);
/// Within this time the token before the current one gets the same successor again: two tabs may
/// refresh at the same moment, and an answer may be lost on its way.
const GRACE: TimeDelta = TimeDelta::seconds(10);

/// How somebody proved who they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof {
    /// `password`, `passkey` or `oidc`.
    pub(crate) method: &'static str,
    /// `totp`, `passkey`, `recovery_code` or `issuer`.
    pub(crate) second_factor: Option<&'static str>,
    /// The issuer, where one vouched for them.
    pub(crate) provider: Option<Uuid>,
}

impl Proof {
    /// A password and nothing besides.
    pub(crate) const PASSWORD: Self =
        Self { method: "password", second_factor: None, provider: None };
}

/// The tokens of a session.
pub(crate) struct Issued {
    pub(crate) session_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) access: Secret,
    pub(crate) access_expires_at: DateTime<Utc>,
    pub(crate) refresh: Secret,
    /// When the refresh token expires, and with it the session.
    pub(crate) expires_at: DateTime<Utc>,
}

/// Starts a session of somebody who knows their password, in the caller's transaction. Where a
/// second factor is on it has to be asked for first, see [`crate::sign_in`].
pub(crate) async fn start(
    identity: &Identity,
    connection: &mut PgConnection,
    user: Uuid,
    client: &ClientInfo,
) -> Result<Issued, IdentityError> {
    start_with(identity, connection, user, client, Proof::PASSWORD).await
}

/// Starts a session in the caller's transaction.
pub(crate) async fn start_with(
    identity: &Identity,
    connection: &mut PgConnection,
    user: Uuid,
    client: &ClientInfo,
    proof: Proof,
) -> Result<Issued, IdentityError> {
    let id = new_id();
    let now = identity.clock().now();
    let expires_at = now + IDLE_LIFETIME;
    let hash = identity.tokens().refresh_hash(id, 0);
    let new = store::NewSession { id, user, hash: &hash, client, proof, now, expires_at };
    // The audit row of the new session names the person.
    store::act_as(connection, user).await?;
    store::insert(connection, &new).await?;
    note_sign_in(connection, user, now).await?;
    record_sign_in(connection, &new).await?;
    issue(identity, user, id, 0, expires_at)
}

fn issue(
    identity: &Identity,
    user: Uuid,
    session: Uuid,
    generation: i32,
    expires_at: DateTime<Utc>,
) -> Result<Issued, IdentityError> {
    let now = identity.clock().now();
    Ok(Issued {
        session_id: session,
        user_id: user,
        access: identity.tokens().access(user, session, now)?,
        access_expires_at: now + ACCESS_LIFETIME,
        refresh: identity.tokens().refresh(session, generation),
        expires_at,
    })
}

impl Identity {
    /// Exchanges a refresh token for its successor and a new access token. A token that was
    /// exchanged before ends the session, since either its owner or a thief holds a copy.
    pub(crate) async fn refresh(
        &self,
        token: &str,
        client: &ClientInfo,
    ) -> Result<Issued, IdentityError> {
        let token = self.tokens().read_refresh(token).ok_or(IdentityError::SessionEnded)?;
        let now = self.clock().now();
        let mut tx = self.db().begin_maintenance().await?;
        let session = store::living_for_update(&mut tx, token.session, now)
            .await?
            .ok_or(IdentityError::SessionEnded)?;
        if token.generation == session.generation
            && bool::from(session.refresh_hash.ct_eq(token.hash.as_slice()))
        {
            let generation = session.generation + 1;
            let hash = self.tokens().refresh_hash(token.session, generation);
            let expires_at = (now + IDLE_LIFETIME).min(session.created_at + WHOLE_LIFETIME);
            store::rotate(&mut tx, token.session, generation, &hash, now, expires_at).await?;
            tx.commit().await.map_err(IdentityError::from)?;
            return issue(self, session.user_id, token.session, generation, expires_at);
        }
        let before_current = token.generation == session.generation - 1;
        if before_current && now - session.rotated_at <= GRACE {
            tx.rollback().await.map_err(IdentityError::from)?;
            let expires_at = session.expires_at;
            return issue(self, session.user_id, token.session, session.generation, expires_at);
        }
        if token.generation > session.generation {
            // The database was restored to an earlier state; nobody stole anything.
            return Err(IdentityError::SessionEnded);
        }
        store::act_as(&mut tx, session.user_id).await?;
        store::revoke(&mut tx, session.user_id, token.session, "token_reused", now).await?;
        let entry = AuditEntry {
            user_id: Some(session.user_id),
            action: "token_reused",
            resource_type: "session",
            resource_id: Some(token.session),
            details: json!({ "generation": token.generation, "current": session.generation }),
            ip: client.ip,
            user_agent: client.user_agent.as_deref(),
            at: now,
        };
        audit::record(&mut tx, entry).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_session(token.session).await;
        tracing::warn!(session = %token.session, "a refresh token was used twice");
        Err(IdentityError::TokenReused)
    }

    /// Ends the session that either token belongs to; without one there is nothing to end. Answers
    /// the issuer that had vouched for the person, if one did.
    pub(crate) async fn sign_out(
        &self,
        access: Option<&str>,
        refresh: Option<&str>,
    ) -> Result<Option<Uuid>, IdentityError> {
        let by_access =
            access.and_then(|token| self.tokens().read_access_even_expired(token)).map(|c| c.sid);
        let by_refresh =
            refresh.and_then(|token| self.tokens().read_refresh(token)).map(|token| token.session);
        let Some(session) = by_refresh.or(by_access) else { return Ok(None) };
        let mut tx = self.db().begin_maintenance().await?;
        let provider = store::sign_out(&mut tx, session, self.clock().now()).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_session(session).await;
        Ok(provider)
    }

    /// Ends all of the caller's sessions but the one that asks.
    pub(crate) async fn revoke_other_sessions(&self, caller: &Caller) -> Result<(), IdentityError> {
        let keep = caller.require_session()?;
        let now = self.clock().now();
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::revoke_others(&mut tx, caller.user_id, Some(keep), "revoked", now).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_all();
        Ok(())
    }

    /// Ends one of the caller's own sessions.
    pub(crate) async fn revoke_session(
        &self,
        caller: &Caller,
        session: Uuid,
    ) -> Result<(), IdentityError> {
        let now = self.clock().now();
        let mut tx = self.db().begin_as(caller.user_id).await?;
        let found = store::revoke(&mut tx, caller.user_id, session, "revoked", now).await?;
        if !found {
            return Err(IdentityError::NotFound("session"));
        }
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_session(session).await;
        Ok(())
    }
}
