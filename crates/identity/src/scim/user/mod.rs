//! People as a directory sees and changes them.

pub(crate) mod http;
mod person;
mod store;

use lyceum_core::new_id;
use serde_json::{Map, Value};
use sqlx::PgConnection;
use uuid::Uuid;

pub(super) use store::{compare, compare_exact, push};

use super::auth::Directory;
use super::error::ScimError;
use super::patch::changes;
use super::resource::Wanted;
use crate::oidc::username_like;
use crate::user::{DEFAULT_ROLE, Profile, store as users};
use crate::{Identity, IdentityError, rules, session};

use person::Person;
use store::{PersonRow, Written};

/// Names that are tried for a new account: `ada`, `ada-2`, …
const NAMES_TRIED: usize = 20;
/// The longest name that a directory may give a person, an address at most.
const USER_NAME_MAX: usize = 254;
const EXTERNAL_ID_MAX: usize = 255;

impl From<&PersonRow> for Person {
    fn from(row: &PersonRow) -> Self {
        Self {
            user_name: row.user_name.clone(),
            external_id: row.external_id.clone(),
            email: Some(row.email.clone()),
            display_name: row.display_name.clone(),
            given_name: row.first_name.clone(),
            family_name: row.last_name.clone(),
            title: row.position.clone(),
            organization: row.organization.clone(),
            department: row.department.clone(),
            active: Some(row.status == "active"),
        }
    }
}

impl Person {
    /// Refuses what cannot be kept; answers the columns of the profile.
    fn judge(&self) -> Result<Value, ScimError> {
        let too_long = |text: &str, limit| text.chars().count() > limit;
        if too_long(&self.user_name, USER_NAME_MAX) || self.user_name.chars().any(char::is_control)
        {
            return Err(ScimError::invalid_value("A userName has at most 254 characters."));
        }
        if self.external_id.as_deref().is_some_and(|id| too_long(id, EXTERNAL_ID_MAX)) {
            return Err(ScimError::invalid_value("An externalId has at most 255 characters."));
        }
        let kept = |text: &Option<String>| Some(text.clone().unwrap_or_default());
        let profile = Profile {
            display_name: kept(&self.display_name),
            first_name: kept(&self.given_name),
            last_name: kept(&self.family_name),
            organization: kept(&self.organization),
            department: kept(&self.department),
            position: kept(&self.title),
        };
        Ok(profile.columns()?)
    }

    /// The address, which may stand in the name alone.
    fn address(&self) -> Result<String, ScimError> {
        let email = self.email.as_deref().unwrap_or(&self.user_name);
        rules::email(email).map_err(|_| {
            ScimError::invalid_value("A person needs an e-mail address, in emails or as userName.")
        })
    }
}

impl Identity {
    async fn scim_users(
        &self,
        directory: &Directory,
        wanted: &Wanted,
    ) -> Result<(i64, Vec<PersonRow>), ScimError> {
        let mut tx = self.begin_provisioning(directory).await?;
        store::list(&mut tx, wanted).await
    }

    async fn scim_user(&self, directory: &Directory, id: Uuid) -> Result<PersonRow, ScimError> {
        let mut tx = self.begin_provisioning(directory).await?;
        found(store::find(&mut tx, id).await?)
    }

    /// Makes a person's account, without a password.
    async fn make_scim_user(
        &self,
        directory: &Directory,
        resource: &Map<String, Value>,
    ) -> Result<PersonRow, ScimError> {
        let person = Person::default().replaced_by(resource)?;
        let (profile, email) = (person.judge()?, person.address()?);
        let (id, now) = (new_id(), self.clock().now());
        let new = Written {
            id,
            user_name: &person.user_name,
            email: &email,
            external_id: person.external_id.as_deref(),
            profile,
            token: directory.token,
        };
        let mut tx = self.begin_provisioning(directory).await?;
        insert(&mut tx, &new, now).await?;
        users::set_profile(&mut tx, id, &new.profile).await?;
        store::give_role(&mut tx, id, DEFAULT_ROLE, now).await?;
        if person.active == Some(false) {
            users::set_status(&mut tx, id, "inactive").await?;
        }
        let made = found(store::find(&mut tx, id).await?)?;
        tx.commit().await?;
        tracing::info!(user = %id, token = %directory.token, "a person was provisioned");
        Ok(made)
    }

