//! Why somebody may or may not do something. The verdict is the database's own decision
//! (`app.person_may`, `app.can`), the reasons are the rows that it is made from.

mod finding;
pub(crate) mod http;
mod store;

use lyceum_core::Permission;
use lyceum_store::Db;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

pub use finding::{Block, Finding, Way};

use crate::{IdentityError, Rule};

/// The levels at which an object is reached; each includes those before it.
pub const ACCESS_LEVELS: [&str; 4] = ["view", "use", "edit", "own"];

/// The kinds of object that are shared, and the right that a person needs for each level of them.
const OBJECT_TYPES: [(&str, [&str; 4]); 2] = [
    (
        "knowledge_base",
        ["knowledge_base:read", "knowledge_base:read", "document:write", "knowledge_base:write"],
    ),
    ("provider", ["provider:read", "inference:create", "provider:write", "provider:write"]),
];

/// The kind of object that is no object but the way by which its owner calls: what is asked of it is
/// a right.
const KEY: &str = "api_key";

/// What is asked: whether `user` may do `action`, to an object or at all.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Id, username or e-mail address.
    pub user: &'a str,
    /// Without an object, or with an API key, a right `resource:action`; with another object a level
    /// of [`ACCESS_LEVELS`].
    pub action: &'a str,
    /// Kind and id of the object.
    pub object: Option<(&'a str, Uuid)>,
}

/// The verdict with each step to it. All steps have to be passed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AccessExplanation {
    /// The person.
    pub user_id: Uuid,
    /// Their username.
    pub username: String,
    /// What was asked.
    pub action: String,
    /// The object's kind, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_type: Option<String>,
    /// The object's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_id: Option<Uuid>,
    /// Whether the person may.
    pub allowed: bool,
    /// In the order in which they are judged.
    pub steps: Vec<Step>,
}

/// One step of the decision.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Step {
    /// `person`, `right` or `object`.
    pub check: &'static str,
    /// Whether it is passed.
    pub passed: bool,
    /// What came of it.
    pub finding: Finding,
    /// The same in one sentence.
    pub detail: String,
    /// What was looked at, and whether it counts for the person.
    pub reasons: Vec<Reason>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Reason {
    /// Whether it gives what was asked.
    pub counts: bool,
    /// What it is.
    pub way: Way,
    /// Why it does not count, where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<Block>,
    /// The level that was asked about, where it gives less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short_of: Option<String>,
    /// The same in a sentence or two.
    pub detail: String,
}

impl Step {
    fn new(
        check: &'static str,
        passed: bool,
        person: &store::Person,
        finding: Finding,
        reasons: Vec<Reason>,
    ) -> Self {
        let detail = finding.in_words(&person.username);
        Self { check, passed, finding, detail, reasons }
    }
}

impl Reason {
    /// `wanted` is the level that was asked about.
    fn new(
        way: Way,
        blocked_by: Option<&str>,
        wanted: Option<&str>,
    ) -> Result<Self, IdentityError> {
        let blocked_by = blocked_by.map(block).transpose()?;
        let rank = |level: &str| ACCESS_LEVELS.iter().position(|known| *known == level);
        let short_of = wanted.filter(|wanted| way.level().and_then(rank) < rank(wanted));
        Ok(Self {
            counts: blocked_by.is_none() && short_of.is_none(),
            detail: way.in_words(blocked_by, short_of),
            short_of: short_of.map(str::to_owned),
            way,
            blocked_by,
        })
    }
}

fn block(name: &str) -> Result<Block, IdentityError> {
    Block::named(name).ok_or(IdentityError::Internal("an unknown reason not to count"))
}

/// Explains who may do what, for administrators: it sees everybody's rights and shares.
pub async fn explain(db: &Db, subject: &Subject<'_>) -> Result<AccessExplanation, IdentityError> {
    let right = right_for(subject)?;
    let mut tx = db.begin_maintenance().await?;
    let person = store::person(&mut tx, subject.user).await?;
    let mut steps = vec![person_step(&person)?, right_step(&mut tx, &person, &right).await?];
    match subject.object {
        Some((KEY, id)) => steps.push(key_step(&mut tx, &person, &right, id).await?),
        Some((kind, id)) => {
            steps.push(object_step(&mut tx, &person, subject.action, kind, id).await?);
        }
        None => {}
    }
    Ok(AccessExplanation {
        user_id: person.id,
        username: person.username,
        action: subject.action.to_owned(),
        object_type: subject.object.map(|(kind, _)| kind.to_owned()),
        object_id: subject.object.map(|(_, id)| id),
        allowed: steps.iter().all(|step| step.passed),
        steps,
    })
}

