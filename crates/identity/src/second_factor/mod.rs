//! What is asked for beside the password: codes of an authenticator app and recovery codes.
//! Passkeys, which count as a second factor as well, are in [`crate::passkey`].

pub(crate) mod http;
pub(crate) mod store;
mod totp;

use chrono::TimeDelta;
use lyceum_core::{Secret, new_id};
use lyceum_http::{Caller, ClientInfo};
use lyceum_store::audit::{self, AuditEntry};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::session;
use crate::token::sha256;
use crate::{Identity, IdentityError, Rule, user};

pub(crate) use store::Factors;

const SEALED_IN: &str = "identity.totp_secrets";
/// How many recovery codes are given out.
const RECOVERY_CODES: usize = 10;
/// 80 bits, so that the hashes need no key.
const RECOVERY_CODE_BYTES: usize = 10;
/// Longer than any code.
const CODE_MAX: usize = 64;
/// How long after proving who they are somebody may change how they sign in.
const RECENT: TimeDelta = TimeDelta::minutes(10);

/// What somebody shows to confirm that it is still they.
pub(crate) enum Confirmation {
    Password(Secret),
    Code(Secret),
}

impl Identity {
    /// The second factors of the caller.
    pub(crate) async fn factors(&self, caller: &Caller) -> Result<Factors, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::factors(&mut tx, caller.user_id).await
    }

    /// Refuses where the caller's session has not lately seen a proof of who they are.
    pub(crate) async fn require_recent(&self, caller: &Caller) -> Result<Uuid, IdentityError> {
        let session = caller.require_session()?;
        let mut tx = self.db().begin_as(caller.user_id).await?;
        let at = session::store::authenticated_at(&mut tx, caller.user_id, session).await?;
        match at {
            Some(at) if self.clock().now() - at <= RECENT => Ok(session),
            _ => Err(IdentityError::ReauthenticationRequired),
        }
    }

    /// Checks a password or a code of somebody who is signed in.
    pub(crate) async fn confirm(
        &self,
        caller: &Caller,
        confirmation: &Confirmation,
    ) -> Result<(), IdentityError> {
        let session = caller.require_session()?;
        let user = caller.user_id;
        let (step, confirmed) = match confirmation {
            Confirmation::Password(password) => {
                ("password", self.confirm_password(user, password, &caller.client).await)
            }
            Confirmation::Code(code) => {
                ("second_factor", self.confirm_code(user, code, &caller.client).await)
            }
        };
        if let Err(IdentityError::WrongPassword | IdentityError::WrongCode) = &confirmed {
            let (session, client) = (Some(session), &caller.client);
            self.record_failed("confirm_failed", Some(user), session, client, step).await?;
        }
        confirmed?;
        let mut tx = self.db().begin_as(user).await?;
        session::store::note_proof(&mut tx, user, session, None, self.clock().now()).await?;
        tx.commit().await.map_err(IdentityError::from)
    }

    /// A new secret for an authenticator app, and the address that tells it to the app. It counts
    /// once [`Identity::confirm_totp`] has seen a code of it.
    pub(crate) async fn begin_totp(
        &self,
        caller: &Caller,
    ) -> Result<(Secret, String), IdentityError> {
        self.require_recent(caller).await?;
        let secret = totp::new_secret()?;
        let id = new_id();
        let sealed = self.keyring().seal(SEALED_IN, id, &secret)?;
        let mut tx = self.db().begin_as(caller.user_id).await?;
        let email = store::email(&mut tx, caller.user_id).await?;
        if store::totp(&mut tx, caller.user_id).await?.is_some_and(|present| present.confirmed) {
            return Err(IdentityError::TotpOn);
        }
        store::put_totp(&mut tx, id, caller.user_id, &sealed).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        let uri = totp::uri(&secret, &email);
        Ok((secret, uri))
    }

    /// Puts the app into force, ends all other sessions, which never saw a second factor, and
    /// answers recovery codes where there are none.
    pub(crate) async fn confirm_totp(
        &self,
        caller: &Caller,
        code: &Secret,
    ) -> Result<Option<Vec<Secret>>, IdentityError> {
        let session = self.require_recent(caller).await?;
        let (user, now) = (caller.user_id, self.clock().now());
        let mut tx = self.db().begin_as(user).await?;
        let present = store::totp(&mut tx, user).await?.ok_or(IdentityError::TotpOff)?;
        if present.confirmed {
            return Err(IdentityError::TotpOn);
        }
        let secret = self.keyring().open(SEALED_IN, present.id, &present.sealed)?;
        let step = totp::matching_step(&secret, &plain(code), now)?;
        let step = step.ok_or(IdentityError::WrongCode)?;
        store::use_step(&mut tx, user, step).await?;
        store::confirm_totp(&mut tx, user, now).await?;
        let codes = self.after_enrolment(&mut tx, caller, session, "totp").await?;
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_all();
        Ok(codes)
    }

    /// What follows when a second factor was set up in `session`.
    pub(crate) async fn after_enrolment(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
        session: Uuid,
        factor: &'static str,
    ) -> Result<Option<Vec<Secret>>, IdentityError> {
        let (user, now) = (caller.user_id, self.clock().now());
        session::store::note_proof(connection, user, session, Some(factor), now).await?;
        session::store::revoke_others(connection, user, Some(session), "revoked", now).await?;
        match store::factors(connection, user).await?.recovery_codes {
            0 => Ok(Some(self.new_codes(connection, caller).await?)),
            _ => Ok(None),
        }
    }

    /// Switches the app off.
    pub(crate) async fn disable_totp(
        &self,
        caller: &Caller,
        confirmation: &Confirmation,
    ) -> Result<(), IdentityError> {
        self.confirm(caller, confirmation).await?;
        let mut tx = self.db().begin_as(caller.user_id).await?;
        if store::totp(&mut tx, caller.user_id).await?.is_none() {
            return Err(IdentityError::TotpOff);
        }
        store::remove_totp(&mut tx, caller.user_id).await?;
        after_removal(&mut tx, caller.user_id).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        // What the sessions say of it does not count any more.
        self.credentials().forget_all();
        Ok(())
    }

    /// New recovery codes in place of all old ones.
    pub(crate) async fn renew_recovery_codes(
        &self,
        caller: &Caller,
    ) -> Result<Vec<Secret>, IdentityError> {
        self.require_recent(caller).await?;
        let mut tx = self.db().begin_as(caller.user_id).await?;
        if !store::factors(&mut tx, caller.user_id).await?.on() {
            return Err(IdentityError::NoSecondFactor);
        }
        let codes = self.new_codes(&mut tx, caller).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(codes)
    }

    async fn new_codes(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
    ) -> Result<Vec<Secret>, IdentityError> {
        let codes: Vec<Secret> =
            (0..RECOVERY_CODES).map(|_| new_code()).collect::<Result<_, _>>()?;
        let hashes: Vec<_> = codes.iter().map(|code| sha256(plain(code).as_bytes())).collect();
        store::replace_codes(connection, caller.user_id, &hashes).await?;
        self.record(connection, caller, "new_recovery_codes", caller.user_id).await?;
        Ok(codes)
    }

    /// Removes all second factors of somebody who lost them, and ends their sessions.
    pub(crate) async fn reset_second_factors(
        &self,
        caller: &Caller,
        user: Uuid,
    ) -> Result<(), IdentityError> {
        if user == caller.user_id {
            return Err(IdentityError::field("id", Rule::OwnProfile));
        }
        self.user(caller, user).await?;
        let mut tx = self.db().begin_as(caller.user_id).await?;
        let present = user::store::roles_of(&mut tx, user).await?;
        user::require_all(caller, &present)?;
        store::remove_all(&mut tx, user).await?;
        session::store::revoke_others(&mut tx, user, None, "revoked", self.clock().now()).await?;
        self.record(&mut tx, caller, "reset_second_factors", user).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_all();
        Ok(())
    }

    async fn record(
        &self,
        connection: &mut PgConnection,
        caller: &Caller,
        action: &'static str,
        user: Uuid,
    ) -> Result<(), IdentityError> {
        let entry = AuditEntry {
            user_id: Some(caller.user_id),
            action,
            resource_type: "user",
            resource_id: Some(user),
            details: json!({}),
            ip: caller.client.ip,
            user_agent: caller.client.user_agent.as_deref(),
            at: self.clock().now(),
        };
        Ok(audit::record(connection, entry).await?)
    }

    /// Uses up a code of the app or a recovery code of `user`; answers which of the two it was, or
    /// nothing where it was neither.
    pub(crate) async fn use_code(
        &self,
        connection: &mut PgConnection,
        user: Uuid,
        code: &Secret,
    ) -> Result<Option<&'static str>, IdentityError> {
        if code.expose().len() > CODE_MAX {
            return Ok(None);
        }
        let (code, now) = (plain(code), self.clock().now());
        if code.len() != 6 {
            let used = store::use_code(connection, user, &sha256(code.as_bytes()), now).await?;
            return Ok(used.then_some("recovery_code"));
        }
        let Some(present) = store::totp(connection, user).await?.filter(|totp| totp.confirmed)
        else {
            return Ok(None);
        };
        let secret = self.keyring().open(SEALED_IN, present.id, &present.sealed)?;
        match totp::matching_step(&secret, &code, now)? {
            Some(step) if store::use_step(connection, user, step).await? => Ok(Some("totp")),
            _ => Ok(None),
        }
    }
}

