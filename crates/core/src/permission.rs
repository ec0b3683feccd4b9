use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A right, `resource:action`; either side may be `*` in a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Permission {
    resource: String,
    action: String,
}

/// Text that is not `resource:action`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{0}' is not a permission; write resource:action, either may be *")]
pub struct PermissionError(String);

impl Permission {
    /// Whether this pattern covers the right `resource:action`.
    pub fn covers(&self, resource: &str, action: &str) -> bool {
        (self.resource == "*" || self.resource == resource)
            && (self.action == "*" || self.action == action)
    }

    /// Whether everything that `other` covers is covered by this pattern, too.
    pub fn includes(&self, other: &Permission) -> bool {
        self.covers(&other.resource, &other.action)
    }

    /// What both patterns cover, if there is anything.
    fn common(&self, other: &Permission) -> Option<Permission> {
        let narrower = |a: &str, b: &str| match (a, b) {
            ("*", word) | (word, "*") => Some(word.to_owned()),
            _ => (a == b).then(|| a.to_owned()),
        };
        Some(Permission {
            resource: narrower(&self.resource, &other.resource)?,
            action: narrower(&self.action, &other.action)?,
        })
    }
}

impl FromStr for Permission {
    type Err = PermissionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |part: &str| {
            part == "*"
                || (!part.is_empty()
                    && part.len() <= 64
                    && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        };
        match text.split_once(':') {
            Some((resource, action)) if word(resource) && word(action) => {
                Ok(Self { resource: resource.to_owned(), action: action.to_owned() })
            }
            _ => Err(PermissionError(text.chars().take(80).collect())),
        }
    }
}

impl TryFrom<String> for Permission {
    type Error = PermissionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Permission> for String {
    fn from(permission: Permission) -> Self {
        permission.to_string()
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.resource, self.action)
    }
}

/// All the rights of a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PermissionSet(Vec<Permission>);

impl PermissionSet {
    /// A set of the given patterns, sorted and without repeats.
    pub fn new(permissions: impl IntoIterator<Item = Permission>) -> Self {
        let mut permissions: Vec<_> = permissions.into_iter().collect();
        permissions.sort();
        permissions.dedup();
        Self(permissions)
    }

    /// Whether any pattern covers `resource:action`.
    pub fn allows(&self, resource: &str, action: &str) -> bool {
        self.0.iter().any(|permission| permission.covers(resource, action))
    }

    /// The rights that this set and `scopes` both give: an API key never has more than its owner.
    pub fn restricted_to(&self, scopes: &PermissionSet) -> PermissionSet {
        let pairs = self.0.iter().flat_map(|own| scopes.0.iter().map(move |scope| (own, scope)));
        Self::new(pairs.filter_map(|(own, scope)| own.common(scope)))
    }

    /// The patterns, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Permission> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(patterns: &[&str]) -> PermissionSet {
        PermissionSet::new(patterns.iter().map(|p| p.parse().unwrap()))
    }

    #[test]
    fn stars_cover_their_side_only() {
        assert!(set(&["chat:*"]).allows("chat", "read"));
        assert!(!set(&["chat:*"]).allows("model", "read"));
        assert!(set(&["*:read"]).allows("model", "read"));
        assert!(!set(&["*:read"]).allows("model", "write"));
        assert!(set(&["*:*"]).allows("anything", "at_all"));
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for text in ["", ":", "chat", "chat:", ":read", "Chat:read", "a:b:c", "a b:c", "**:x"] {
            assert!(text.parse::<Permission>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_never_has_more_than_its_owner() {
        let owner = set(&["chat:*", "model:read"]);
        assert_eq!(owner.restricted_to(&set(&["*:*"])), owner);
        assert_eq!(owner.restricted_to(&set(&["chat:read", "user:*"])), set(&["chat:read"]));
        assert!(owner.restricted_to(&set(&["audit:read"])).is_empty());
        // Patterns of which neither includes the other have a part in common.
        assert_eq!(owner.restricted_to(&set(&["*:read"])), set(&["chat:read", "model:read"]));
        assert_eq!(set(&["*:read"]).restricted_to(&owner), set(&["chat:read", "model:read"]));
    }
}