/// The right that the question is about, as resource and action.
fn right_for(subject: &Subject<'_>) -> Result<(String, String), IdentityError> {
    let action = subject.action;
    let text = match subject.object {
        None | Some((KEY, _)) => action,
        Some((kind, _)) => {
            let Some((_, rights)) = OBJECT_TYPES.iter().find(|(name, _)| *name == kind) else {
                return Err(IdentityError::field("object_type", Rule::ObjectType));
            };
            let level = ACCESS_LEVELS.iter().position(|level| *level == action);
            let Some(right) = level.and_then(|level| rights.get(level)) else {
                return Err(IdentityError::field("action", Rule::AccessLevel));
            };
            right
        }
    };
    let right = text.parse::<Permission>().ok().filter(|_| !text.contains('*'));
    let parts = right.as_ref().and_then(|_| text.split_once(':'));
    let (resource, action) = parts.ok_or_else(|| IdentityError::field("action", Rule::OneRight))?;
    Ok((resource.to_owned(), action.to_owned()))
}

fn person_step(person: &store::Person) -> Result<Step, IdentityError> {
    let finding = match person.blocked_by.as_deref() {
        None => Finding::PersonActive,
        Some(name) => Finding::PersonBlocked { block: block(name)? },
    };
    Ok(Step::new("person", person.blocked_by.is_none(), person, finding, Vec::new()))
}

async fn right_step(
    connection: &mut sqlx::PgConnection,
    person: &store::Person,
    (resource, action): &(String, String),
) -> Result<Step, IdentityError> {
    let passed = store::may(connection, person.id, resource, action).await?;
    let rows = store::rights(connection, person.id).await?;
    let mut roles: Vec<String> = rows.iter().map(|row| row.role.clone()).collect();
    roles.dedup();
    // Patterns about other things would only hide the answer.
    let matches = |row: &store::RightRow| {
        row.pattern.parse::<Permission>().is_ok_and(|pattern| pattern.covers(resource, action))
    };
    let reason = |row: store::RightRow| {
        let way = Way::Role { role: row.role, pattern: row.pattern };
        Reason::new(way, row.blocked_by.as_deref(), None)
    };
    let reasons = rows.into_iter().filter(matches).map(reason).collect::<Result<_, _>>()?;
    let right = format!("{resource}:{action}");
    let finding = match (passed, roles.is_empty()) {
        (true, _) => Finding::RightHeld { right },
        (false, true) => Finding::NoRole,
        (false, false) => Finding::RightMissing { right, roles },
    };
    Ok(Step::new("right", passed, person, finding, reasons))
}

/// Whether a key of the person has the right, too.
async fn key_step(
    connection: &mut sqlx::PgConnection,
    person: &store::Person,
    (resource, action): &(String, String),
    id: Uuid,
) -> Result<Step, IdentityError> {
    let right = format!("{resource}:{action}");
    let finding = match store::key(connection, person.id, id).await? {
        None => Finding::ObjectMissing { object_type: KEY.to_owned() },
        Some(row) => match row.block() {
            Some(block) => Finding::KeyBlocked { key: row.label, block },
            None if !row.permissions.allows(resource, action) => {
                Finding::KeyLacks { key: row.label, right }
            }
            None => {
                let addresses = row.allowed_addresses.iter().map(ToString::to_string).collect();
                Finding::KeyHolds { key: row.label, right, models: row.models, addresses }
            }
        },
    };
    let passed = matches!(finding, Finding::KeyHolds { .. });
    Ok(Step::new("object", passed, person, finding, Vec::new()))
}

async fn object_step(
    connection: &mut sqlx::PgConnection,
    person: &store::Person,
    wanted: &str,
    kind: &str,
    id: Uuid,
) -> Result<Step, IdentityError> {
    let passed = store::can(connection, person.id, wanted, kind, id).await?;
    let object = store::object(connection, kind, id).await?;
    let paths = store::paths(connection, person.id, kind, id).await?;
    let reason = |path: store::PathRow| {
        let blocked_by = path.blocked_by.clone();
        Reason::new(way(path), blocked_by.as_deref(), Some(wanted))
    };
    let reasons = paths.into_iter().map(reason).collect::<Result<Vec<_>, _>>()?;
    let level = wanted.to_owned();
    let finding = match (object, passed, reasons.is_empty()) {
        (None, ..) => Finding::ObjectMissing { object_type: kind.to_owned() },
        (Some(object), true, _) => Finding::ObjectReached { object: object.name, level },
        (Some(object), false, true) => {
            Finding::NoWay { object: object.name, audience: object.audience, owner: object.owner }
        }
        (Some(object), false, false) => Finding::NoWayGives { object: object.name, level },
    };
    Ok(Step::new("object", passed, person, finding, reasons))
}

fn way(path: store::PathRow) -> Way {
    let (level, granted_by, granted_at) = (path.level, path.granted_by, path.granted_at);
    match (path.via.as_str(), path.group) {
        ("owner", _) => Way::Owner,
        ("everyone", _) => Way::Everyone { level },
        (_, Some(group)) => Way::Group { level, group, granted_by, granted_at },
        (_, None) => Way::Person { level, granted_by, granted_at },
    }
}