/// Refuses to leave somebody without the second factor that they must have; without any, the
/// recovery codes go, too.
pub(crate) async fn after_removal(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<(), IdentityError> {
    let left = store::factors(connection, user).await?;
    match (left.on(), left.required) {
        (true, _) => Ok(()),
        (false, true) => Err(IdentityError::SecondFactorRequired),
        (false, false) => store::remove_codes(connection, user).await,
    }
}

/// A recovery code in four groups that can be read out.
fn new_code() -> Result<Secret, IdentityError> {
    let text = totp::random_base32(RECOVERY_CODE_BYTES)?.expose().to_lowercase();
    let groups: Vec<&str> =
        (0..text.len()).step_by(4).filter_map(|at| text.get(at..at + 4)).collect();
    Ok(Secret::new(groups.join("-")))
}

/// A code as it was meant, however it was typed.
fn plain(code: &Secret) -> zeroize::Zeroizing<String> {
    let characters = code.expose().chars().filter(|c| !c.is_whitespace() && *c != '-');
    zeroize::Zeroizing::new(characters.flat_map(char::to_lowercase).collect())
}

impl Identity {
    /// Checks a code of somebody who is signed in, with the same limits on guessing as at sign-in.
    async fn confirm_code(
        &self,
        user: Uuid,
        code: &Secret,
        client: &ClientInfo,
    ) -> Result<(), IdentityError> {
        self.count_code(user, client).await?;
        let mut tx = self.db().begin_as(user).await?;
        self.use_code(&mut tx, user, code).await?.ok_or(IdentityError::WrongCode)?;
        tx.commit().await.map_err(IdentityError::from)?;
        let mut tx = self.db().begin_maintenance().await?;
        self.forget_code(&mut tx, user, client).await?;
        tx.commit().await.map_err(IdentityError::from)
    }
}
