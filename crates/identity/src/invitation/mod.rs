//! Invitations: a link that lets somebody make an account with the roles that the inviter chose.
//!
//! What an invitation gives is judged twice, when it is made and when it is accepted: nobody gives
//! away what they do not have, or do not have any more.

pub(crate) mod http;
pub(crate) mod store;

use chrono::TimeDelta;
use lyceum_core::{Page, PageRequest, Secret, new_id};
use lyceum_http::{Caller, ClientInfo};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::authenticate::{holds, permission_set};
use crate::link::{LinkKind, LinkToken};
use crate::mail::{self, Language, Letter};
use crate::people::PeopleError;
use crate::registration::Mode;
use crate::session::{self, Issued};
use crate::sign_in::attempts;
use crate::user::{self, NewUser};
use crate::{Identity, IdentityError, Rule, registration, rules};

use store::InvitationRow;

/// Days for which an invitation is good: at most, and where nothing is said.
const DAYS_MAX: i64 = 30;
const DAYS: i64 = 7;
/// Groups that one invitation may give.
const GROUPS_MAX: usize = 50;

/// An invitation to be made.
pub(crate) struct NewInvitation {
    pub(crate) email: Option<String>,
    pub(crate) roles: Option<Vec<String>>,
    pub(crate) groups: Vec<Uuid>,
    pub(crate) expires_in_days: Option<i64>,
    pub(crate) send: Option<bool>,
    pub(crate) language: Option<Language>,
}

/// What an invited person says of themselves.
pub(crate) struct Acceptance {
    pub(crate) token: Secret,
    pub(crate) username: String,
    pub(crate) email: Option<String>,
    pub(crate) password: Secret,
    pub(crate) display_name: Option<String>,
}

impl Identity {
    /// Makes an invitation. Answers its link, unless that went to the invited address alone.
    pub(crate) async fn invite(
        &self,
        caller: &Caller,
        new: NewInvitation,
    ) -> Result<(InvitationRow, Option<String>), IdentityError> {
        let email = new.email.as_deref().map(rules::email).transpose()?;
        let days = new.expires_in_days.unwrap_or(DAYS);
        if !(1..=DAYS_MAX).contains(&days) {
            let range = Rule::Range { min: 1, max: DAYS_MAX };
            return Err(IdentityError::field("expires_in_days", range));
        }
        if new.groups.len() > GROUPS_MAX {
            return Err(IdentityError::field("groups", Rule::Count { min: 0, max: GROUPS_MAX }));
        }
        let is_mailed = new.send.unwrap_or(email.is_some() && self.can_mail());
        if is_mailed && !self.can_mail() {
            return Err(PeopleError::MailNotConfigured.into());
        }
        if is_mailed && email.is_none() {
            return Err(IdentityError::field("email", Rule::EmailMissing));
        }

        let roles = new.roles.unwrap_or_else(|| vec![user::DEFAULT_ROLE.to_owned()]);
        let mut tx = self.db().begin_as(caller.user_id).await?;
        let roles = user::resolve(&mut tx, &roles).await?;
        user::require_all(caller, &roles)?;
        if store::groups_of(&mut tx, caller.user_id, &new.groups).await?.len() != new.groups.len() {
            return Err(IdentityError::field("groups", Rule::UnknownId { what: "group" }));
        }
        let language = match new.language {
            Some(language) => language,
            None => mail::language_of(&mut tx, caller.user_id).await?,
        };
        let (id, now) = (new_id(), self.clock().now());
        let row = store::NewRow {
            id,
            created_by: caller.user_id,
            hash: &self.links().hash(LinkKind::Invitation, id),
            email: email.as_deref(),
            roles: &roles.iter().map(|role| role.id).collect::<Vec<_>>(),
            groups: &new.groups,
            is_mailed,
            language: language.as_str(),
            now,
            expires_at: now + TimeDelta::days(days),
        };
        store::insert(&mut tx, &row).await?;
        if is_mailed {
            self.post(&mut tx, Letter::Invitation(id)).await?;
        }
        let made = store::find(&mut tx, id).await?.ok_or(IdentityError::NotFound("invitation"))?;
        tx.commit().await.map_err(IdentityError::from)?;
        let link = (!is_mailed).then(|| self.link_address(LinkKind::Invitation, id));
        Ok((made, link))
    }

