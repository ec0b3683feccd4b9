//! Takes out of a text what looks like a secret. The program never logs one; what providers and
//! libraries put into their errors is not ours to promise.

/// Ends of names whose values are secrets.
const SENSITIVE: [&str; 11] = [
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "private_key",
];
/// Beginnings of keys of ours and of others.
const PREFIXES: [&str; 8] = ["lyc_", "lycscim_", "sk-", "sk_", "ghp_", "xoxb-", "glpat-", "AIza"];
const SHOWN_INSTEAD: &str = "***";
/// A key is no shorter.
const KEY_MIN: usize = 12;
/// Words of mixed letters and digits that are no shorter are random.
const RANDOM_MIN: usize = 32;

/// Whether what a name stands for is a secret.
pub(super) fn is_sensitive(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    SENSITIVE.iter().any(|word| name.ends_with(word))
}

/// The text without what looks like a secret.
pub(super) fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let (mut before, mut between, mut rest) = ("", "", text);
    let mut in_address = false;
    while !rest.is_empty() {
        let start = rest.find(is_inside).unwrap_or(rest.len());
        let (gap, from) = rest.split_at(start);
        let end = from.find(|c| !is_inside(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        shown.push_str(gap);
        // `scheme://user:password@host`
        let is_password = in_address && gap == ":" && after.starts_with('@');
        in_address = gap.ends_with("://");
        between = if gap.is_empty() { between } else { gap };
        let hidden = is_password || follows_name(before, between) || looks_secret(word);
        shown.push_str(if hidden && !word.is_empty() { SHOWN_INSTEAD } else { word });
        (before, rest) = (word, after);
    }
    shown
}

fn is_inside(c: char) -> bool {
    c.is_alphanumeric() || "-_.~+".contains(c)
}

/// Whether a word is the value of a secret's name, or comes behind a scheme of authentication.
fn follows_name(before: &str, between: &str) -> bool {
    let is_scheme = ["bearer", "basic"].iter().any(|scheme| before.eq_ignore_ascii_case(scheme));
    if is_scheme && between.trim().is_empty() {
        return true;
    }
    let assigns = between.contains(['=', ':']) && !between.contains("://");
    assigns
        && between.chars().all(|c| c.is_whitespace() || "=:\"'\\".contains(c))
        && is_sensitive(before)
}

fn looks_secret(word: &str) -> bool {
    if word.len() >= KEY_MIN && PREFIXES.iter().any(|prefix| word.starts_with(prefix)) {
        return true;
    }
    if word.starts_with("eyJ") && word.matches('.').count() >= 2 {
        return true;
    }
    let has = |kind: fn(&char) -> bool| word.chars().any(|c| kind(&c));
    word.len() >= RANDOM_MIN
        && !word.contains('.')
        && has(char::is_ascii_uppercase)
        && has(char::is_ascii_lowercase)
        && has(char::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_go_and_everything_else_stays() {
        for (text, shown) in [
            ("the key sk-abcdefghijklmnop was refused", "the key *** was refused"),
            ("key lyc_0123456789abcdefghij", "key ***"),
            ("Authorization: Bearer abc.def", "Authorization: *** ***"),
            ("authorization=\"Basic dXNlcjpwYXNz\"", "authorization=\"*** ***\""),
            ("{\"api_key\": \"k1\", \"model\": \"m\"}", "{\"api_key\": \"***\", \"model\": \"m\"}"),
            ("password=hunter2 user=ada", "password=*** user=ada"),
            ("https://h/reset#token=AbC", "https://h/reset#token=***"),
            ("postgres://ada:hunter2@db:5432/x", "postgres://ada:***@db:5432/x"),
            ("eyJhbGciOi.eyJzdWIi.c2ln", "***"),
            ("got AbCdEfGhIjKlMnOpQrStUvWxYz0123456789", "got ***"),
            ("密码 password：不显示", "密码 password：不显示"),
        ] {
            assert_eq!(redact(text), shown, "{text}");
        }
        for plain in [
            "",
            "took 12.5 ms at 10.0.0.1:5432, 100% of 3",
            "document 0192f0c1-8d2a-7f8e-bf98-7363c4aed4ef in /var/lib/lyceum/objects/a.b",
            "sha256 321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
            "used tokens: 12, max_tokens=4",
            "lyceum_gateway::call::stream said «no»",
            "https://example.org:8443/path?q=1",
        ] {
            assert_eq!(redact(plain), plain);
        }
        assert!(is_sensitive("X-Api-Key") && is_sensitive("refresh_token"));
        assert!(!is_sensitive("tokens") && !is_sensitive("key"));
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in ".{0,80}") {
            let _ = redact(&text);
        }
    }
}
