//! Every key of the cache and how long what lies under it lives.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Answers of models, by the hash of all that matters to them. Models may set another life.
pub const INFERENCE: Space = Space::new("inference:", "", MINUTE.saturating_mul(10));
/// What a person set for themselves.
pub const PREFERENCES: Space = Space::new("user:", ":preferences", HOUR.saturating_mul(2));
/// The kinds of providers.
pub const PROVIDERS: Space = Space::new("ai_providers:active", "", HOUR.saturating_mul(24));

/// Keys of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    before: &'static str,
    after: &'static str,
    life: Duration,
}

impl Space {
    const fn new(before: &'static str, after: &'static str, life: Duration) -> Self {
        Self { before, after, life }
    }

    /// The key of the whole SHA-256 of what the entry depends on.
    pub fn of_hash(&self, hash: &[u8; 32]) -> Key {
        self.key(&hex::encode(hash))
    }

    /// The key of what belongs to an id.
    pub fn of_id(&self, id: Uuid) -> Key {
        self.key(&id.to_string())
    }

    /// The key of what there is one of.
    pub fn only(&self) -> Key {
        self.key("")
    }

    fn key(&self, of: &str) -> Key {
        Key { text: [self.before, of, self.after].concat().into(), life: self.life }
    }
}

/// The key of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    text: Arc<str>,
    life: Duration,
}

impl Key {
    /// The same for an entry that lives so long.
    #[must_use]
    pub fn living(self, life: Duration) -> Self {
        Self { life, ..self }
    }

    pub(super) fn text(&self) -> &Arc<str> {
        &self.text
    }

    pub(super) fn life(&self) -> Duration {
        self.life
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_texts_and_lives_that_the_schema_names() {
        let id = Uuid::from_u128(7);
        let minutes = |key: &Key| key.life().as_secs() / 60;
        for (key, text, life) in [
            (INFERENCE.of_hash(&[171; 32]), ["inference:", &"ab".repeat(32)].concat(), 10),
            (PREFERENCES.of_id(id), ["user:", &id.to_string(), ":preferences"].concat(), 120),
            (PROVIDERS.only(), "ai_providers:active".to_owned(), 24 * 60),
        ] {
            assert_eq!((key.to_string(), minutes(&key)), (text, life));
        }
        assert_eq!(INFERENCE.of_hash(&[1; 32]).living(MINUTE).life(), MINUTE);
    }
}
