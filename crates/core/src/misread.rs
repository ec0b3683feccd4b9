//! What serde refuses, in words for whoever sent it: its own name this program's types.

use std::borrow::Cow;
use std::fmt;

/// The most characters of a name or of foreign words that are repeated.
const MAX_REPEATED: usize = 300;

/// How serde begins what it has to say.
const BEGINNINGS: [&str; 8] = [
    "unknown field ",
    "missing field ",
    "duplicate field ",
    "unknown variant ",
    "invalid type: ",
    "invalid value: ",
    "invalid length ",
    "data did not match ",
];

/// A part of a request that could not be read: which, and what is wrong. Shown as `member: what`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// Where it stands, such as `targets[0].weight`; empty where it is the whole, or nobody knows.
    pub member: String,
    /// What is wrong with it and what is allowed, such as `must be a list, not a string`.
    pub what: String,
}

impl Misread {
    /// What a reader of JSON or of a query string says, with or without a path before it and the line
    /// behind it.
    pub fn of(error: &(impl fmt::Display + ?Sized)) -> Self {
        let text = error.to_string();
        let (path, words) = split(without_line(&text));
        if let Some((name, known)) = named(words, "unknown field ") {
            // The path of some readers has the name already.
            let rest = path.strip_suffix(name);
            let has_it = rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            let member = if has_it { path.to_owned() } else { join(path, name) };
            let what = match known.strip_prefix(", expected ") {
                Some(known) => format!("is not known here; known are: {}", list(known)),
                None => "is not known here; nothing is".to_owned(),
            };
            return Self { member: cut(&member), what };
        }
        for (beginning, what) in
            [("missing field ", "is required"), ("duplicate field ", "is given twice")]
        {
            if let Some((name, _)) = named(words, beginning) {
                return Self { member: cut(&join(path, name)), what: what.to_owned() };
            }
        }
        Self { member: cut(path), what: cut(&value(words)) }
    }

    /// The sentence; `whole` is the subject where no member is.
    pub fn sentence(&self, whole: &str) -> String {
        match self.member.is_empty() {
            true => format!("{whole} {}.", self.what),
            false => format!("{self}."),
        }
    }
}

impl fmt::Display for Misread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.member.is_empty() {
            true => formatter.write_str(&self.what),
            false => write!(formatter, "{}: {}", self.member, self.what),
        }
    }
}

/// Without serde_json's ` at line 1 column 20`: requests are rarely written by hand, and mostly in one
/// line.
fn without_line(text: &str) -> &str {
    let number = |digits: &str| digits.parse::<u64>().is_ok();
    match text.rsplit_once(" at line ") {
        Some((words, place))
            if place.split_once(" column ").is_some_and(|(l, c)| number(l) && number(c)) =>
        {
            words
        }
        _ => text,
    }
}

/// The path before the words. Keys of maps may have spaces, of which words of our own have more.
fn split(text: &str) -> (&str, &str) {
    if BEGINNINGS.iter().any(|beginning| text.starts_with(beginning)) {
        return ("", text);
    }
    let known = BEGINNINGS.iter().filter_map(|words| text.find(&format!(": {words}"))).min();
    let word = || text.find(": ").filter(|end| !text[..*end].contains(char::is_whitespace));
    match known.or_else(word) {
        Some(end) => (&text[..end], &text[end + 2..]),
        None => ("", text),
    }
}

