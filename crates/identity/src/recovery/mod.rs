//! Proving an address, and setting a new password without the old one.

pub(crate) mod http;
mod store;

use chrono::TimeDelta;
use lyceum_core::Secret;
use lyceum_http::{Caller, ClientInfo};
use lyceum_store::audit::{self, AuditEntry};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::link::{self, LinkKind, Purpose};
use crate::mail::Letter;
use crate::people::PeopleError;
use crate::session;
use crate::sign_in::attempts;
use crate::{Identity, IdentityError, Rule, rules, user};

/// Longer than any login can be.
const LOGIN_MAX: usize = 254;
/// A second letter of the same kind to the same account waits for so long.
const BETWEEN_LETTERS: TimeDelta = TimeDelta::minutes(1);

impl Identity {
    /// Takes the wish for a new password. The work is done after the answer, so that neither the
    /// answer nor its time tells whether there is such an account.
    pub(crate) async fn request_password_reset(
        &self,
        login: &str,
        client: &ClientInfo,
    ) -> Result<(), IdentityError> {
        let login = login.trim();
        if login.is_empty() || login.chars().count() > LOGIN_MAX || login.contains('\0') {
            return Err(IdentityError::field("login", Rule::LoginMissing));
        }
        if !self.can_mail() {
            return Err(PeopleError::MailNotConfigured.into());
        }
        self.count_attempt(&format!("reset {}", login.to_lowercase()), client).await?;
        let (identity, login, client) = (self.clone(), login.to_owned(), client.clone());
        tokio::spawn(async move {
            if let Err(error) = identity.send_password_reset(&login, &client).await {
                tracing::error!(cause = ?error, "a link to set a new password was not sent");
            }
        });
        Ok(())
    }

    async fn send_password_reset(
        &self,
        login: &str,
        client: &ClientInfo,
    ) -> Result<(), IdentityError> {
        let (now, purpose) = (self.clock().now(), Purpose::ResetPassword);
        let mut tx = self.db().begin_maintenance().await?;
        let Some(user) = store::active_account(&mut tx, login).await? else { return Ok(()) };
        if link::store::is_fresh(&mut tx, user, purpose, now, BETWEEN_LETTERS).await? {
            return Ok(());
        }
        let id = self.make_link(&mut tx, user, purpose, None, None).await?;
        self.post(&mut tx, Letter::Link(id)).await?;
        // Whoever asks is not known to be the user.
        self.note(&mut tx, None, user, "request_password_reset", client).await?;
        tx.commit().await.map_err(IdentityError::from)
    }

    /// Sets a new password by a link and ends all sessions.
    pub(crate) async fn reset_password(
        &self,
        token: &Secret,
        password: &Secret,
        client: &ClientInfo,
    ) -> Result<(), IdentityError> {
        let subjects = self.count_token(token, client).await?;
        let token = self.links().read(LinkKind::Account(Purpose::ResetPassword), token)?;
        let mut tx = self.db().begin_maintenance().await?;
        // Judged first, so that a bad password does not use up the link; then hashed without
        // holding the row.
        let link = self.use_link(&mut tx, &token, &[Purpose::ResetPassword]).await?;
        let account = store::names(&mut tx, link.user_id).await?;
        tx.rollback().await.map_err(IdentityError::from)?;
        rules::password("password", password, &account.username, &account.email)?;
        let slot = self.passwords().slot().await?;
        let hash = self.passwords().hash(slot, password).await?;

        let now = self.clock().now();
        let mut tx = self.db().begin_maintenance().await?;
        let link = self.use_link(&mut tx, &token, &[Purpose::ResetPassword]).await?;
        let user = link.user_id;
        session::store::act_as(&mut tx, user).await?;
        user::store::set_password(&mut tx, user, &hash).await?;
        session::store::revoke_others(&mut tx, user, None, "password_changed", now).await?;
        self.note(&mut tx, Some(user), user, "reset_password", client).await?;
        attempts::forget(&mut tx, &subjects).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_all();
        Ok(())
    }

