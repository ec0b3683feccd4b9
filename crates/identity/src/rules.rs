//! What people may type: usernames, addresses, names, passwords.

use std::net::IpAddr;

use lyceum_core::{Permission, Secret};
use serde_json::Value;
use sqlx::types::ipnet::IpNet;
use uuid::Uuid;

use crate::{IdentityError, Rule};

const USERNAME_MAX: usize = 64;
const EMAIL_MAX: usize = 254;
const NAME_MAX: usize = 100;
const NETWORKS_MAX: usize = 50;
const MODELS_MAX: usize = 100;
const MODEL_NAME_MAX: usize = 200;
const PASSWORD_MIN: usize = 10;
const PASSWORD_MAX: usize = 256;
const VALUE_KIB: usize = 32;
const CHAT_MEMBERS: &[&str] = &["send_with", "knowledge_base_ids"];
const SEND_KEYS: &[&str] = &["enter", "ctrl_enter"];
/// As many as a conversation can have.
const CHAT_BASES_MAX: usize = 20;

/// A username: 2 to 64 letters or digits of any script, inside also `.`, `_` and `-`. Alphabets
/// with letters that look alike do not mix, so that nobody poses as another.
pub(crate) fn username(text: &str) -> Result<String, IdentityError> {
    let text = text.trim();
    let bad = |rule| Err(IdentityError::field("username", rule));
    let length = text.chars().count();
    if !(2..=USERNAME_MAX).contains(&length) {
        return bad(Rule::Length { min: 2, max: USERNAME_MAX });
    }
    if !text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-')) {
        return bad(Rule::UsernameCharacters);
    }
    if !text.starts_with(char::is_alphanumeric) || !text.ends_with(char::is_alphanumeric) {
        return bad(Rule::UsernameEnds);
    }
    let has = |alphabet: fn(char) -> bool| usize::from(text.chars().any(alphabet));
    if has(is_latin) + has(is_greek) + has(is_cyrillic) > 1 {
        return bad(Rule::UsernameAlphabets);
    }
    Ok(text.to_owned())
}

fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic() || (c.is_alphabetic() && matches!(c, '\u{00aa}'..='\u{024f}'))
}

fn is_greek(c: char) -> bool {
    matches!(c, '\u{0370}'..='\u{03ff}' | '\u{1f00}'..='\u{1fff}')
}

fn is_cyrillic(c: char) -> bool {
    matches!(c, '\u{0400}'..='\u{052f}')
}

/// A username in characters that look like others, which only the database can tell.
pub(crate) fn not_normalized() -> IdentityError {
    IdentityError::field("username", Rule::UsernameLookalikes)
}

/// An e-mail address, as far as it can be judged without writing to it.
pub(crate) fn email(text: &str) -> Result<String, IdentityError> {
    let text = text.trim();
    let bad = |rule| Err(IdentityError::field("email", rule));
    if text.chars().count() > EMAIL_MAX {
        return bad(Rule::AtMost { max: EMAIL_MAX });
    }
    let well_formed = text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.contains('@')
            && domain.split('.').all(|label| !label.is_empty())
            && !text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c))
    });
    if !well_formed {
        return bad(Rule::Email);
    }
    Ok(text.to_owned())
}

/// A name to be shown, at most 100 characters on one line; an empty one is none.
pub(crate) fn display_name(text: &str) -> Result<Option<String>, IdentityError> {
    line("display_name", text).map(|text| (!text.is_empty()).then_some(text))
}

/// Another line about a person, with the same limits.
pub(crate) fn about(field: &'static str, text: &str) -> Result<Option<String>, IdentityError> {
    line(field, text).map(|text| (!text.is_empty()).then_some(text))
}

/// The name of an API key: 1 to 100 characters on one line.
pub(crate) fn key_name(text: &str) -> Result<String, IdentityError> {
    match line("name", text)? {
        empty if empty.is_empty() => Err(IdentityError::field("name", Rule::NameMissing)),
        name => Ok(name),
    }
}

/// The name of a role: a lower-case word with digits and `_`.
pub(crate) fn role_name(text: &str) -> Result<&str, IdentityError> {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let well_formed = text.len() <= 50
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(inside);
    match well_formed {
        true => Ok(text),
        false => Err(IdentityError::field("name", Rule::RoleName)),
    }
}

/// The name of a group: 1 to 100 characters on one line.
pub(crate) fn group_name(text: &str) -> Result<String, IdentityError> {
    match line("name", text)? {
        empty if empty.is_empty() => Err(IdentityError::field("name", Rule::NameMissing)),
        name => Ok(name),
    }
}