/// The name in backticks behind `beginning`, and what follows it.
fn named<'a>(words: &'a str, beginning: &str) -> Option<(&'a str, &'a str)> {
    let rest = words.strip_prefix(beginning)?.strip_prefix('`')?;
    // Names of ours have no backtick, made-up ones may.
    let end = ["`, expected ", "`, there are no "]
        .iter()
        .find_map(|behind| rest.rfind(*behind))
        .or_else(|| rest.rfind('`'))?;
    Some((&rest[..end], &rest[end + 1..]))
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

/// Of "one of `a`, `b`" or "`a` or `b`" what stands between the backticks.
fn list(names: &str) -> String {
    names.split('`').skip(1).step_by(2).collect::<Vec<_>>().join(", ")
}

/// What is wrong with a value.
fn value(words: &str) -> String {
    if let Some((name, known)) = named(words, "unknown variant ") {
        return format!("must be one of: {}; '{name}' is not", list(known));
    }
    if let Some((found, wanted)) = between(words, "invalid type: ") {
        return format!("must be {}{}", kind(wanted), but(found));
    }
    if let Some((found, wanted)) = between(words, "invalid value: ") {
        // A string that is none of those that are allowed is a string all the same.
        let found = if found.starts_with("string ") { "" } else { found };
        return format!("must be {}{}", kind(wanted), but(found));
    }
    if let Some((count, wanted)) = between(words, "invalid length ") {
        return match &*kind(wanted) {
            "an object" => "must be an object, not a list".to_owned(),
            kind => format!("must be {kind}, and has {count}"),
        };
    }
    foreign(words).into_owned()
}

/// What was found and what was wanted.
fn between<'a>(words: &'a str, beginning: &str) -> Option<(&'a str, &'a str)> {
    words.strip_prefix(beginning)?.rsplit_once(", expected ")
}

/// What is wanted, by the name that a type gives itself.
fn kind(wanted: &str) -> Cow<'_, str> {
    let known = match wanted {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i8" => "a whole number from -128 to 127",
        "i16" => "a whole number from -32768 to 32767",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "i64" | "isize" => "a whole number",
        "f32" | "f64" | "a Decimal type representing a fixed-point number" => "a number",
        "a boolean" => "true or false",
        "a string" | "a borrowed string" | "string" => "a string",
        "a sequence" => "a list",
        "a map" => "an object",
        "string or map" => "a string or an object",
        "unit" => "null",
        "a formatted UUID string" => ID,
        "a formatted date string" | "an RFC 3339 formatted date and time string" => TIME,
        _ => return kind_of(wanted),
    };
    known.into()
}

/// The same of names that have the type's own in them.
fn kind_of(wanted: &str) -> Cow<'_, str> {
    let starts = |words: &[&str]| words.iter().any(|word| wanted.starts_with(word));
    let length = ["a tuple of size ", "an array of length "]
        .iter()
        .find_map(|beginning| wanted.strip_prefix(beginning));
    if let Some(length) = length {
        format!("a list of {length}").into()
    } else if starts(&["struct ", "internally tagged ", "adjacently tagged "]) {
        "an object".into()
    } else if starts(&["tuple "]) {
        "a list".into()
    } else if starts(&["a nonzero "]) {
        "a whole number, and not 0".into()
    } else {
        wanted.into()
    }
}

const ID: &str = "an id such as 01890a5d-ac96-774b-bcce-b302099a8057";
const TIME: &str = "a date such as 2026-01-31 or a time such as 2026-01-31T12:00:00Z";

/// What is there instead.
fn but(found: &str) -> String {
    let quoted = || found.split('`').nth(1);
    let found = match found.split(' ').next().unwrap_or_default() {
        "null" | "unit" => "null",
        "string" => "a string",
        "sequence" => "a list",
        "map" => "an object",
        // `true`, or a number.
        "boolean" | "integer" | "floating" => quoted().unwrap_or_default(),
        _ => "",
    };
    match found {
        "" => String::new(),
        found => format!(", not {found}"),
    }
}

