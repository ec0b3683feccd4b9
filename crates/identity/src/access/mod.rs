//! Why somebody may or may not do something. The verdict is the database's own decision
//! (`app.person_may`, `app.can`), the reasons are the rows that it is made from.

pub(crate) mod http;
mod store;

use lyceum_core::Permission;
use lyceum_store::Db;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::IdentityError;

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

/// What is asked: whether `user` may do `action`, to an object or at all.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Id, username or e-mail address.
    pub user: &'a str,
    /// Without an object a right `resource:action`, with one a level of [`ACCESS_LEVELS`].
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
    pub check: String,
    /// Whether it is passed.
    pub passed: bool,
    /// One sentence.
    pub detail: String,
    /// What was looked at, and whether it counts for the person.
    pub reasons: Vec<Reason>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Reason {
    /// Whether it gives what was asked.
    pub counts: bool,
    /// One sentence.
    pub detail: String,
}

/// Explains who may do what, for administrators: it sees everybody's rights and shares.
pub async fn explain(db: &Db, subject: &Subject<'_>) -> Result<AccessExplanation, IdentityError> {
    let right = right_for(subject)?;
    let mut tx = db.begin_maintenance().await?;
    let person = store::person(&mut tx, subject.user).await?;
    let mut steps = vec![person_step(&person), right_step(&mut tx, &person, &right).await?];
    if let Some((kind, id)) = subject.object {
        steps.push(object_step(&mut tx, &person, subject.action, kind, id).await?);
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
        None => action,
        Some((kind, _)) => {
            let Some((_, rights)) = OBJECT_TYPES.iter().find(|(name, _)| *name == kind) else {
                let detail = "The object is of the type knowledge_base or provider.";
                return Err(IdentityError::field("object_type", detail));
            };
            let level = ACCESS_LEVELS.iter().position(|level| *level == action);
            let Some(right) = level.and_then(|level| rights.get(level)) else {
                let detail = "With an object, the action is view, use, edit or own.";
                return Err(IdentityError::field("action", detail));
            };
            right
        }
    };
    let right = text.parse::<Permission>().ok().filter(|_| !text.contains('*'));
    let parts = right.as_ref().and_then(|_| text.split_once(':'));
    let (resource, action) = parts.ok_or_else(|| {
        let detail = "Without an object, the action is a right like document:write.";
        IdentityError::field("action", detail)
    })?;
    Ok((resource.to_owned(), action.to_owned()))
}

fn person_step(person: &store::Person) -> Step {
    let detail = match person.blocked_by.as_deref() {
        None => format!("{} is active.", person.username),
        Some(block) => format!("{}: {}.", person.username, in_words(block)),
    };
    let passed = person.blocked_by.is_none();
    Step { check: "person".to_owned(), passed, detail, reasons: Vec::new() }
}

async fn right_step(
    connection: &mut sqlx::PgConnection,
    person: &store::Person,
    (resource, action): &(String, String),
) -> Result<Step, IdentityError> {
    let passed = store::may(connection, person.id, resource, action).await?;
    let rows = store::rights(connection, person.id).await?;
    let mut reasons = Vec::new();
    for row in &rows {
        let matches =
            row.pattern.parse::<Permission>().is_ok_and(|pattern| pattern.covers(resource, action));
        // Patterns about other things would only hide the answer.
        if matches {
            let counts = row.blocked_by.is_none();
            let detail = format!("The role {} gives {}.", row.role, row.pattern);
            reasons.push(Reason { counts, detail });
        }
    }
    let mut roles: Vec<&str> = rows.iter().map(|row| row.role.as_str()).collect();
    roles.dedup();
    let detail = match (passed, roles.is_empty()) {
        (true, _) => format!("{} has the right {resource}:{action}.", person.username),
        (false, true) => format!("{} has no role.", person.username),
        (false, false) => format!(
            "No role that counts gives {resource}:{action}; {} has {}.",
            person.username,
            roles.join(", ")
        ),
    };
    Ok(Step { check: "right".to_owned(), passed, detail, reasons })
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
    let rank = |level: &str| ACCESS_LEVELS.iter().position(|known| *known == level);
    let reason = |path: &store::PathRow| {
        let enough = rank(&path.level) >= rank(wanted);
        let by = path.granted_by.as_deref().map(|name| format!(", by {name}")).unwrap_or_default();
        let at = path.granted_at.format("%Y-%m-%d");
        let mut detail = match path.via.as_str() {
            "owner" => "Owns it.".to_owned(),
            "everyone" => format!("It is open to everyone at the level {}.", path.level),
            "person" => format!("Was given the level {} in person{by} on {at}.", path.level),
            _ => format!(
                "Was given the level {} as a member of {}{by} on {at}.",
                path.level,
                path.group.as_deref().unwrap_or("a group")
            ),
        };
        match path.blocked_by.as_deref() {
            Some(block) => detail.push_str(&format!(" Does not count: {}.", in_words(block))),
            None if !enough => detail.push_str(&format!(" That is less than {wanted}.")),
            None => {}
        }
        Reason { counts: enough && path.blocked_by.is_none(), detail }
    };
    let reasons: Vec<Reason> = paths.iter().map(reason).collect();
    let detail = match (&object, passed, reasons.is_empty()) {
        (None, ..) => format!("There is no {kind} of this id."),
        (Some(object), true, _) => {
            format!("{} reaches '{}' at the level {wanted}.", person.username, object.name)
        }
        (Some(object), false, true) => format!(
            "'{}' is {}, of {}; nothing gives {} a way to it.",
            object.name,
            object.audience,
            object.owner.as_deref().unwrap_or("the organisation"),
            person.username
        ),
        (Some(object), false, false) => {
            format!("No way to '{}' gives {} the level {wanted}.", object.name, person.username)
        }
    };
    Ok(Step { check: "object".to_owned(), passed, detail, reasons })
}

/// What a value of `blocked_by` means.
fn in_words(block: &str) -> String {
    match block {
        "person_deleted" => "the account was deleted",
        "person_inactive" => "the account is inactive",
        "person_suspended" => "the account is suspended",
        "group_deleted" => "the group was deleted",
        "object_deleted" => "the object was deleted",
        "object_deactivated" => "the object is deactivated",
        "provider_type_deactivated" => "this kind of provider is switched off",
        "distribution_deactivated" => "the distribution is deactivated",
        other => other,
    }
    .to_owned()
}
