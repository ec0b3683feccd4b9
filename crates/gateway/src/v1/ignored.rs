//! What of a request has no effect, told in a header of its answer.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::body::Body;

/// Names the members of a request that mean nothing to the model; absent where all do.
const IGNORED: HeaderName = HeaderName::from_static("x-lyceum-ignored");
/// Names that are told; more are a mistake of another kind.
const MOST: usize = 20;
/// Characters of a name that are told.
const LONGEST: usize = 64;

/// Stands behind each name in a list of names.
const END: &str = "\n";

/// Members of a request, by their names, that have no effect.
#[derive(Clone, Debug, Default)]
pub(super) struct Ignored {
    names: BTreeSet<String>,
    /// What the caller sent, where the request has got more members since: of others nothing is told.
    /// The names in one text, for nearly no request has anything to be told of; one that holds an
    /// [`END`] counts as several.
    sent: Option<String>,
}

impl Ignored {
    /// The members of `body` that have no meaning. Whoever says `null` asks for nothing.
    pub(super) fn of(body: &Body, has_meaning: impl Fn(&str) -> bool) -> Self {
        let without = given(body).filter(|name| !has_meaning(name));
        Self { names: without.map(shown).collect(), sent: None }
    }

    /// From now on only members of `body` are added, as it is now.
    pub(super) fn only_of(&mut self, body: &Body) {
        self.sent = Some(given(body).flat_map(|name| [name, END]).collect());
    }

    /// More members, by names of this program's own.
    pub(super) fn add(&mut self, names: impl IntoIterator<Item = String>) {
        let Self { names: known, sent } = self;
        let is_sent = |name: &String| {
            let sent = sent.as_deref().map(|sent| sent.split(END));
            sent.is_none_or(|mut sent| sent.any(|sent| shown(sent) == *name))
        };
        known.extend(names.into_iter().filter(is_sent));
    }

    /// Those of another as well.
    pub(super) fn join(&mut self, other: Self) {
        self.add(other.names);
    }

    /// Tells of them.
    pub(super) fn describe(&self, headers: &mut HeaderMap) {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        if names.is_empty() {
            return;
        }
        let mut told = names[..names.len().min(MOST)].join(", ");
        if names.len() > MOST {
            told.push_str(", ...");
        }
        if let Ok(value) = HeaderValue::from_str(&told) {
            headers.insert(IGNORED, value);
        }
    }
}

/// The members by which a request asks for something.
fn given(body: &Body) -> impl Iterator<Item = &str> {
    body.members().filter(|(_, raw)| *raw != "null").map(|(name, _)| name)
}

/// A name may be anything: what is not plain is escaped, and what is long is cut.
fn shown(name: &str) -> String {
    name.escape_default().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &str) -> Option<String> {
        let body = Body::from_bytes(body.as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        Ignored::of(&body, |name| name == "model").describe(&mut headers);
        headers.get(IGNORED).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn nothing_is_told_of_what_the_caller_did_not_send() {
        let body = Body::from_bytes(br#"{"a": 1, "b": null}"#).unwrap();
        let mut ignored = Ignored::default();
        ignored.only_of(&body);
        ignored.add(["a", "b", "c"].map(str::to_owned));
        assert_eq!(ignored.names, BTreeSet::from(["a".to_owned()]));
    }

    #[test]
    fn what_has_no_meaning_is_named_whatever_its_name_is() {
        assert_eq!(told(r#"{"model": 1, "nothing": null}"#), None);
        assert_eq!(told(r#"{"b": 1, "model": 1, "a": false}"#).unwrap(), "a, b");
        assert_eq!(told("{\"汉\\r\\nx\": 1}").unwrap(), "\\u{6c49}\\r\\nx");
        let long = format!("{{\"{}\": 1}}", "x".repeat(1000));
        assert_eq!(told(&long).unwrap(), "x".repeat(LONGEST));
        let many: Vec<String> = (0..100).map(|number| format!("\"m{number:02}\": 1")).collect();
        let told = told(&format!("{{{}}}", many.join(","))).unwrap();
        assert!(told.starts_with("m00, m01,") && told.ends_with("m19, ..."), "{told}");
    }
}
