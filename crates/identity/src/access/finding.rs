//! What an explanation says: a code with its parts for programs, and the sentence made of them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// What came of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
#[schema(as = AccessFinding)]
pub enum Finding {
    /// The person is active.
    PersonActive,
    /// The person is not.
    PersonBlocked {
        /// Why.
        block: Block,
    },
    /// The person has the right.
    RightHeld {
        /// As `resource:action`.
        right: String,
    },
    /// The person has no role at all.
    NoRole,
    /// None of the person's roles gives the right and counts.
    RightMissing {
        /// As `resource:action`.
        right: String,
        /// The roles of the person.
        roles: Vec<String>,
    },
    /// There is no such object.
    ObjectMissing {
        /// `knowledge_base`, `provider` or `api_key`.
        object_type: String,
    },
    /// The person reaches the object.
    ObjectReached {
        /// Its name.
        object: String,
        /// The level that was asked about.
        level: String,
    },
    /// Nothing leads the person to the object.
    NoWay {
        /// Its name.
        object: String,
        /// For whom it is, such as `private`.
        audience: String,
        /// Its owner's username; absent where it is the organisation's.
        #[serde(skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
    },
    /// What leads the person to the object does not give the level, or does not count.
    NoWayGives {
        /// Its name.
        object: String,
        /// The level that was asked about.
        level: String,
    },
    /// The API key has the right, within its own limits.
    KeyHolds {
        /// Its name and the end of it.
        key: String,
        /// As `resource:action`.
        right: String,
        /// The models that it may call; absent where it may call all of its owner's.
        #[serde(skip_serializing_if = "Option::is_none")]
        models: Option<Vec<String>>,
        /// From where it may be used; from everywhere where empty.
        addresses: Vec<String>,
    },
    /// The API key does not have the right, whatever its owner may do.
    KeyLacks {
        /// Its name and the end of it.
        key: String,
        /// As `resource:action`.
        right: String,
    },
    /// The API key is refused altogether.
    KeyBlocked {
        /// Its name and the end of it.
        key: String,
        /// Why.
        block: Block,
    },
}

/// What was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
#[schema(as = AccessWay)]
pub enum Way {
    /// A role of the person gives the right.
    Role {
        /// The role's name.
        role: String,
        /// What it gives, as `resource:action`.
        pattern: String,
    },
    /// The person owns the object.
    Owner,
    /// The object is open to everyone.
    Everyone {
        /// At this level.
        level: String,
    },
    /// The person was given a level in person.
    Person {
        /// The level.
        level: String,
        /// Who gave it.
        #[serde(skip_serializing_if = "Option::is_none")]
        granted_by: Option<String>,
        /// When.
        granted_at: DateTime<Utc>,
    },
    /// A group of the person was given a level.
    Group {
        /// The level.
        level: String,
        /// The group's name.
        group: String,
        /// Who gave it.
        #[serde(skip_serializing_if = "Option::is_none")]
        granted_by: Option<String>,
        /// When.
        granted_at: DateTime<Utc>,
    },
}

/// Why something does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AccessBlock)]
#[expect(missing_docs, reason = "the words of the database; Block::in_words says what they mean")]
pub enum Block {
    PersonDeleted,
    PersonInactive,
    PersonSuspended,
    GroupDeleted,
    ObjectDeleted,
    ObjectDeactivated,
    ProviderTypeDeactivated,
    DistributionDeactivated,
    KeyRevoked,
    KeyInactive,
    KeyExpired,
}