    /// Sets everything that a directory says of a person.
    async fn replace_scim_user(
        &self,
        directory: &Directory,
        id: Uuid,
        resource: &Map<String, Value>,
    ) -> Result<PersonRow, ScimError> {
        self.write_scim_user(directory, id, |before| before.replaced_by(resource)).await
    }

    /// Changes something of it.
    async fn patch_scim_user(
        &self,
        directory: &Directory,
        id: Uuid,
        body: Map<String, Value>,
    ) -> Result<PersonRow, ScimError> {
        let changes = changes(body)?;
        let apply = |before: &Person| {
            let mut person = before.clone();
            changes.iter().try_for_each(|change| person.apply(change))?;
            Ok(person)
        };
        self.write_scim_user(directory, id, apply).await
    }

    async fn write_scim_user(
        &self,
        directory: &Directory,
        id: Uuid,
        change: impl FnOnce(&Person) -> Result<Person, ScimError> + Send,
    ) -> Result<PersonRow, ScimError> {
        let mut tx = self.begin_provisioning(directory).await?;
        let row = found(store::find_for_update(&mut tx, id).await?)?;
        let before = Person::from(&row);
        let person = change(&before)?;
        let written = Written {
            id,
            user_name: &person.user_name,
            email: &person.address()?,
            external_id: person.external_id.as_deref(),
            profile: person.judge()?,
            token: directory.token,
        };
        // A name that can be a username is one; else the username stays.
        let renamed = !person.user_name.eq_ignore_ascii_case(&before.user_name);
        let username = rules::username(&person.user_name).ok().filter(|_| renamed);
        store::update(&mut tx, &written, username.as_deref()).await?;
        self.set_active(&mut tx, &row, person.active).await?;
        let changed = found(store::find(&mut tx, id).await?)?;
        tx.commit().await?;
        self.credentials().forget_all();
        Ok(changed)
    }

    /// Lets a person in or shuts them out. Whom an administrator suspended stays so.
    async fn set_active(
        &self,
        connection: &mut PgConnection,
        row: &PersonRow,
        active: Option<bool>,
    ) -> Result<(), IdentityError> {
        match (active, row.status.as_str()) {
            (Some(true), "inactive") => users::set_status(connection, row.id, "active").await,
            (Some(false), "active") => {
                users::set_status(connection, row.id, "inactive").await?;
                let now = self.clock().now();
                let reason = "user_blocked";
                session::store::revoke_others(connection, row.id, None, reason, now).await?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Deletes a person's account; it can be brought back for some weeks.
    async fn delete_scim_user(&self, directory: &Directory, id: Uuid) -> Result<(), ScimError> {
        let mut tx = self.begin_provisioning(directory).await?;
        if !crate::departure::store::delete(&mut tx, id, self.clock().now()).await? {
            return Err(ScimError::not_found("person"));
        }
        tx.commit().await?;
        self.credentials().forget_all();
        tracing::info!(user = %id, token = %directory.token, "a person was deprovisioned");
        Ok(())
    }
}

/// Writes a person under the directory's name for them, or one like it where that can be none of
/// ours.
async fn insert(
    connection: &mut PgConnection,
    new: &Written<'_>,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), ScimError> {
    if let Ok(username) = rules::username(new.user_name) {
        return match store::insert(connection, new, &username, now).await? {
            true => Ok(()),
            false => Err(IdentityError::Taken { field: "username" }.into()),
        };
    }
    let base = username_like(new.user_name);
    for number in 1..=NAMES_TRIED {
        let username = match number {
            1 => base.clone(),
            _ => format!("{base}-{number}"),
        };
        if store::insert(connection, new, &username, now).await? {
            return Ok(());
        }
    }
    Err(IdentityError::Taken { field: "username" }.into())
}

fn found(row: Option<PersonRow>) -> Result<PersonRow, ScimError> {
    row.ok_or_else(|| ScimError::not_found("person"))
}