    /// Proves an address by a link: the present one, or the one that it is to be changed to.
    pub(crate) async fn verify_email(
        &self,
        token: &Secret,
        client: &ClientInfo,
    ) -> Result<(), IdentityError> {
        let subjects = self.count_token(token, client).await?;
        let token = self.links().read(LinkKind::Account(Purpose::VerifyEmail), token)?;
        let mut tx = self.db().begin_maintenance().await?;
        let purposes = [Purpose::VerifyEmail, Purpose::ChangeEmail];
        let link = self.use_link(&mut tx, &token, &purposes).await?;
        let (user, email) = (link.user_id, link.email.unwrap_or_default());
        session::store::act_as(&mut tx, user).await?;
        // Where the account has another address by now, the link is about nothing any more.
        let before = link.previous_email.as_deref().unwrap_or(&email);
        if !store::set_verified_email(&mut tx, user, before, &email).await? {
            return Err(PeopleError::LinkInvalid.into());
        }
        if link.previous_email.is_some() {
            self.note(&mut tx, Some(user), user, "change_email", client).await?;
            if self.can_mail() {
                self.post(&mut tx, Letter::AddressChanged(token.id)).await?;
            }
        } else {
            self.note(&mut tx, Some(user), user, "verify_email", client).await?;
        }
        attempts::forget(&mut tx, &subjects).await?;
        tx.commit().await.map_err(IdentityError::from)
    }

    /// Sends the caller a link that proves their address.
    pub(crate) async fn request_verification(&self, caller: &Caller) -> Result<(), IdentityError> {
        caller.require_session()?;
        if !self.can_mail() {
            return Err(PeopleError::MailNotConfigured.into());
        }
        let user = caller.user_id;
        self.count_attempt(&format!("verify {user}"), &caller.client).await?;
        let mut tx = self.db().begin_maintenance().await?;
        let account = store::names(&mut tx, user).await?;
        let email = Some(account.email.as_str());
        let id = self.make_link(&mut tx, user, Purpose::VerifyEmail, email, None).await?;
        self.post(&mut tx, Letter::Link(id)).await?;
        tx.commit().await.map_err(IdentityError::from)
    }

    /// Sends a link to the address that the caller wants to have from now on.
    pub(crate) async fn request_new_address(
        &self,
        caller: &Caller,
        email: &str,
    ) -> Result<(), IdentityError> {
        let user = caller.user_id;
        let mut tx = self.db().begin_maintenance().await?;
        let account = store::names(&mut tx, user).await?;
        drop(tx);
        if account.email.eq_ignore_ascii_case(email) {
            return Ok(());
        }
        self.count_attempt(&format!("change address {user}"), &caller.client).await?;
        let (purpose, before) = (Purpose::ChangeEmail, Some(account.email.as_str()));
        let mut tx = self.db().begin_maintenance().await?;
        let id = self.make_link(&mut tx, user, purpose, Some(email), before).await?;
        self.post(&mut tx, Letter::Link(id)).await?;
        self.note(&mut tx, Some(user), user, "request_change_email", &caller.client).await?;
        tx.commit().await.map_err(IdentityError::from)
    }

    /// Makes a link to another's account for an administrator: it goes to the account's address,
    /// or where no letter can be sent, to the administrator.
    pub(crate) async fn link_for(
        &self,
        caller: &Caller,
        user: Uuid,
        purpose: Purpose,
    ) -> Result<Option<String>, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        let found =
            user::store::find(&mut tx, user).await?.ok_or(IdentityError::NotFound("user"))?;
        // Whoever sets a password gains all that the account may do.
        user::require_all(caller, &user::store::roles_of(&mut tx, user).await?)?;
        drop(tx);
        let mut tx = self.db().begin_maintenance().await?;
        let email = (purpose == Purpose::VerifyEmail).then_some(found.email.as_str());
        let id = self.make_link(&mut tx, user, purpose, email, None).await?;
        if self.can_mail() {
            self.post(&mut tx, Letter::Link(id)).await?;
        }
        let action = match purpose {
            Purpose::ResetPassword => "make_password_link",
            _ => "make_verification_link",
        };
        self.note(&mut tx, Some(caller.user_id), user, action, &caller.client).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok((!self.can_mail()).then(|| self.link_address(LinkKind::Account(purpose), id)))
    }

    /// Writes to the audit log what no trigger sees.
    async fn note(
        &self,
        connection: &mut PgConnection,
        by: Option<Uuid>,
        user: Uuid,
        action: &str,
        client: &ClientInfo,
    ) -> Result<(), IdentityError> {
        let details: Value = json!({});
        let entry = AuditEntry {
            user_id: by,
            action,
            resource_type: "user",
            resource_id: Some(user),
            details,
            ip: client.ip,
            user_agent: client.user_agent.as_deref(),
            at: self.clock().now(),
        };
        Ok(audit::record(connection, entry).await?)
    }
}
