//! From what an issuer says of a person to an account of ours, its roles and its groups.

use lyceum_core::new_id;
use serde_json::{Map, Value};
use sqlx::PgConnection;
use uuid::Uuid;

use super::OidcError;
use super::store::{self, Keys, NewPerson, ProviderRow, Subject};
use crate::session::store::act_as;
use crate::{Identity, IdentityError, rules};

/// The role of every new account.
const DEFAULT_ROLE: &str = "user";
/// Names that are tried for a new account: `ada`, `ada-2`, …
const NAMES_TRIED: usize = 20;

/// What an issuer says of a person.
pub(super) struct Person<'a> {
    pub(super) provider: &'a ProviderRow,
    pub(super) claims: &'a Map<String, Value>,
}

/// Whose the account is.
pub(super) enum Found {
    /// Linked, or made just now.
    Account(Uuid),
    /// Not linked, but this account has the address that the issuer verified.
    SameAddress(Uuid),
}

impl Person<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        let text = self.claims.get(name)?.as_str()?.trim();
        (!text.is_empty() && !text.contains('\0')).then_some(text)
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        let subject = self.claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        Subject { provider: self.provider.id, subject, email: self.email() }
    }

    /// The address, if it is one.
    pub(super) fn email(&self) -> Option<&str> {
        self.text("email").filter(|email| rules::email(email).is_ok())
    }

    /// What a directory may know the person by: ids that the issuer never gives to another, and an
    /// address that it has verified.
    fn keys(&self) -> Keys<'_> {
        let ids = ["sub", "oid"].iter().filter_map(|name| self.text(name)).map(str::to_owned);
        Keys { ids: ids.collect(), email: self.email().filter(|_| self.email_verified()) }
    }

    /// Some issuers write the word instead of the value.
    fn email_verified(&self) -> bool {
        matches!(self.claims.get("email_verified"), Some(Value::Bool(true)))
            || self.text("email_verified") == Some("true")
    }

    /// The entries of the claim that lists groups; its name may be a path with dots.
    fn groups(&self) -> Vec<&str> {
        let name = self.provider.groups_claim.as_str();
        let mut parts = name.split('.');
        let first = parts.next().and_then(|part| self.claims.get(part));
        let by_path = || parts.try_fold(first?, |value, part| value.get(part));
        match self.claims.get(name).or_else(by_path) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(text)) => vec![text],
            _ => Vec::new(),
        }
    }

    /// The names that a map gives this person, and those that it could give but does not.
    fn mapped(&self, map: &Value) -> (Vec<String>, Vec<String>) {
        let groups = self.groups();
        let entries = map.as_object().into_iter().flatten();
        let entries = entries.filter_map(|(from, to)| Some((from.as_str(), to.as_str()?)));
        let (given, others): (Vec<_>, Vec<_>) =
            entries.partition(|(from, _)| groups.contains(from));
        let given: Vec<String> = given.into_iter().map(|(_, to)| to.to_owned()).collect();
        let others = others.into_iter().map(|(_, to)| to.to_owned());
        let taken = others.filter(|to| !given.contains(to)).collect();
        (given, taken)
    }
}

impl Identity {
    /// Finds or makes the account of a person.
    pub(super) async fn find_or_make(
        &self,
        connection: &mut PgConnection,
        person: &Person<'_>,
    ) -> Result<Found, IdentityError> {
        let (subject, now) = (person.subject(), self.clock().now());
        if let Some(user) = store::linked(connection, subject.provider, subject.subject).await? {
            act_as(connection, user).await?;
            store::note_use(connection, &subject, now).await?;
            return Ok(Found::Account(user));
        }
        if let Some(user) = store::provisioned(connection, subject.provider, &person.keys()).await?
        {
            act_as(connection, user).await?;
            store::link(connection, new_id(), user, &subject, now).await?;
            return Ok(Found::Account(user));
        }
        if let Some(email) = person.email()
            && let Some(user) = store::user_by_email(connection, email).await?
        {
            // An address that nobody verified is no reason to offer anybody's account.
            return match person.email_verified() {
                true => Ok(Found::SameAddress(user)),
                false => Err(OidcError::NotLinked.into()),
            };
        }
        if !person.provider.allow_sign_up {
            return Err(OidcError::NotLinked.into());
        }
        // Whoever owns the address could otherwise be led into an account that others enter, too.
        if person.email().is_some() && !person.email_verified() {
            return Err(OidcError::EmailNotVerified.into());
        }
        let user = new_id();
        act_as(connection, user).await?;
        self.make_account(connection, user, person).await?;
        store::link(connection, new_id(), user, &subject, now).await?;
        Ok(Found::Account(user))
    }