/// A description of at most `limit` characters.
pub(crate) fn description(text: &str, limit: usize) -> Result<&str, IdentityError> {
    let text = text.trim();
    if text.chars().count() > limit || text.contains('\0') {
        return Err(IdentityError::field("description", Rule::AtMost { max: limit }));
    }
    Ok(text)
}

/// Networks from which a key may be used: up to 50, each `address` or `address/bits`.
pub(crate) fn networks(texts: &[String]) -> Result<Vec<IpNet>, IdentityError> {
    let bad = |rule| IdentityError::field("allowed_addresses", rule);
    if texts.len() > NETWORKS_MAX {
        return Err(bad(Rule::Count { min: 0, max: NETWORKS_MAX }));
    }
    let network = |text: &String| {
        let text = text.trim();
        let parsed = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        // What the database keeps has no bits behind its prefix.
        parsed
            .map(|network| network.trunc())
            .map_err(|_| bad(Rule::Network { text: text.chars().take(50).collect() }))
    };
    texts.iter().map(network).collect()
}

/// Models that a key is limited to, each once, by the names that its calls will say. An empty list
/// is refused: it could mean none as well as all.
pub(crate) fn models(names: &[String]) -> Result<Vec<String>, IdentityError> {
    let bad = |rule| IdentityError::field("models", rule);
    if names.is_empty() || names.len() > MODELS_MAX {
        return Err(bad(Rule::Count { min: 1, max: MODELS_MAX }));
    }
    let mut models: Vec<String> = Vec::with_capacity(names.len());
    for name in names.iter().map(|name| name.trim()) {
        if name.is_empty() || name.chars().count() > MODEL_NAME_MAX {
            return Err(bad(Rule::Length { min: 1, max: MODEL_NAME_MAX }));
        }
        if name.chars().any(char::is_control) {
            return Err(bad(Rule::OneLine));
        }
        if !models.iter().any(|known| known == name) {
            models.push(name.to_owned());
        }
    }
    Ok(models)
}

fn line(field: &'static str, text: &str) -> Result<String, IdentityError> {
    let text = text.trim();
    if text.chars().count() > NAME_MAX {
        return Err(IdentityError::field(field, Rule::AtMost { max: NAME_MAX }));
    }
    if text.chars().any(char::is_control) {
        return Err(IdentityError::field(field, Rule::OneLine));
    }
    Ok(text.to_owned())
}

/// A new password: 10 to 256 characters, and not the account's own name or address.
pub(crate) fn password(
    field: &'static str,
    password: &Secret,
    username: &str,
    email: &str,
) -> Result<(), IdentityError> {
    let text = password.expose();
    let bad = |rule| Err(IdentityError::field(field, rule));
    if !(PASSWORD_MIN..=PASSWORD_MAX).contains(&text.chars().count()) {
        return bad(Rule::Length { min: PASSWORD_MIN, max: PASSWORD_MAX });
    }
    let lower = text.trim().to_lowercase();
    if lower == username.to_lowercase() || lower == email.to_lowercase() {
        return bad(Rule::PasswordOwnName);
    }
    Ok(())
}

/// A pattern of rights.
pub(crate) fn permission(text: &str) -> Result<Permission, IdentityError> {
    text.parse().map_err(|_| {
        let text = text.chars().take(80).collect();
        IdentityError::field("permissions", Rule::Permission { text })
    })
}

/// A key of a preference: a lower-case word with digits, `_`, `.` and `-`.
pub(crate) fn preference_key(key: &str) -> Result<(), IdentityError> {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c);
    let well_formed = key.len() <= 100
        && key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.chars().all(inside);
    if well_formed {
        return Ok(());
    }
    Err(IdentityError::field("key", Rule::PreferenceKey))
}

/// A preference's value: at most 32 KiB of JSON, without the NUL that PostgreSQL cannot keep. What
/// pages act on is held to its form, the rest is theirs.
pub(crate) fn preference_value(key: &str, value: &Value) -> Result<(), IdentityError> {
    if value.to_string().len() > VALUE_KIB * 1024 {
        return Err(IdentityError::field("value", Rule::ValueSize { kib: VALUE_KIB }));
    }
    if has_nul(value) {
        return Err(IdentityError::field("value", Rule::NoNul));
    }
    match key {
        "chat" if !value.is_null() => chat_preference(value),
        _ => Ok(()),
    }
}