    /// A page of the invitations that the caller made; of all, for an administrator.
    pub(crate) async fn invitations(
        &self,
        caller: &Caller,
        page: PageRequest,
    ) -> Result<Page<InvitationRow>, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::list(&mut tx, caller.user_id, page).await
    }

    /// Takes an invitation back that nobody accepted yet.
    pub(crate) async fn revoke_invitation(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        if !store::revoke(&mut tx, caller.user_id, id, self.clock().now()).await? {
            return Err(IdentityError::NotFound("invitation"));
        }
        tx.commit().await.map_err(IdentityError::from)
    }

    /// What an invitation says, for whoever has its link.
    pub(crate) async fn read_invitation(
        &self,
        token: &Secret,
        client: &ClientInfo,
    ) -> Result<InvitationRow, IdentityError> {
        let subjects = self.count_token(token, client).await?;
        let token = self.links().read(LinkKind::Invitation, token)?;
        let mut tx = self.db().begin_maintenance().await?;
        let found = self.judge_invitation(&mut tx, &token).await?;
        attempts::forget(&mut tx, &subjects).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(found)
    }

    /// Makes the invited person's account and signs them in.
    pub(crate) async fn accept_invitation(
        &self,
        acceptance: Acceptance,
        client: &ClientInfo,
    ) -> Result<Issued, IdentityError> {
        let invited = self.read_invitation(&acceptance.token, client).await?;
        let email = match (&invited.email, &acceptance.email) {
            (None, None) => {
                return Err(IdentityError::field("email", Rule::EmailMissing));
            }
            (Some(email), None) => email.clone(),
            (None, Some(given)) => rules::email(given)?,
            (Some(email), Some(given)) if email.eq_ignore_ascii_case(given.trim()) => email.clone(),
            (Some(_), Some(_)) => {
                return Err(IdentityError::field("email", Rule::EmailOther));
            }
        };
        let username = rules::username(&acceptance.username)?;
        let display_name =
            acceptance.display_name.as_deref().map(rules::display_name).transpose()?;
        rules::password("password", &acceptance.password, &username, &email)?;
        let slot = self.passwords().slot().await?;
        let password_hash = self.passwords().hash(slot, &acceptance.password).await?;

        let token = self.links().read(LinkKind::Invitation, &acceptance.token)?;
        let (id, now) = (new_id(), self.clock().now());
        let mut tx = self.db().begin_maintenance().await?;
        session::store::act_as(&mut tx, id).await?;
        store::lock(&mut tx, token.id).await?;
        // Again, now that nobody else can use it.
        let invited = self.judge_invitation(&mut tx, &token).await?;
        let new =
            NewUser { id, username, email, display_name: display_name.flatten(), password_hash };
        user::store::insert(&mut tx, &new, now).await?;
        if invited.is_mailed {
            user::store::mark_email_verified(&mut tx, id).await?;
        }
        user::store::grant(&mut tx, id, &invited.role_ids, invited.created_by, now).await?;
        store::join(&mut tx, id, &invited.group_ids, invited.created_by).await?;
        store::mark_accepted(&mut tx, token.id, id, now).await?;
        let issued = session::start(self, &mut tx, id, client).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        tracing::info!(user = %id, invitation = %token.id, "an invitation was accepted");
        Ok(issued)
    }

    /// The invitation, if it can be accepted now, with the roles and groups that are still there.
    async fn judge_invitation(
        &self,
        connection: &mut PgConnection,
        token: &LinkToken,
    ) -> Result<InvitationRow, IdentityError> {
        if registration::mode(connection).await? == Mode::Closed {
            return Err(PeopleError::RegistrationClosed.into());
        }
        let found = store::find(connection, token.id).await?.ok_or(PeopleError::LinkInvalid)?;
        token.fits(&found.token_hash)?;
        if found.accepted_at.is_some() {
            return Err(PeopleError::LinkUsed.into());
        }
        if found.expires_at <= self.clock().now() {
            return Err(PeopleError::LinkExpired.into());
        }
        if found.revoked_at.is_some() || !store::may_still_give(connection, &found).await? {
            return Err(PeopleError::LinkInvalid.into());
        }
        Ok(found)
    }
}

/// Whether `held` covers everything in `given`.
fn covers(held: &[Value], given: &[Value]) -> bool {
    let held = permission_set(held);
    permission_set(given).iter().all(|permission| holds(&held, permission))
}
