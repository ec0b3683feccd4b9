//! What is sealed of a provider config: its key, and the values of its own headers.
//!
//! They are one text: the key is the first line, each header a further one, as in HTTP. Neither can
//! hold a line break, so a key without headers is sealed as it stands.

use http::HeaderName;
use lyceum_core::Secret;
use lyceum_llm::secrets_in;
use lyceum_store::{CryptoError, Keyring, Sealed};
use uuid::Uuid;

/// Where it is sealed; part of what it is bound to.
const SEALED_IN: &str = "gateway.provider_configs";

/// What a provider config is let in by.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    pub(crate) key: Option<Secret>,
    pub(crate) headers: Vec<(HeaderName, Secret)>,
}

impl Credentials {
    /// Those of the provider config `id`.
    pub(crate) fn open(
        keyring: &Keyring,
        id: Uuid,
        sealed: Option<Sealed>,
    ) -> Result<Self, CryptoError> {
        match sealed {
            Some(sealed) => Ok(Self::read(&keyring.open(SEALED_IN, id, &sealed)?)),
            None => Ok(Self::default()),
        }
    }

    /// Seals them for the provider config `id`; nothing where there are none.
    pub(super) fn seal(&self, keyring: &Keyring, id: Uuid) -> Result<Option<Sealed>, CryptoError> {
        if self.key.is_none() && self.headers.is_empty() {
            return Ok(None);
        }
        keyring.seal(SEALED_IN, id, &self.write()).map(Some)
    }

    /// What must not be seen anywhere: the key, and what looks like a token in a header.
    pub(crate) fn secrets(self) -> impl Iterator<Item = Secret> {
        let tokens = self
            .headers
            .into_iter()
            .flat_map(|(_, value)| secrets_in(value.expose()).collect::<Vec<_>>());
        self.key.into_iter().chain(tokens)
    }

    fn read(text: &Secret) -> Self {
        let mut lines = text.expose().split('\n');
        let key = lines.next().filter(|key| !key.is_empty()).map(Secret::new);
        let header = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            let name: HeaderName = name.parse().ok()?;
            Some((name, Secret::new(value)))
        };
        Self { key, headers: lines.filter_map(header).collect() }
    }

    fn write(&self) -> Secret {
        let mut text = self.key.as_ref().map_or("", Secret::expose).to_owned();
        for (name, value) in &self.headers {
            for part in ["\n", name.as_str(), ": ", value.expose()] {
                text.push_str(part);
            }
        }
        Secret::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: Option<&str>, headers: &[(&'static str, &str)]) -> Credentials {
        let header = |&(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), Secret::new(value))
        };
        Credentials { key: key.map(Secret::new), headers: headers.iter().map(header).collect() }
    }

    #[test]
    fn key_and_headers_are_sealed_together() {
        let ring = Keyring::generate().unwrap();
        let id = lyceum_core::new_id();
        let none: &[(&str, &str)] = &[];
        let cases = [
            (None, none),
            (Some("sk-1"), none),
            (Some("sk-1"), &[("x-team", "research: a"), ("x-token", "Bearer abc")]),
            (None, &[("x-team", "research")]),
        ];
        for (key, headers) in cases {
            let sealed = of(key, headers).seal(&ring, id).unwrap();
            assert_eq!(sealed.is_none(), key.is_none() && headers.is_empty());
            let opened = Credentials::open(&ring, id, sealed).unwrap();
            assert_eq!(opened.key.as_ref().map(Secret::expose), key);
            let opened: Vec<_> = opened
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.expose()))
                .collect();
            assert_eq!(opened, headers);
        }
    }

    #[test]
    fn a_key_from_before_there_were_headers_is_read() {
        let ring = Keyring::generate().unwrap();
        let id = lyceum_core::new_id();
        let sealed = ring.seal(SEALED_IN, id, &Secret::new("sk-1")).unwrap();
        let opened = Credentials::open(&ring, id, Some(sealed)).unwrap();
        assert_eq!(opened.key.as_ref().map(Secret::expose), Some("sk-1"));
        assert!(opened.headers.is_empty());
    }

    #[test]
    fn tokens_are_secrets_and_the_names_of_teams_are_not() {
        let all =
            of(Some("sk-1"), &[("x-team", "research"), ("x-token", "Bearer 0123456789abcdef")]);
        let secrets: Vec<_> = all.secrets().map(|secret| secret.expose().to_owned()).collect();
        assert_eq!(secrets, ["sk-1", "0123456789abcdef"]);
    }
}
