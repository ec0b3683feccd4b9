use http::{HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// A whole SHA-256.
pub(crate) type Hash = [u8; 32];

/// All of a request that could make another answer, but for its members.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// Whose call it is: nobody else gets its answer.
    pub(crate) tenant: Uuid,
    /// The model as it stands.
    pub(crate) version: Hash,
    /// The route that asks it: some ask differently.
    pub(crate) route: Option<Uuid>,
    pub(crate) surface: &'static str,
    pub(crate) streamed: bool,
    /// Headers that go along to the provider.
    pub(crate) headers: &'a [(HeaderName, HeaderValue)],
}

impl Asked<'_> {
    /// The hash of it with these members, each by its name and its JSON as it came. Only the spaces
    /// between the parts of the JSON do not count: the order of an object's members does, for it
    /// reaches the model.
    pub(crate) fn hash<'a>(&self, members: impl Iterator<Item = (&'a str, &'a str)>) -> Hash {
        let mut parts = Parts::default();
        parts.add(self.tenant).add(self.version).add_or_none(self.route);
        parts.add(self.surface).add([u8::from(self.streamed)]);
        parts.add(self.headers.len().to_be_bytes());
        for (name, value) in self.headers {
            parts.add(name).add(value);
        }
        for (name, json) in members {
            parts.add(name).add(without_space(json));
        }
        parts.hash()
    }
}

/// Hashes a list of parts, each behind its length, so that no two lists give the same text.
#[derive(Default)]
pub(super) struct Parts(Sha256);

impl Parts {
    pub(super) fn add(&mut self, part: impl AsRef<[u8]>) -> &mut Self {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
        self
    }

    /// A part, or that there is none.
    pub(super) fn add_or_none(&mut self, part: Option<impl AsRef<[u8]>>) -> &mut Self {
        match part {
            Some(part) => self.add([1]).add(part),
            None => self.add([0]),
        }
    }

    pub(super) fn hash(self) -> Hash {
        self.0.finalize().into()
    }
}

/// JSON without the spaces outside of its strings.
fn without_space(json: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let keep = |c: &char| {
        if quoted {
            (quoted, escaped) = (escaped || *c != '"', !escaped && *c == '\\');
            return true;
        }
        quoted = *c == '"';
        !matches!(c, ' ' | '\t' | '\n' | '\r')
    };
    json.chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    type Members = BTreeMap<String, String>;

    fn asked() -> Asked<'static> {
        let (tenant, version) = (Uuid::from_u128(1), [7; 32]);
        Asked { tenant, version, route: None, surface: "chat", streamed: false, headers: &[] }
    }

    fn hash_of(asked: &Asked<'_>, members: &Members) -> Hash {
        asked.hash(members.iter().map(|(name, json)| (name.as_str(), json.as_str())))
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ a-z\"\\\\\n]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{0,4}", inner, 0..4)
                    .prop_map(|members| json!(members)),
            ]
        })
    }

    fn members() -> impl Strategy<Value = Members> {
        prop::collection::btree_map("[a-z_]{1,10}", value().prop_map(|v| v.to_string()), 0..6)
    }

    proptest! {
        /// However a member changes, goes or comes, known or not, the hash is another.
        #[test]
        fn every_member_counts(members in members(), name in "[a-z_]{1,10}", value in value()) {
            let mut changed = members.clone();
            changed.insert(name.clone(), value.to_string());
            let same = members.get(&name) == changed.get(&name);
            prop_assert_eq!(hash_of(&asked(), &members) == hash_of(&asked(), &changed), same);
            changed.remove(&name);
            let same = !members.contains_key(&name);
            prop_assert_eq!(hash_of(&asked(), &members) == hash_of(&asked(), &changed), same);
        }

        /// How the JSON is laid out does not count, what it says does.
        #[test]
        fn only_the_layout_does_not_count(one in value(), other in value()) {
            let laid_out = serde_json::to_string_pretty(&one).unwrap();
            let of = |json: String| Members::from([("messages".to_owned(), json)]);
            let hash = hash_of(&asked(), &of(one.to_string()));
            prop_assert_eq!(hash, hash_of(&asked(), &of(laid_out)));
            prop_assert_eq!(hash == hash_of(&asked(), &of(other.to_string())), one == other);
        }

        /// No two lists of parts are one text.
        #[test]
        fn parts_do_not_run_into_each_other(
            one in prop::collection::vec("[ab]{0,3}", 0..4),
            other in prop::collection::vec("[ab]{0,3}", 0..4),
        ) {
            let hash = |list: &[String]| {
                let mut parts = Parts::default();
                for part in list {
                    parts.add(part);
                }
                parts.hash()
            };
            prop_assert_eq!(hash(&one) == hash(&other), one == other);
        }
    }

    #[test]
    fn everything_beside_the_members_counts() {
        let members = Members::from([("model".to_owned(), "\"m\"".to_owned())]);
        let beta = [(HeaderName::from_static("anthropic-beta"), HeaderValue::from_static("a"))];
        let others = [
            Asked { tenant: Uuid::from_u128(2), ..asked() },
            Asked { version: [8; 32], ..asked() },
            Asked { route: Some(Uuid::nil()), ..asked() },
            Asked { surface: "completions", ..asked() },
            Asked { streamed: true, ..asked() },
            Asked { headers: &beta, ..asked() },
        ];
        for other in others {
            assert_ne!(hash_of(&other, &members), hash_of(&asked(), &members), "{other:?}");
        }
        assert_eq!(hash_of(&asked(), &members), hash_of(&asked(), &members));
    }

    #[test]
    fn spaces_within_strings_stay() {
        let json = "{ \"a b\" :\n[1, \" \\\" c \\\\\" , 2 ] }";
        assert_eq!(without_space(json), "{\"a b\":[1,\" \\\" c \\\\\",2]}");
    }
}
