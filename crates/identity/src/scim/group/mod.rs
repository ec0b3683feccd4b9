//! Groups as a directory sees and changes them.

pub(crate) mod http;
mod store;

use lyceum_core::new_id;
use serde_json::{Map, Value};
use sqlx::PgConnection;
use uuid::Uuid;

use super::auth::Directory;
use super::error::ScimError;
use super::filter::{Filter, Operator, Path};
use super::patch::{Action, Change, changes, member};
use super::resource::Wanted;
use crate::{Identity, rules};

use store::GroupRow;

const EXTERNAL_ID_MAX: usize = 255;

/// A change of a group.
#[derive(Debug, PartialEq)]
enum Step {
    Name(String),
    ExternalId(Option<String>),
    Add(Vec<Uuid>),
    Remove(Vec<Uuid>),
    /// Exactly these are in it afterwards.
    Members(Vec<Uuid>),
}

impl Identity {
    async fn scim_groups(
        &self,
        directory: &Directory,
        wanted: &Wanted,
        members: bool,
    ) -> Result<(i64, Vec<GroupRow>), ScimError> {
        let mut tx = self.begin_provisioning(directory).await?;
        store::list(&mut tx, wanted, members).await
    }

    async fn scim_group(
        &self,
        directory: &Directory,
        id: Uuid,
        members: bool,
    ) -> Result<GroupRow, ScimError> {
        let mut tx = self.begin_provisioning(directory).await?;
        found(store::find(&mut tx, id, members).await?)
    }

    /// Makes a group.
    async fn make_scim_group(
        &self,
        directory: &Directory,
        resource: &Map<String, Value>,
    ) -> Result<GroupRow, ScimError> {
        let steps = whole(resource)?;
        let name = steps.iter().find_map(|step| match step {
            Step::Name(name) => Some(name.as_str()),
            _ => None,
        });
        let name = rules::group_name(name.unwrap_or_default())?;
        let (id, now) = (new_id(), self.clock().now());
        let mut tx = self.begin_provisioning(directory).await?;
        store::insert(&mut tx, id, &name, None, now).await?;
        self.take_steps(&mut tx, id, &steps).await?;
        let made = found(store::find(&mut tx, id, true).await?)?;
        tx.commit().await?;
        tracing::info!(group = %id, token = %directory.token, "a group was provisioned");
        Ok(made)
    }

    /// Sets everything that a directory says of a group.
    async fn replace_scim_group(
        &self,
        directory: &Directory,
        id: Uuid,
        resource: &Map<String, Value>,
    ) -> Result<GroupRow, ScimError> {
        self.write_scim_group(directory, id, &whole(resource)?).await
    }

    /// Changes something of it.
    async fn patch_scim_group(
        &self,
        directory: &Directory,
        id: Uuid,
        body: Map<String, Value>,
    ) -> Result<(), ScimError> {
        let mut steps = Vec::new();
        for change in changes(body)? {
            steps.extend(step(&change)?);
        }
        self.write_scim_group(directory, id, &steps).await.map(drop)
    }

    async fn write_scim_group(
        &self,
        directory: &Directory,
        id: Uuid,
        steps: &[Step],
    ) -> Result<GroupRow, ScimError> {
        let mut tx = self.begin_provisioning(directory).await?;
        if !store::lock(&mut tx, id).await? {
            return Err(ScimError::not_found("group"));
        }
        self.take_steps(&mut tx, id, steps).await?;
        let changed = found(store::find(&mut tx, id, true).await?)?;
        tx.commit().await?;
        Ok(changed)
    }

    async fn take_steps(
        &self,
        connection: &mut PgConnection,
        group: Uuid,
        steps: &[Step],
    ) -> Result<(), ScimError> {
        for step in steps {
            match step {
                Step::Name(name) => {
                    let name = rules::group_name(name)?;
                    store::update(connection, group, Some(&name), None).await?;
                }
                Step::ExternalId(external_id) => {
                    let external_id = Some(external_id.as_deref());
                    store::update(connection, group, None, external_id).await?;
                }
                Step::Add(members) => self.add_members(connection, group, members).await?,
                Step::Remove(members) => store::remove(connection, group, members).await?,
                Step::Members(members) => {
                    store::keep_only(connection, group, members).await?;
                    self.add_members(connection, group, members).await?;
                }
            }
        }
        Ok(())
    }

