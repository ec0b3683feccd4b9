//! Filters of lists and paths of changes (RFC 7644, sections 3.4.2.2 and 3.5.2).

use serde_json::Value;

use super::error::ScimError;
use super::schemas;

/// Longer and deeper ones are nobody's.
const LENGTH_MAX: usize = 4000;
const DEPTH_MAX: usize = 20;

/// Which resources are wanted.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    Compare(Comparison),
    Both(Box<Filter>, Box<Filter>),
    Either(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
}

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comparison {
    /// In lower case and without its schema, such as `name.givenname`.
    pub(super) attribute: String,
    pub(super) operator: Operator,
    /// `null` where the operator takes none.
    pub(super) value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Contains,
    StartsWith,
    EndsWith,
    Present,
}

/// What a change is about: `members[value eq "…"]`, `emails[type eq "work"].value`, `name.givenName`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path {
    /// In lower case and without its schema, with its sub-attribute.
    pub(super) attribute: String,
    /// Which of its values.
    pub(super) filter: Option<Filter>,
}

impl Filter {
    pub(super) fn parse(text: &str) -> Result<Self, ScimError> {
        let mut parser = Parser::new(text)?;
        let filter = parser.either(0)?;
        parser.end()?;
        Ok(filter)
    }
}

impl Path {
    pub(super) fn parse(text: &str) -> Result<Self, ScimError> {
        let read = || {
            let mut parser = Parser::new(text)?;
            let (attribute, filter) = parser.attribute(0)?;
            parser.end()?;
            Ok(Self { attribute, filter })
        };
        read().map_err(ScimError::in_path)
    }

    /// A plain attribute.
    pub(super) fn of(name: &str) -> Self {
        Self { attribute: normal(name), filter: None }
    }
}

/// An attribute's name in lower case, without the schema that may stand before it. A name that is a
/// schema itself stays.
pub(super) fn normal(name: &str) -> String {
    let name = name.trim().to_lowercase();
    let schemas = [schemas::USER, schemas::GROUP, schemas::ENTERPRISE_USER];
    let inside = schemas.iter().find_map(|schema| {
        name.strip_prefix(&schema.to_lowercase())?.strip_prefix(':').map(str::to_owned)
    });
    inside.unwrap_or(name)
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    OpenValue,
    CloseValue,
    Text(String),
    Word(String),
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Parser {
    fn new(text: &str) -> Result<Self, ScimError> {
        if text.len() > LENGTH_MAX {
            return Err(ScimError::invalid_filter("The filter is too long."));
        }
        Ok(Self { tokens: tokens(text)?.into_iter().peekable() })
    }

    fn end(&mut self) -> Result<(), ScimError> {
        match self.tokens.next() {
            None => Ok(()),
            Some(_) => Err(malformed()),
        }
    }

    fn word(&mut self, wanted: &str) -> bool {
        let is_next =
            |token: &Token| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(wanted));
        self.tokens.next_if(is_next).is_some()
    }

    fn either(&mut self, depth: usize) -> Result<Filter, ScimError> {
        let mut filter = self.both(depth)?;
        while self.word("or") {
            filter = Filter::Either(Box::new(filter), Box::new(self.both(depth)?));
        }
        Ok(filter)
    }

    fn both(&mut self, depth: usize) -> Result<Filter, ScimError> {
        let mut filter = self.one(depth)?;
        while self.word("and") {
            filter = Filter::Both(Box::new(filter), Box::new(self.one(depth)?));
        }
        Ok(filter)
    }

    fn one(&mut self, depth: usize) -> Result<Filter, ScimError> {
        if depth > DEPTH_MAX {
            return Err(ScimError::invalid_filter("The filter is nested too deeply."));
        }
        if self.word("not") {
            return match self.tokens.next() {
                Some(Token::Open) => Ok(Filter::Not(Box::new(self.grouped(depth)?))),
                _ => Err(malformed()),
            };
        }
        if self.tokens.next_if_eq(&Token::Open).is_some() {
            return self.grouped(depth);
        }
        let (attribute, of) = self.attribute(depth)?;
        // `emails[type eq "work"].value`: of the values of an attribute there is only one here.
        if of.is_some_and(|filter| !is_about_kind(&filter)) {
            return Err(malformed());
        }
        self.comparison(attribute)
    }

    fn grouped(&mut self, depth: usize) -> Result<Filter, ScimError> {
        let filter = self.either(depth + 1)?;
        match self.tokens.next() {
            Some(Token::Close) => Ok(filter),
            _ => Err(malformed()),
        }
    }

    /// An attribute, with a filter of its values and a sub-attribute behind it.
    fn attribute(&mut self, depth: usize) -> Result<(String, Option<Filter>), ScimError> {
        let Some(Token::Word(name)) = self.tokens.next() else { return Err(malformed()) };
        let mut attribute = normal(&name);
        if !attribute.starts_with(char::is_alphabetic) {
            return Err(malformed());
        }
        let mut filter = None;
        if self.tokens.next_if_eq(&Token::OpenValue).is_some() {
            filter = Some(self.either(depth + 1)?);
            if self.tokens.next() != Some(Token::CloseValue) {
                return Err(malformed());
            }
            let is_sub =
                |token: &Token| matches!(token, Token::Word(word) if word.starts_with('.'));
            if let Some(Token::Word(sub)) = self.tokens.next_if(is_sub) {
                attribute.push_str(&sub.to_lowercase());
            }
        }
        Ok((attribute, filter))
    }

    fn comparison(&mut self, attribute: String) -> Result<Filter, ScimError> {
        let Some(Token::Word(operator)) = self.tokens.next() else { return Err(malformed()) };
        let operator = match operator.to_lowercase().as_str() {
            "eq" => Operator::Equal,
            "ne" => Operator::NotEqual,
            "co" => Operator::Contains,
            "sw" => Operator::StartsWith,
            "ew" => Operator::EndsWith,
            "pr" => Operator::Present,
            other => {
                let detail = format!("The operator '{other}' is not taken here.");
                return Err(ScimError::invalid_filter(detail));
            }
        };
        let value = match operator {
            Operator::Present => Value::Null,
            _ => match self.tokens.next() {
                Some(Token::Text(text)) => Value::String(text),
                Some(Token::Word(word)) => {
                    serde_json::from_str(&word.to_lowercase()).map_err(|_| malformed())?
                }
                _ => return Err(malformed()),
            },
        };
        Ok(Filter::Compare(Comparison { attribute, operator, value }))
    }
}

