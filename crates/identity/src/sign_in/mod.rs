//! Signing in with a username or an e-mail address and a password.

pub(crate) mod attempts;
pub(crate) mod http;
mod store;

use lyceum_core::Secret;
use lyceum_http::ClientInfo;
use lyceum_store::audit::{self, AuditEntry};
use serde_json::json;
use uuid::Uuid;

pub use attempts::AttemptLimits;
pub(crate) use attempts::Subjects;

use crate::session::{self, Issued};
use crate::{Identity, IdentityError};

/// Longer than any login or password can be; not worth a look.
const LOGIN_MAX: usize = 254;
const PASSWORD_MAX: usize = 256;

impl Identity {
    /// Signs a person in. A wrong password and an unknown account give the same answer after the
    /// same work.
    pub(crate) async fn sign_in(
        &self,
        login: &str,
        password: &Secret,
        client: &ClientInfo,
    ) -> Result<Issued, IdentityError> {
        let login = login.trim();
        let longest = login.chars().count().max(password.expose().chars().count());
        if login.is_empty() || longest > LOGIN_MAX.max(PASSWORD_MAX) || login.contains('\0') {
            return Err(IdentityError::InvalidCredentials);
        }
        let slot = self.passwords().slot().await?;
        let mut tx = self.db().begin_maintenance().await?;
        let account = store::account(&mut tx, login).await?;
        let subjects = match &account {
            Some(account) => Subjects::of_user(account.id, client.ip),
            None => Subjects::of_login(login, client.ip),
        };
        // Counted before the password is looked at, so that guesses at the same moment count, too.
        let now = self.clock().now();
        attempts::count(&mut tx, &subjects, self.config().attempts, now).await?;
        tx.commit().await.map_err(IdentityError::from)?;

        let hash = account.as_ref().and_then(|account| account.password_hash.clone());
        let fits = self.passwords().verify(slot, password, hash).await?;
        let user = account.as_ref().map(|account| account.id);
        let Some(account) = account.filter(|_| fits) else {
            self.record_failure(user, client).await?;
            return Err(IdentityError::InvalidCredentials);
        };
        if !account.active {
            return Err(IdentityError::AccountNotActive);
        }
        let mut tx = self.db().begin_maintenance().await?;
        attempts::forget(&mut tx, &subjects).await?;
        store::note_sign_in(&mut tx, account.id, now).await?;
        let issued = session::start(self, &mut tx, account.id, client).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(issued)
    }

    async fn record_failure(
        &self,
        user: Option<Uuid>,
        client: &ClientInfo,
    ) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_maintenance().await?;
        // What was typed as login is not kept: people type passwords there by mistake.
        audit::record(
            &mut tx,
            AuditEntry {
                user_id: user,
                action: "sign_in_failed",
                resource_type: "session",
                resource_id: None,
                details: json!({}),
                ip: client.ip,
                user_agent: client.user_agent.as_deref(),
                at: self.clock().now(),
            },
        )
        .await?;
        tx.commit().await.map_err(IdentityError::from)
    }

    /// Checks the password of somebody who is signed in, with the same limits on guessing.
    pub(crate) async fn confirm_password(
        &self,
        user: Uuid,
        password: &Secret,
        client: &ClientInfo,
    ) -> Result<(), IdentityError> {
        if password.expose().chars().count() > PASSWORD_MAX {
            return Err(IdentityError::WrongPassword);
        }
        let slot = self.passwords().slot().await?;
        let subjects = Subjects::of_user(user, client.ip);
        let mut tx = self.db().begin_maintenance().await?;
        let now = self.clock().now();
        attempts::count(&mut tx, &subjects, self.config().attempts, now).await?;
        let hash = store::password_hash(&mut tx, user).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        if !self.passwords().verify(slot, password, hash).await? {
            return Err(IdentityError::WrongPassword);
        }
        let mut tx = self.db().begin_maintenance().await?;
        attempts::forget(&mut tx, &subjects).await?;
        tx.commit().await.map_err(IdentityError::from)
    }
}

/// The entry that every new session leaves.
pub(crate) async fn record_sign_in(
    connection: &mut sqlx::PgConnection,
    user: Uuid,
    session: Uuid,
    client: &ClientInfo,
    at: chrono::DateTime<chrono::Utc>,
) -> Result<(), IdentityError> {
    let entry = AuditEntry {
        user_id: Some(user),
        action: "sign_in",
        resource_type: "session",
        resource_id: Some(session),
        details: json!({}),
        ip: client.ip,
        user_agent: client.user_agent.as_deref(),
        at,
    };
    Ok(audit::record(connection, entry).await?)
}