    async fn add_members(
        &self,
        connection: &mut PgConnection,
        group: Uuid,
        members: &[Uuid],
    ) -> Result<(), ScimError> {
        let unknown = store::add(connection, group, members, self.clock().now()).await?;
        match unknown.first() {
            None => Ok(()),
            Some(id) => Err(ScimError::invalid_value(format!("There is no person {id}."))),
        }
    }

    /// Deletes a group; what was shared with it is shared no more.
    async fn delete_scim_group(&self, directory: &Directory, id: Uuid) -> Result<(), ScimError> {
        let mut tx = self.begin_provisioning(directory).await?;
        crate::group::store::mark_deleted(&mut tx, id, self.clock().now()).await?;
        tx.commit().await?;
        tracing::info!(group = %id, token = %directory.token, "a group was deprovisioned");
        Ok(())
    }
}

/// The steps to the group that a whole resource describes. What it leaves out is no more.
fn whole(resource: &Map<String, Value>) -> Result<Vec<Step>, ScimError> {
    let name = member(resource, "displayname").and_then(Value::as_str).unwrap_or_default();
    let external_id = member(resource, "externalid").unwrap_or(&Value::Null);
    let members = member(resource, "members").unwrap_or(&Value::Null);
    Ok(vec![
        Step::Name(name.to_owned()),
        Step::ExternalId(id_of_directory(external_id)?),
        Step::Members(ids(members)?),
    ])
}

/// What a change comes to; nothing where it is about something that is not kept.
fn step(change: &Change) -> Result<Option<Step>, ScimError> {
    let (path, value) = (&change.path, &change.value);
    Ok(Some(match (path.attribute.as_str(), change.action) {
        ("displayname", Action::Remove) => {
            return Err(ScimError::invalid_value("A group needs a displayName."));
        }
        ("displayname", _) => match value {
            Value::String(name) => Step::Name(name.clone()),
            _ => return Err(ScimError::invalid_value("displayName is a text.")),
        },
        ("externalid", Action::Remove) => Step::ExternalId(None),
        ("externalid", _) => Step::ExternalId(id_of_directory(value)?),
        ("members", Action::Remove) => match (&path.filter, value) {
            (Some(_), _) => Step::Remove(named(path)?),
            (None, Value::Null) => Step::Members(Vec::new()),
            (None, value) => Step::Remove(ids(value)?),
        },
        ("members", Action::Add) => Step::Add(ids(value)?),
        ("members", Action::Replace) => Step::Members(ids(value)?),
        _ => return Ok(None),
    }))
}

/// The ids in `members[value eq "…" or value eq "…"]`. What is no id of ours is nobody's.
fn named(path: &Path) -> Result<Vec<Uuid>, ScimError> {
    fn collect(filter: &Filter, found: &mut Vec<Uuid>) -> bool {
        match filter {
            Filter::Compare(one) if one.attribute == "value" && one.operator == Operator::Equal => {
                found.extend(one.value.as_str().and_then(|id| id.parse::<Uuid>().ok()));
                true
            }
            Filter::Either(a, b) => collect(a, found) && collect(b, found),
            _ => false,
        }
    }
    let mut found = Vec::new();
    match path.filter.as_ref().is_some_and(|filter| collect(filter, &mut found)) {
        true => Ok(found),
        false => Err(ScimError::invalid_path("Members are named by value eq.")),
    }
}

/// The ids of members: objects with a value, one or many.
fn ids(value: &Value) -> Result<Vec<Uuid>, ScimError> {
    let id = |value: &Value| {
        let text = match value {
            Value::Object(object) => member(object, "value").and_then(Value::as_str),
            other => other.as_str(),
        };
        text.and_then(|text| text.parse().ok()).ok_or_else(|| {
            ScimError::invalid_value("A member is named by the id of a person, as its value.")
        })
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.iter().map(id).collect(),
        one => Ok(vec![id(one)?]),
    }
}

fn id_of_directory(value: &Value) -> Result<Option<String>, ScimError> {
    match value {
        Value::Null => Ok(None),
        Value::String(id) if id.chars().count() <= EXTERNAL_ID_MAX => {
            Ok(Some(id.clone()).filter(|id| !id.is_empty()))
        }
        _ => Err(ScimError::invalid_value("An externalId is a text of at most 255 characters.")),
    }
}

fn found(row: Option<GroupRow>) -> Result<GroupRow, ScimError> {
    row.ok_or_else(|| ScimError::not_found("group"))
}
