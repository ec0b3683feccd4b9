//! Signing in with a username or an e-mail address and a password, and the second step that follows
//! any first one where a second factor is on.

pub(crate) mod attempts;
pub(crate) mod http;
pub(crate) mod second_step;
mod store;

use lyceum_core::Secret;
use lyceum_http::{Caller, ClientInfo};
use lyceum_store::audit::{self, AuditEntry};
use serde_json::json;
use uuid::Uuid;

pub use attempts::AttemptLimits;
pub(crate) use attempts::Subjects;

pub(crate) use second_step::{SignedIn, proceed};
pub(crate) use store::{is_active, note_sign_in};

use crate::password::is_outdated;
use crate::session::Proof;
use crate::session::store::NewSession;
use crate::{Identity, IdentityError, user};

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
    ) -> Result<SignedIn, IdentityError> {
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
            self.record_failure(user, client, "password").await?;
            return Err(IdentityError::InvalidCredentials);
        };
        if !account.active {
            return Err(IdentityError::AccountNotActive);
        }
        let renewed = match account.password_hash.as_deref() {
            Some(hash) if is_outdated(hash) => {
                let slot = self.passwords().slot().await?;
                Some(self.passwords().hash(slot, password).await?)
            }
            _ => None,
        };
        let mut tx = self.db().begin_maintenance().await?;
        attempts::forget(&mut tx, &subjects).await?;
        if let Some(hash) = renewed {
            user::store::set_password(&mut tx, account.id, &hash).await?;
        }
        let signed_in = proceed(self, &mut tx, account.id, client, Proof::PASSWORD).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(signed_in)
    }

    /// Records an attempt that failed at `step`: the password, the second factor or a passkey.
    pub(crate) async fn record_failure(
        &self,
        user: Option<Uuid>,
        client: &ClientInfo,
        step: &'static str,
    ) -> Result<(), IdentityError> {
        self.record_failed("sign_in_failed", user, None, client, step).await
    }

    /// The same of another act that takes a proof of who somebody is, within a session.
    pub(crate) async fn record_failed(
        &self,
        action: &'static str,
        user: Option<Uuid>,
        session: Option<Uuid>,
        client: &ClientInfo,
        step: &'static str,
    ) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_maintenance().await?;
        // What was typed as login is not kept: people type passwords there by mistake.
        audit::record(
            &mut tx,
            AuditEntry {
                user_id: user,
                action,
                resource_type: "session",
                resource_id: session,
                details: json!({ "step": step }),
                ip: client.ip,
                user_agent: client.user_agent.as_deref(),
                at: self.clock().now(),
            },
        )
        .await?;
        tx.commit().await.map_err(IdentityError::from)
    }

    /// Counts the beginning of a sign-in by passkey or through an issuer, or refuses it.
    pub(crate) async fn count_start(&self, client: &ClientInfo) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_maintenance().await?;
        let (limits, now) = (self.config().attempts, self.clock().now());
        attempts::count_start(&mut tx, client.ip, limits, now).await?;
        tx.commit().await.map_err(IdentityError::from)
    }

    /// It has led to a sign-in.
    pub(crate) async fn forget_start(
        &self,
        connection: &mut sqlx::PgConnection,
        client: &ClientInfo,
    ) -> Result<(), IdentityError> {
        attempts::forget_start(connection, client.ip).await
    }

    /// Makes sure that it is still the caller: by their password or, where the account has none, by a
    /// session that has lately seen another proof.
    pub(crate) async fn confirm_caller(
        &self,
        caller: &Caller,
        password: Option<&Secret>,
    ) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        let has_password = store::password_hash(&mut tx, caller.user_id).await?.is_some();
        drop(tx);
        match password {
            Some(password) if has_password => {
                self.confirm_password(caller.user_id, password, &caller.client).await
            }
            None if has_password => Err(IdentityError::WrongPassword),
            _ => self.require_recent(caller).await.map(drop),
        }
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
    new: &NewSession<'_>,
) -> Result<(), IdentityError> {
    let proof = new.proof;
    let entry = AuditEntry {
        user_id: Some(new.user),
        action: "sign_in",
        resource_type: "session",
        resource_id: Some(new.id),
        details: json!({ "method": proof.method, "second_factor": proof.second_factor }),
        ip: new.client.ip,
        user_agent: new.client.user_agent.as_deref(),
        at: new.now,
    };
    Ok(audit::record(connection, entry).await?)
}