/// Words of other readers than serde's; what is our own is left as it is.
fn foreign(words: &str) -> Cow<'_, str> {
    match words {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "must be a whole number".into()
        }
        "number too large to fit in target type" => "is too large a number".into(),
        "number too small to fit in target type" => "is too small a number".into(),
        "provided string was not `true` or `false`" => "must be true or false".into(),
        "invalid float literal" | "cannot parse float from empty string" => {
            "must be a number".into()
        }
        "premature end of input"
        | "trailing input"
        | "input contains invalid characters"
        | "input is out of range"
        | "input is not enough for unique date and time"
        | "no possible date and time matching input" => format!("must be {TIME}").into(),
        _ if words.starts_with("UUID parsing failed") => format!("must be {ID}").into(),
        _ if words.starts_with("data did not match ") => {
            "has none of the forms that are allowed".into()
        }
        _ => words.into(),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_REPEATED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serde_refuses_is_told_by_member_and_what_is_allowed() {
        for (error, words) in [
            (
                "surplus: unknown field `surplus`, expected one of `a`, `b`, `c` at line 1 column 9",
                "surplus: is not known here; known are: a, b, c",
            ),
            // A reader that has lost the path.
            (
                "inner: unknown field `x`, expected `a` or `b`",
                "inner.x: is not known here; known are: a, b",
            ),
            ("unknown field `x`, expected `a`", "x: is not known here; known are: a"),
            ("x: unknown field `x`, there are no fields", "x: is not known here; nothing is"),
            // What somebody made up does not lead astray.
            (
                "a`, expected `b: unknown field `a`, expected `b`, expected `name`",
                "a`, expected `b: is not known here; known are: name",
            ),
            ("targets[2]: missing field `name` at line 3 column 4", "targets[2].name: is required"),
            ("missing field `name`", "name: is required"),
            ("name: missing field `name`", "name.name: is required"),
            ("duplicate field `name`", "name: is given twice"),
            (
                "level: unknown variant `own`, expected one of `view`, `use`, `edit`",
                "level: must be one of: view, use, edit; 'own' is not",
            ),
            (
                "level: unknown variant `x`, expected `a` or `b`",
                "level: must be one of: a, b; 'x' is not",
            ),
            (
                "a.b: invalid type: string \"many, expected u8\", expected u32 at line 1 column 2",
                "a.b: must be a whole number from 0 to 4294967295, not a string",
            ),
            ("a: invalid type: null, expected a boolean", "a: must be true or false, not null"),
            ("a: invalid type: boolean `true`, expected a string", "a: must be a string, not true"),
            (
                "a: invalid type: floating point `1.5`, expected i64",
                "a: must be a whole number, not 1.5",
            ),
            (
                "my key.a: invalid type: map, expected a sequence",
                "my key.a: must be a list, not an object",
            ),
            ("invalid type: sequence, expected struct NewModel", "must be an object, not a list"),
            (
                "a: invalid value: integer `300`, expected u8",
                "a: must be a whole number from 0 to 255, not 300",
            ),
            ("a: invalid value: string \"x\", expected a color", "a: must be a color"),
            (
                "a: invalid length 3, expected a tuple of size 2",
                "a: must be a list of 2, and has 3",
            ),
            (
                "invalid length 0, expected struct Body with 2 elements",
                "must be an object, not a list",
            ),
            (
                "a: data did not match any variant of untagged enum Input",
                "a: has none of the forms that are allowed",
            ),
            (
                "id: UUID parsing failed: invalid length: expected length 32, found 1",
                "id: must be an id such as 01890a5d-ac96-774b-bcce-b302099a8057",
            ),
            (
                "from: premature end of input",
                "from: must be a date such as 2026-01-31 or a time such as 2026-01-31T12:00:00Z",
            ),
            ("limit: invalid digit found in string", "limit: must be a whole number"),
            // Words of our own.
            (
                "max_cost: 'ten' is not an amount at line 1 column 9",
                "max_cost: 'ten' is not an amount",
            ),
            ("'ten' is not an amount: try 10", "'ten' is not an amount: try 10"),
        ] {
            assert_eq!(Misread::of(error).to_string(), words, "{error}");
        }
    }

    #[test]
    fn the_whole_has_a_name_where_no_member_is_at_fault() {
        let whole = Misread::of("invalid type: integer `1`, expected struct Body");
        assert_eq!(whole.sentence("The body"), "The body must be an object, not 1.");
        let member = Misread::of("missing field `name`");
        assert_eq!(member.sentence("The body"), "name: is required.");
        assert_eq!(member.member, "name");
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let name = "汉".repeat(10_000);
        let misread = Misread::of(&format!("{name}: unknown field `{name}`, expected `a`"));
        assert!(misread.to_string().chars().count() < 400);
    }
}