impl Block {
    /// As the views `app.person_rights` and `app.access_paths` call it.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "person_deleted" => Self::PersonDeleted,
            "person_inactive" => Self::PersonInactive,
            "person_suspended" => Self::PersonSuspended,
            "group_deleted" => Self::GroupDeleted,
            "object_deleted" => Self::ObjectDeleted,
            "object_deactivated" => Self::ObjectDeactivated,
            "provider_type_deactivated" => Self::ProviderTypeDeactivated,
            "distribution_deactivated" => Self::DistributionDeactivated,
            _ => return None,
        })
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::PersonDeleted => "the account was deleted",
            Self::PersonInactive => "the account is inactive",
            Self::PersonSuspended => "the account is suspended",
            Self::GroupDeleted => "the group was deleted",
            Self::ObjectDeleted => "the object was deleted",
            Self::ObjectDeactivated => "the object is deactivated",
            Self::ProviderTypeDeactivated => "this kind of provider is switched off",
            Self::DistributionDeactivated => "the distribution is deactivated",
            Self::KeyRevoked => "the key was revoked",
            Self::KeyInactive => "the key is inactive",
            Self::KeyExpired => "the key has expired",
        }
    }
}

impl Finding {
    /// One sentence about `person`.
    pub(super) fn in_words(&self, person: &str) -> String {
        match self {
            Self::PersonActive => format!("{person} is active."),
            Self::PersonBlocked { block } => format!("{person}: {}.", block.in_words()),
            Self::RightHeld { right } => format!("{person} has the right {right}."),
            Self::NoRole => format!("{person} has no role."),
            Self::RightMissing { right, roles } => {
                format!("No role that counts gives {right}; {person} has {}.", roles.join(", "))
            }
            Self::ObjectMissing { object_type } => format!("There is no {object_type} of this id."),
            Self::ObjectReached { object, level } => {
                format!("{person} reaches '{object}' at the level {level}.")
            }
            Self::NoWay { object, audience, owner } => format!(
                "'{object}' is {audience}, of {}; nothing gives {person} a way to it.",
                owner.as_deref().unwrap_or("the organisation"),
            ),
            Self::NoWayGives { object, level } => {
                format!("No way to '{object}' gives {person} the level {level}.")
            }
            Self::KeyHolds { key, right, models, addresses } => {
                let only = |word: &str, names: &[String]| match names.is_empty() {
                    true => String::new(),
                    false => format!(", {word} {} only", names.join(", ")),
                };
                let models = only("for the models", models.as_deref().unwrap_or_default());
                let addresses = only("from", addresses);
                format!("The key {key} has the right {right}{models}{addresses}.")
            }
            Self::KeyLacks { key, right } => {
                format!("The key {key} does not have the right {right}.")
            }
            Self::KeyBlocked { key, block } => format!("The key {key}: {}.", block.in_words()),
        }
    }
}

impl Way {
    /// The level that it gives; a role gives none.
    pub(super) fn level(&self) -> Option<&str> {
        match self {
            Self::Role { .. } => None,
            Self::Owner => Some("own"),
            Self::Everyone { level } | Self::Person { level, .. } | Self::Group { level, .. } => {
                Some(level)
            }
        }
    }

    /// Sentences about it, and why it does not count.
    pub(super) fn in_words(&self, blocked_by: Option<Block>, short_of: Option<&str>) -> String {
        let given = |by: &Option<String>, at: &DateTime<Utc>| {
            let by = by.as_deref().map(|name| format!(", by {name}")).unwrap_or_default();
            format!("{by} on {}", at.format("%Y-%m-%d"))
        };
        let mut words = match self {
            Self::Role { role, pattern } => format!("The role {role} gives {pattern}."),
            Self::Owner => "Owns it.".to_owned(),
            Self::Everyone { level } => format!("It is open to everyone at the level {level}."),
            Self::Person { level, granted_by, granted_at } => {
                format!("Was given the level {level} in person{}.", given(granted_by, granted_at))
            }
            Self::Group { level, group, granted_by, granted_at } => format!(
                "Was given the level {level} as a member of {group}{}.",
                given(granted_by, granted_at)
            ),
        };
        match (blocked_by, short_of) {
            (Some(block), _) => {
                words.push_str(&format!(" Does not count: {}.", block.in_words()));
            }
            (None, Some(level)) => words.push_str(&format!(" That is less than {level}.")),
            (None, None) => {}
        }
        words
    }
}
