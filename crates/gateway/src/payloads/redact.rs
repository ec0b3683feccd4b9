//! Taking secrets out of what is stored: those that the platform knows, and what looks like one.

use std::sync::LazyLock;

use lyceum_core::Secret;
use regex::{Captures, Regex};
use serde_json::Value;

use super::{MARGIN, MOST_KEPT};

const REDACTED: &str = "[redacted]";
/// A JSON body that is longer is not taken apart, but redacted as text.
const MOST_PARSED: usize = 1024 * 1024;
/// A known secret that is shorter would take out parts of words.
const SHORTEST: usize = 6;

/// What a secret looks like, and what stands in its place. `$1` keeps what stands before it.
const SHAPES: [(&str, &str); 17] = [
    // Private keys, also where their end is missing.
    (
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----[\s\S]*?(-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----|\z)",
        REDACTED,
    ),
    // Keys of providers and platforms, by their beginnings.
    (r"\bsk-[A-Za-z0-9_\-]{16,}", REDACTED),
    (r"\b(?:sk|rk|pk|whsec)_(?:live_|test_)?[A-Za-z0-9]{20,}", REDACTED),
    (
        r"\b(?:gsk|hf|xai|nvapi|pplx|glpat|npm|lyc|ntn|dop_v1|shpat)[_\-][A-Za-z0-9_\-]{20,}",
        REDACTED,
    ),
    (r"\bAIza[A-Za-z0-9_\-]{30,}", REDACTED),
    (r"\bya29\.[A-Za-z0-9_\-]{20,}", REDACTED),
    (r"\b(?:gh[pousr]|github_pat)_[A-Za-z0-9_]{30,}", REDACTED),
    (r"\bxox[abeoprs]-[A-Za-z0-9\-]{10,}", REDACTED),
    (r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b", REDACTED),
    (r"\bSG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}", REDACTED),
    // Tokens with a signature.
    (r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?", REDACTED),
    // Credentials in headers and addresses.
    (
        r#"(?i)\b((?:proxy-)?authorization["']?\s*[:=]\s*["']?)(?:(?:bearer|basic|digest|token)\s+)?[^\s"',;]+"#,
        "${1}[redacted]",
    ),
    (r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=\-]{16,}", "${1}[redacted]"),
    (r"(?i)\b([a-z][a-z0-9+.\-]*://)[^\s/@:]*:[^\s/@]+@", "${1}[redacted]@"),
    (
        r#"(?i)([?&](?:key|sig|signature|code|x-amz-signature|x-amz-credential)=)[^&\s"'#]+"#,
        "${1}[redacted]",
    ),
    (r"(?i)\b((?:set-)?cookie\s*:\s*)[^\r\n]+", "${1}[redacted]"),
    // Whatever somebody calls a secret.
    (
        r#"(?i)\b((?:[a-z0-9_.\-]*[_.\-])?(?:api[_\-]?key|apikey|access[_\-]?key(?:[_\-]?id)?|secret(?:[_\-]?(?:access[_\-]?)?key)?|client[_\-]?secret|private[_\-]?key|pass(?:word|wd|phrase)|pwd|token)["']?\s*[:=]\s*["']?)[^\s"',;&]{4,}"#,
        "${1}[redacted]",
    ),
];

const EMAIL: &str = r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+";
/// Pictures and sounds: they would fill what is kept.
const DATA: &str = r"data:([\w/+.\-]+);base64,[A-Za-z0-9+/=]{256,}";

static COMPILED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    // A test sees to it that none is lost here.
    SHAPES.iter().filter_map(|(shape, by)| Some((Regex::new(shape).ok()?, *by))).collect()
});
static EMAILS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(EMAIL).ok());
static DATA_URLS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(DATA).ok());

/// Members of a JSON document whose value is a secret, whatever it looks like.
const SECRET_MEMBERS: [&str; 14] = [
    "authorization",
    "api_key",
    "apikey",
    "x-api-key",
    "api-key",
    "access_token",
    "refresh_token",
    "client_secret",
    "private_key",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "token",
];

/// A text as it may be stored.
#[derive(Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) text: String,
    /// Whether its end is missing.
    pub(super) cut: bool,
}

/// Takes secrets out of texts.
pub(super) struct Redactor {
    /// The longest first: one may be the beginning of another.
    known: Vec<Secret>,
    emails: bool,
}

