//! Registering by oneself, where the settings let everybody.
//!
//! An address proves itself before the account exists: until the link in the letter is followed,
//! nothing tells apart an address that has an account from one that has none.

pub(crate) mod http;
pub(crate) mod store;

use chrono::TimeDelta;
use lyceum_core::{Secret, new_id};
use lyceum_http::ClientInfo;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::link::LinkKind;
use crate::mail::{Language, Letter};
use crate::people::PeopleError;
use crate::sign_in::attempts;
use crate::user::{self, NewUser};
use crate::{Identity, IdentityError, Rule, rules, session};

/// How long the link in the letter is good for.
const LIFETIME: TimeDelta = TimeDelta::hours(24);

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Only administrators make accounts.
    Closed,
    /// Whoever was invited.
    Invitation,
    /// Everybody.
    Open,
}

/// The mode in force.
pub(crate) async fn mode(connection: &mut PgConnection) -> Result<Mode, IdentityError> {
    Ok(match store::setting(connection, "registration.mode").await?.as_str() {
        Some("open") => Mode::Open,
        Some("invitation") => Mode::Invitation,
        _ => Mode::Closed,
    })
}

/// The domains that may register by themselves; all where there are none.
async fn domains(connection: &mut PgConnection) -> Result<Vec<String>, IdentityError> {
    let value = store::setting(connection, "registration.email_domains").await?;
    // What is no text is no domain: it must not make an empty list, which would mean all.
    let names = value.as_array().into_iter().flatten().map(|name| name.as_str().unwrap_or("-"));
    Ok(names.map(|name| name.trim().trim_start_matches('@').to_lowercase()).collect())
}

/// An account that somebody wants.
pub(crate) struct Wanted {
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) password: Secret,
    pub(crate) display_name: Option<String>,
    pub(crate) language: Language,
}

impl Identity {
    /// Who may make an account, and with an address of which domains.
    pub(crate) async fn registration(&self) -> Result<(Mode, Vec<String>), IdentityError> {
        let mut tx = self.db().begin_maintenance().await?;
        Ok((mode(&mut tx).await?, domains(&mut tx).await?))
    }

    /// Takes a registration. It answers in the same way, after the same work, whether or not the
    /// address has an account.
    pub(crate) async fn register(
        &self,
        wanted: Wanted,
        client: &ClientInfo,
    ) -> Result<(), IdentityError> {
        let (mode, domains) = self.registration().await?;
        if mode != Mode::Open {
            return Err(PeopleError::RegistrationClosed.into());
        }
        let username = rules::username(&wanted.username)?;
        let email = rules::email(&wanted.email)?;
        let domain = email.rsplit('@').next().unwrap_or_default().to_lowercase();
        if !domains.is_empty() && !domains.contains(&domain) {
            return Err(IdentityError::field("email", Rule::EmailDomain));
        }
        let display_name = wanted.display_name.as_deref().map(rules::display_name).transpose()?;
        rules::password("password", &wanted.password, &username, &email)?;
        self.count_attempt(&format!("register {}", email.to_lowercase()), client).await?;
        let slot = self.passwords().slot().await?;
        let password_hash = self.passwords().hash(slot, &wanted.password).await?;

        let (id, now) = (new_id(), self.clock().now());
        let mut tx = self.db().begin_maintenance().await?;
        let known = store::known(&mut tx, &username, &email).await?;
        if !known.is_normalized {
            return Err(rules::not_normalized());
        }
        if known.username_taken {
            return Err(IdentityError::Taken { field: "username" });
        }
        let new =
            NewUser { id, username, email, display_name: display_name.flatten(), password_hash };
        // Nobody there may have asked for a letter; whoever registers is told the same in any case.
        let may_write = attempts::may_write_to(&mut tx, &new.email, now).await?;
        match (known.account, self.can_mail()) {
            (_, true) if !may_write => {}
            (Some(account), true) => self.post(&mut tx, Letter::AlreadyRegistered(account)).await?,
            (None, true) => {
                let hash = self.links().hash(LinkKind::Registration, id);
                store::insert(&mut tx, &new, &hash, wanted.language, now, now + LIFETIME).await?;
                self.post(&mut tx, Letter::Registration(id)).await?;
            }
            (None, false) => self.make_registered(&mut tx, &new).await?,
            // Nobody can be told by letter; whoever owns the account can sign in to it.
            (Some(_), false) => {}
        }
        tx.commit().await.map_err(IdentityError::from)
    }

    /// Makes the account of a registration whose link was followed.
    pub(crate) async fn confirm_registration(
        &self,
        token: &Secret,
        client: &ClientInfo,
    ) -> Result<(), IdentityError> {
        let subjects = self.count_token(token, client).await?;
        let token = self.links().read(LinkKind::Registration, token)?;
        let now = self.clock().now();
        let mut tx = self.db().begin_maintenance().await?;
        let found = store::for_update(&mut tx, token.id).await?.ok_or(PeopleError::LinkInvalid)?;
        token.fits(&found.token_hash)?;
        if found.used_at.is_some() {
            return Err(PeopleError::LinkUsed.into());
        }
        if found.expires_at <= now {
            return Err(PeopleError::LinkExpired.into());
        }
        if mode(&mut tx).await? != Mode::Open {
            return Err(PeopleError::RegistrationClosed.into());
        }
        let new = NewUser {
            id: new_id(),
            username: found.username,
            email: found.email,
            display_name: found.display_name,
            password_hash: found.password_hash,
        };
        self.make_registered(&mut tx, &new).await?;
        user::store::mark_email_verified(&mut tx, new.id).await?;
        store::mark_used(&mut tx, token.id, now).await?;
        attempts::forget(&mut tx, &subjects).await?;
        tx.commit().await.map_err(IdentityError::from)
    }

    async fn make_registered(
        &self,
        connection: &mut PgConnection,
        new: &NewUser,
    ) -> Result<(), IdentityError> {
        let now = self.clock().now();
        session::store::act_as(connection, new.id).await?;
        user::store::insert(connection, new, now).await?;
        let roles = user::resolve(connection, &[user::DEFAULT_ROLE.to_owned()]).await?;
        let ids: Vec<_> = roles.iter().map(|role| role.id).collect();
        user::store::grant(connection, new.id, &ids, new.id, now).await?;
        tracing::info!(user = %new.id, "somebody registered");
        Ok(())
    }
}