    async fn make_account(
        &self,
        connection: &mut PgConnection,
        user: Uuid,
        person: &Person<'_>,
    ) -> Result<(), IdentityError> {
        let email = person.email().ok_or(OidcError::NoEmail)?;
        let now = self.clock().now();
        let name = person.text("name").map(rules::display_name).transpose().ok().flatten();
        let display_name = name.flatten();
        let wanted = person.text("preferred_username").or(email.split('@').next());
        let base = username(wanted.unwrap_or_default());
        for number in 1..=NAMES_TRIED {
            let username = match number {
                1 => base.clone(),
                _ => format!("{base}-{number}"),
            };
            let new = NewPerson {
                id: user,
                username: &username,
                email,
                email_verified: person.email_verified(),
                display_name: display_name.as_deref(),
            };
            if store::insert_user(connection, &new, now).await? {
                return store::give_roles(connection, user, &[DEFAULT_ROLE.to_owned()], now).await;
            }
        }
        Err(IdentityError::Taken { field: "username" })
    }

    /// Gives and takes the roles and groups that the issuer's maps name; others stay as they are.
    pub(super) async fn apply_maps(
        &self,
        user: Uuid,
        person: &Person<'_>,
    ) -> Result<(), IdentityError> {
        match self.write_maps(user, person, true).await {
            // Better an administrator too many than nobody who could mend the map.
            Err(IdentityError::LastAdministrator) => {
                tracing::warn!(%user, "an issuer would take the last administrator's role");
                self.write_maps(user, person, false).await
            }
            done => done,
        }
    }

    /// The same; an administrator stays one unless `all` is to be taken.
    async fn write_maps(
        &self,
        user: Uuid,
        person: &Person<'_>,
        all: bool,
    ) -> Result<(), IdentityError> {
        let (roles, other_roles) = person.mapped(&person.provider.roles_map);
        let (groups, other_groups) = person.mapped(&person.provider.groups_map);
        let mut tx = self.db().begin_maintenance().await?;
        act_as(&mut tx, user).await?;
        store::give_roles(&mut tx, user, &roles, self.clock().now()).await?;
        store::take_roles(&mut tx, user, &other_roles, all).await?;
        store::join_groups(&mut tx, user, &groups).await?;
        store::leave_groups(&mut tx, user, &other_groups).await?;
        tx.commit().await.map_err(IdentityError::from)
    }
}

/// A username like the one wished for.
pub(crate) fn username(wanted: &str) -> String {
    let wanted = wanted.split('@').next().unwrap_or_default();
    let kept = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let text: String = wanted.chars().take(48).map(kept).collect();
    let text = text.trim_matches(|c: char| !c.is_alphanumeric());
    rules::username(text).unwrap_or_else(|_| "person".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_are_made_acceptable() {
        for (wanted, made) in [
            ("ada", "ada"),
            ("Ada.Lovelace@example.org", "Ada.Lovelace"),
            ("ada lovelace!", "ada-lovelace"),
            ("李雷", "李雷"),
            ("", "person"),
            ("x", "person"),
            ("аdmin", "person"),
        ] {
            assert_eq!(username(wanted), made, "{wanted}");
        }
    }
}