/// How a person begins chats: the key that sends, and the knowledge bases that a new chat asks.
/// Whether these can be read is judged when they are asked, since it may change.
fn chat_preference(value: &Value) -> Result<(), IdentityError> {
    let bad = |field, rule| Err(IdentityError::field(field, rule));
    let members = value
        .as_object()
        .filter(|members| members.keys().all(|member| CHAT_MEMBERS.contains(&member.as_str())));
    let Some(members) = members else {
        return bad("value", Rule::Members { allowed: CHAT_MEMBERS });
    };
    if members.get("send_with").is_some_and(|key| !SEND_KEYS.iter().any(|known| key == known)) {
        return bad("value.send_with", Rule::OneOf { allowed: SEND_KEYS });
    }
    let Some(bases) = members.get("knowledge_base_ids") else { return Ok(()) };
    let Some(bases) = bases.as_array().filter(|bases| bases.len() <= CHAT_BASES_MAX) else {
        return bad("value.knowledge_base_ids", Rule::Count { min: 0, max: CHAT_BASES_MAX });
    };
    let is_id = |base: &Value| base.as_str().is_some_and(|id| id.parse::<Uuid>().is_ok());
    match bases.iter().all(is_id) {
        true => Ok(()),
        false => bad("value.knowledge_base_ids", Rule::UnknownId { what: "knowledge base" }),
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => {
            members.iter().any(|(name, value)| name.contains('\0') || has_nul(value))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_of_any_script_but_no_impostors() {
        for good in ["ada", "李雷", "ada.lovelace-2", "иван", "Ζήνων", "jürgen", "田中_1"]
        {
            assert_eq!(username(good).unwrap(), good);
        }
        for bad in [
            "",
            "a",
            " ",
            "ada@home",
            "ada lovelace",
            "-ada",
            "ada.",
            "аdmin",
            "ada\u{200b}b",
            "a\u{202e}b",
            "ada\0",
            "e\u{301}a",
            "αdmin",
            "<b>",
        ] {
            assert!(username(bad).is_err(), "{bad:?}");
        }
        assert!(username(&"a".repeat(64)).is_ok());
        assert!(username(&"a".repeat(65)).is_err());
    }

    #[test]
    fn addresses_are_judged_by_their_shape() {
        for good in ["a@b", "ada+x@example.org", "用户@例子.中国"] {
            assert!(email(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b..c", "a@.b", "a\0@b", "<a@b>"] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
        assert!(email(&format!("{}@b", "a".repeat(253))).is_err());
    }

    #[test]
    fn passwords_are_long_and_not_the_name() {
        let check =
            |text: &str| password("password", &Secret::new(text), "ada.lovelace", "a@b.example");
        assert!(check("correct horse").is_ok());
        assert!(check("short").is_err());
        assert!(check("ADA.Lovelace").is_err());
        assert!(check("A@B.example").is_err());
        assert!(check(&"x".repeat(256)).is_ok());
        assert!(check(&"x".repeat(257)).is_err());
        assert!(check("密码密码密码密码密码").is_ok());
    }

    #[test]
    fn networks_are_addresses_with_or_without_a_prefix() {
        let read = |text: &str| networks(&[text.to_owned()]).map(|found| found[0].to_string());
        assert_eq!(read(" 192.0.2.7 ").unwrap(), "192.0.2.7/32");
        assert_eq!(read("192.0.2.7/24").unwrap(), "192.0.2.0/24");
        assert_eq!(read("2001:db8::1/32").unwrap(), "2001:db8::/32");
        for bad in ["", "localhost", "192.0.2.7/33", "192.0.2", "::/129"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert!(networks(&vec!["::1".to_owned(); 51]).is_err());
    }

    #[test]
    fn models_of_a_key_are_trimmed_and_each_is_named_once() {
        let read = |names: &[&str]| {
            models(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(
            read(&[" gpt-5 ", "通义 千问", "gpt-5", "GPT-5"]).unwrap(),
            ["gpt-5", "通义 千问", "GPT-5"]
        );
        assert!(read(&[&"字".repeat(200)]).is_ok());
        for bad in ["", "  ", "a\0b", "a\nb", &"x".repeat(201)] {
            assert!(read(&[bad]).is_err(), "{bad:?}");
        }
        assert!(read(&[]).is_err() && read(&["m"; 101]).is_err());
    }

    #[test]
    fn preferences_keep_to_their_alphabet_and_size() {
        assert!(preference_key("ui.theme").is_ok());
        for bad in ["", "Ui", "1a", "a b", "a/b", &"a".repeat(101)] {
            assert!(preference_key(bad).is_err(), "{bad:?}");
        }
        assert!(preference_value("a", &serde_json::json!({ "a": ["b\0"] })).is_err());
        assert!(preference_value("a", &serde_json::json!("x".repeat(33_000))).is_err());
        assert!(preference_value("a", &serde_json::json!({ "a": "\\u0000" })).is_ok());
    }
}
