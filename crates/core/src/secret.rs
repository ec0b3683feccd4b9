use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// Text that must not be shown: a password, a provider's key, a token.
///
/// Prints as `***`, can be read from JSON but never written to it, and is wiped when dropped.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself. Call it only where it is used, never to store or log it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What may be shown of it: its last four characters, and nothing of a text shorter than 12.
    pub fn hint(&self) -> String {
        let characters: Vec<char> = self.0.chars().collect();
        match characters.len() {
            0..12 => "…".to_owned(),
            n => format!("…{}", characters[n - 4..].iter().collect::<String>()),
        }
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_no_more_than_its_end() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
        assert_eq!(Secret::new("hunter2").hint(), "…");
        assert_eq!(Secret::new("sk-abcdefghijkl").hint(), "…ijkl");
    }
}