/// Whether a filter only says which kind of value is meant.
pub(super) fn is_about_kind(filter: &Filter) -> bool {
    match filter {
        Filter::Compare(one) => matches!(one.attribute.as_str(), "type" | "primary"),
        Filter::Both(a, b) | Filter::Either(a, b) => is_about_kind(a) && is_about_kind(b),
        Filter::Not(_) => false,
    }
}

fn malformed() -> ScimError {
    ScimError::invalid_filter("The filter cannot be read; write it like userName eq \"ada\".")
}

fn tokens(text: &str) -> Result<Vec<Token>, ScimError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '[' => (Token::OpenValue, 1),
            ']' => (Token::CloseValue, 1),
            '"' => quoted(rest)?,
            _ => {
                let ends = |c: char| c.is_whitespace() || "()[]\"".contains(c);
                let length = rest.find(ends).unwrap_or(rest.len());
                (Token::Word(rest[..length].to_owned()), length)
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// A JSON string at the beginning of `text`, and how long it is there.
fn quoted(text: &str) -> Result<(Token, usize), ScimError> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => {
                let read: String = serde_json::from_str(&text[..=at]).map_err(|_| malformed())?;
                // PostgreSQL has no such character in a text.
                return match read.contains('\0') {
                    true => Err(malformed()),
                    false => Ok((Token::Text(read), at + 1)),
                };
            }
            _ => {}
        }
    }
    Err(malformed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn compare(attribute: &str, operator: Operator, value: Value) -> Filter {
        Filter::Compare(Comparison { attribute: attribute.to_owned(), operator, value })
    }

    #[test]
    fn and_binds_closer_than_or_and_case_does_not_matter() {
        let parsed =
            Filter::parse(r#"userName Eq "a\"b" OR (active eq True) and not (DisplayName sw "x")"#);
        let expected = Filter::Either(
            Box::new(compare("username", Operator::Equal, json!("a\"b"))),
            Box::new(Filter::Both(
                Box::new(compare("active", Operator::Equal, json!(true))),
                Box::new(Filter::Not(Box::new(compare(
                    "displayname",
                    Operator::StartsWith,
                    json!("x"),
                )))),
            )),
        );
        assert_eq!(parsed.unwrap(), expected);
    }

    #[test]
    fn schemas_and_kinds_of_values_are_left_out() {
        let user = "urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"ada\"";
        assert_eq!(
            Filter::parse(user).unwrap(),
            compare("username", Operator::Equal, json!("ada"))
        );
        let work = r#"emails[type eq "work"].value eq "a@b""#;
        assert_eq!(
            Filter::parse(work).unwrap(),
            compare("emails.value", Operator::Equal, json!("a@b"))
        );
        assert_eq!(
            Filter::parse("externalId pr").unwrap(),
            compare("externalid", Operator::Present, Value::Null)
        );
    }

    #[test]
    fn paths_are_read_as_directories_write_them() {
        let path = Path::parse(r#"members[value eq "42"]"#).unwrap();
        assert_eq!(path.attribute, "members");
        assert_eq!(path.filter, Some(compare("value", Operator::Equal, json!("42"))));
        let path = Path::parse(r#"emails[type eq "work" and primary eq true].value"#).unwrap();
        assert_eq!(path.attribute, "emails.value");
        assert!(is_about_kind(&path.filter.unwrap()));
        let path =
            Path::parse("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department");
        assert_eq!(path.unwrap(), Path::of("department"));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let deep = format!("{}a pr{}", "(".repeat(30), ")".repeat(30));
        for text in [
            "",
            "userName",
            "userName eq",
            "userName eq ada",
            "userName is \"ada\"",
            "userName eq \"ada",
            "userName eq \"a\\u0000\"",
            "userName eq \"a\" and",
            "userName eq \"a\" \"b\"",
            "(userName pr",
            "userName pr)",
            "not userName pr",
            "\"a\" eq \"a\"",
            "members[value eq \"1\"] eq \"1\"",
            &deep,
            &"a".repeat(5000),
        ] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
        for text in ["", "members[", "members[value eq \"1\"", "a b", "[value eq \"1\"]", "."] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in r#"[a-z \[\]()".\\é]{0,60}"#) {
            let _ = Filter::parse(&text);
            let _ = Path::parse(&text);
        }
    }
}