impl Redactor {
    /// Takes out the `known` secrets, what looks like a secret, and, if wanted, e-mail addresses.
    pub(super) fn new(mut known: Vec<Secret>, emails: bool) -> Self {
        known.retain(|secret| secret.expose().len() >= SHORTEST);
        known.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Self { known, emails }
    }

    /// A body as it was sent; JSON is redacted member by member.
    pub(super) fn body(&self, body: &[u8]) -> Stored {
        if body.len() <= MOST_PARSED
            && let Ok(mut document) = serde_json::from_slice::<Value>(body)
        {
            self.value(&mut document);
            return cut(document.to_string(), false);
        }
        let end = body.len().min(MOST_KEPT + MARGIN);
        let text = String::from_utf8_lossy(&body[..end]);
        cut(self.text(&text), end < body.len())
    }

    /// The beginning of an answer that had so many bytes in all.
    pub(super) fn answer(&self, text: &str, bytes: usize) -> Stored {
        cut(self.text(text), text.len() < bytes)
    }

    pub(super) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.known {
            if text.contains(secret.expose()) {
                text = text.replace(secret.expose(), REDACTED);
            }
        }
        if let Some(urls) = DATA_URLS.as_ref() {
            let left_out = |found: &Captures<'_>| {
                format!("data:{};[{} bytes left out]", &found[1], found[0].len())
            };
            text = urls.replace_all(&text, left_out).into_owned();
        }
        for (shape, by) in COMPILED.iter() {
            text = shape.replace_all(&text, *by).into_owned();
        }
        match EMAILS.as_ref().filter(|_| self.emails) {
            Some(emails) => emails.replace_all(&text, REDACTED).into_owned(),
            None => text,
        }
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(members) => {
                let members_before = std::mem::take(members);
                members.extend(members_before.into_iter().map(|(name, mut value)| {
                    let secret = SECRET_MEMBERS.iter().any(|m| name.eq_ignore_ascii_case(m));
                    match value.is_string() && secret {
                        true => value = REDACTED.into(),
                        false => self.value(&mut value),
                    }
                    // Names are written by people, too.
                    (self.text(&name), value)
                }));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn cut(mut text: String, cut: bool) -> Stored {
    let end = text.floor_char_boundary(MOST_KEPT);
    let cut = cut || end < text.len();
    text.truncate(end);
    Stored { text, cut }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PEM: &str =
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7bq\nQhs9\n-----END RSA PRIVATE KEY-----";

    /// A text, and the part of it that must not be stored.
    const CORPUS: [(&str, &str); 29] = [
        ("use sk-abcdefghijklmnopqrstuvwx now", "abcdefghijklmnop"),
        ("sk-ant-api03-AAAAbbbbCCCCddddEEEE-ffff_GG", "AAAAbbbb"),
        ("sk-proj-0123456789abcdefghij_-X", "0123456789"),
        ("key=AIzaSyA1234567890abcdefghijklmnopqrstuv", "A1234567890"),
        ("gsk_ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", "ABCDEFGHIJ"),
        ("hf_abcdefghijklmnopqrstuvwxyzABCD", "abcdefghij"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghij"),
        ("github_pat_11ABCDEFG0abcdefghijklmnopqrstuv", "11ABCDEFG0"),
        ("glpat-abcdefghijklmnopqrst1", "abcdefghij"),
        ("xoxb-123456789012-abcdefghijkl", "123456789012"),
        ("AKIAIOSFODNN7EXAMPLE is mine", "IOSFODNN7"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI"),
        ("sk_live_abcdefghijklmnopqrst", "abcdefghij"),
        ("SG.abcdefghijklmnopqrst.uvwxyzabcdefghij", "uvwxyz"),
        ("ya29.a0AfH6SMBabcdefghijklmnop", "a0AfH6SMB"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP", "eyJzdWIi"),
        ("Authorization: Bearer abc.def-123", "abc.def-123"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("curl -H 'authorization: abcdef'", "abcdef"),
        ("then bearer 0123456789abcdef0123", "0123456789abcdef"),
        ("postgres://admin:hunter2@db/prod", "hunter2"),
        ("redis://:hunter2@cache", "hunter2"),
        ("https://a.example/?key=abc123&x=1", "abc123"),
        ("https://b.example/o?X-Amz-Signature=deadbeef", "deadbeef"),
        ("Cookie: session=abcdef; other=1", "abcdef"),
        ("password: hunter22", "hunter22"),
        ("DB_PASSWORD=hunter22 run", "hunter22"),
        ("{\"client_secret\": \"abc-123-xyz\"}", "abc-123-xyz"),
        (PEM, "MIIEowIBAAKCAQEA7bq"),
    ];

    fn plain() -> Redactor {
        Redactor::new(Vec::new(), false)
    }

    #[test]
    fn every_shape_is_understood() {
        assert_eq!(COMPILED.len(), SHAPES.len());
        assert!(EMAILS.is_some() && DATA_URLS.is_some());
    }

    #[test]
    fn what_looks_like_a_secret_is_taken_out() {
        for (text, secret) in CORPUS {
            assert!(text.contains(secret), "the corpus is wrong: {text}");
            let redacted = plain().text(text);
            assert!(!redacted.contains(secret), "{text} became {redacted}");
            assert!(redacted.contains(REDACTED), "{text} became {redacted}");
            // The same within a request, as a program writes it.
            let body = json!({"messages": [{"role": "user", "content": format!("see: {text}")}]});
            let stored = plain().body(body.to_string().as_bytes());
            assert!(!stored.text.contains(secret), "{text} became {}", stored.text);
            serde_json::from_str::<Value>(&stored.text).unwrap();
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "The bearer of the ring may pass. A token of thanks, max_tokens: 100.",
            "Basic understanding of passwords and secrets is enough.",
            "SELECT pk_orders_customer FROM t WHERE api_version = 3",
            "https://example.org/a?page=2&q=key and mailto ada@example.org",
            "一个普通的句子，没有秘密。",
        ] {
            assert_eq!(plain().text(text), text);
        }
        let body = json!({"model": "m", "max_tokens": 5, "tools": [{"function":
            {"parameters": {"properties": {"password": {"type": "string"}}}}}]});
        let stored = plain().body(body.to_string().as_bytes());
        assert_eq!(serde_json::from_str::<Value>(&stored.text).unwrap(), body);
    }

    #[test]
    fn known_secrets_are_taken_out_wherever_they_stand() {
        let known = ["plain-words", "plain-words-and-more", "a\"quoted\\one"].map(Secret::new);
        let redactor = Redactor::new(known.to_vec(), false);
        let body = json!({"content": "xplain-words-and-moreplain-wordsy", "plain-words": 1,
            "other": ["a\"quoted\\one"]});
        let stored = redactor.body(body.to_string().as_bytes()).text;
        assert!(!stored.contains("plain") && !stored.contains("more"), "{stored}");
        assert!(!stored.contains("quoted"), "{stored}");
        // Also where the body is no JSON.
        let stored = redactor.body(b"{broken plain-words").text;
        assert_eq!(stored, "{broken [redacted]");
        // One or two characters are no secret.
        assert_eq!(Redactor::new(vec![Secret::new("e")], false).text("here"), "here");
    }

    #[test]
    fn addresses_are_taken_out_where_wanted() {
        let redactor = Redactor::new(Vec::new(), true);
        assert_eq!(redactor.text("to ada.l+x@mail.example.org."), "to [redacted].");
    }

    #[test]
    fn a_secret_at_the_cut_is_not_stored_in_part() {
        for filler in MOST_KEPT - 30..MOST_KEPT + 2 {
            let text = format!("{} sk-abcdefghijklmnopqrstuvwxyz", "x".repeat(filler));
            for stored in [plain().body(text.as_bytes()), plain().answer(&text, text.len())] {
                assert!(!stored.text.contains("abcdef"), "{filler}");
                assert!(stored.text.len() <= MOST_KEPT);
            }
        }
    }

    #[test]
    fn pictures_are_left_out() {
        let body = json!({"url": format!("data:image/png;base64,{}", "A".repeat(400_000))});
        let stored = plain().body(body.to_string().as_bytes());
        assert_eq!(
            stored,
            Stored {
                text: r#"{"url":"data:image/png;[400022 bytes left out]"}"#.to_owned(),
                cut: false
            }
        );
    }
}
