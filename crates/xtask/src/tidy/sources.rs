//! Rules about the text of the sources.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::tree::has_extension;

/// Lines from which a source file is reported as long.
const LONG: usize = 400;

/// Text that is compared byte by byte or made by programs.
const GENERATED: &[&str] =
    &["Cargo.lock", "api/openapi.json", "web/package-lock.json", "web/src/api/schema.d.ts"];

/// How a source has the path of its package compiled in. Build products are shared by all checkouts,
/// so a test that was compiled in one may run when that one is gone.
const COMPILED_CHECKOUT: &str = concat!("env!(\"CARGO_MANIFEST", "_DIR\")");

/// Words that start a statement, as they are written in this repository: in capitals.
const STATEMENTS: &[&str] = &[
    "ALTER ",
    "CALL ",
    "CREATE ",
    "DELETE ",
    "DROP ",
    "GRANT ",
    "INSERT ",
    "LISTEN ",
    "NOTIFY ",
    "REVOKE ",
    "SELECT ",
    "SET ",
    "TRUNCATE ",
    "UPDATE ",
    "WITH ",
];

/// Sources of the program that may put a statement together at run time, each with its reason.
/// Tests, and the kit that they use, may try any statement.
const MAKES_SQL: &[(&str, &str)] =
    &[("crates/store/src/cluster/", "makes roles and databases, which take no parameters")];

/// Whether the file is a source of the program that must not put statements together.
fn static_sql_only(name: &str) -> bool {
    let of_the_program = name.starts_with("crates/")
        && name.contains("/src/")
        && name.ends_with(".rs")
        && !["crates/testkit/", "crates/xtask/"].iter().any(|tool| name.starts_with(tool));
    of_the_program && !MAKES_SQL.iter().any(|(allowed, _)| name.starts_with(allowed))
}

pub(super) fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for file in files {
        let name = file.to_string_lossy();
        if GENERATED.contains(&&*name) || name.starts_with(".sqlx/") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(root.join(file)) else { continue };
        let rules = check_text(&name, &text);
        violations.extend(rules.into_iter().map(|(line, rule)| format!("{name}:{line}: {rule}")));
    }
    Ok(violations)
}

/// The violations in one file, with their lines.
fn check_text(name: &str, text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(path) = machine_path(line) {
            found.push((number + 1, format!("names a path of one machine: {path}")));
        }
        if let Some(word) = unfinished(line) {
            found.push((number + 1, format!("{word}: do it, or open an issue")));
        }
        if line.contains(COMPILED_CHECKOUT) {
            let rule = "compiles in where this checkout lies, and what is compiled outlives it: \
                        tests run in the folder of their package";
            found.push((number + 1, rule.to_owned()));
        }
    }
    if static_sql_only(name) {
        found.extend(
            formatted_sql(text).map(|line| {
                (line, "SQL made by format!: use parameters or QueryBuilder".to_owned())
            }),
        );
        let asserted = text.lines().enumerate().filter(|(_, line)| line.contains("AssertSqlSafe"));
        found.extend(asserted.map(|(number, _)| {
            (number + 1, "AssertSqlSafe: use parameters or QueryBuilder".to_owned())
        }));
    }
    if name.ends_with(".rs") {
        found.extend(undocumented_queries(text).map(|(line, query)| {
            (line, format!("{query} is read, but not in params(...): the program would refuse it"))
        }));
    }
    found
}

/// A folder of somebody's machine, which no other has.
fn machine_path(line: &str) -> Option<&str> {
    for prefix in [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
        concat!("/wo", "rk/"),
    ] {
        for (at, _) in line.match_indices(prefix) {
            let before = line[..at].chars().next_back();
            let inside_a_longer_path =
                before.is_some_and(|c| c.is_alphanumeric() || "._-$}~/*)".contains(c));
            // As in an address with a parameter, which SCIM calls so.
            let is_template = line[at + prefix.len()..].starts_with('{');
            if !inside_a_longer_path && !is_template {
                return line[at..].split([' ', '"', '\'', '`', ')']).next();
            }
        }
    }
    None
}

/// A mark that something was left undone.
fn unfinished(line: &str) -> Option<&'static str> {
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("HA", "CK:")]
        .into_iter()
        .find(|word| {
            line.match_indices(word).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                let after = line[at + word.len()..].chars().next();
                let word_goes_on =
                    |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
                !word_goes_on(before) && !word_goes_on(after)
            })
        })
}

/// The lines of `format!` calls whose text begins like a statement.
fn formatted_sql(text: &str) -> impl Iterator<Item = usize> {
    text.match_indices("format!(").filter_map(|(at, call)| {
        let literal = text[at + call.len()..].trim_start();
        let inner = literal.trim_start_matches(['r', '#']).strip_prefix('"')?.trim_start();
        let begins = STATEMENTS.iter().any(|word| inner.starts_with(word));
        begins.then(|| text[..at].matches('\n').count() + 1)
    })
}

/// What handlers read of their query that the document of their operation does not name.
fn undocumented_queries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    const READ: &str = concat!(": Api", "Query<");
    text.match_indices(READ).filter_map(|(at, read)| {
        let query = text[at + read.len()..].split('>').next()?;
        let (_, operation) = text[..at].rsplit_once("#[utoipa::path(")?;
        let (document, _) = operation.split_once(")]")?;
        let (_, parameters) = document.split_once("params(").unwrap_or_default();
        let mut named = parameters.split(|c: char| !c.is_alphanumeric() && c != '_');
        let is_named = named.any(|name| name == query);
        (!is_named).then(|| (text[..at].matches('\n').count() + 1, query))
    })
}

/// Source files that grew long, longest first.
pub(super) fn long_files(root: &Path, files: &[PathBuf]) -> Result<Vec<(usize, PathBuf)>> {
    let mut long: Vec<(usize, PathBuf)> = files
        .iter()
        .filter(|file| has_extension(file, &["rs", "ts", "tsx", "sql", "py", "sh"]))
        .filter(|file| !GENERATED.contains(&&*file.to_string_lossy()))
        .filter_map(|file| {
            let lines = std::fs::read_to_string(root.join(file)).ok()?.lines().count();
            (lines > LONG).then(|| (lines, file.clone()))
        })
        .collect();
    long.sort_by(|a, b| b.cmp(a));
    Ok(long)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(name: &str, text: &str) -> Vec<usize> {
        check_text(name, text).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn statements_are_never_formatted() {
        let store = "crates/chat/src/store.rs";
        let bad = "let a = 1;\nlet q = format!(\n    \"SELECT {a}\"\n);";
        assert_eq!(rules(store, bad), [2]);
        assert_eq!(rules(store, "format!(r#\"DELETE FROM {table}\"#)"), [1]);
        assert_eq!(rules(store, "sqlx::AssertSqlSafe(text)"), [1]);
        assert!(rules(store, "format!(\"Select a model for {name}\")").is_empty());
        for exempt in ["crates/testkit/src/database.rs", "crates/chat/tests/it/main.rs"] {
            assert!(rules(exempt, bad).is_empty(), "{exempt}");
        }
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for bad in [
            concat!("see /ro", "ot/x"),
            concat!("open(\"/ho", "me/ann/x\")"),
            concat!("at /Us", "ers/ann"),
        ] {
            assert_eq!(rules("a.md", bad), [1], "{bad}");
        }
        for good in [
            concat!("$HOME/wo", "rk/x"),
            concat!("frame", "wo", "rk/x"),
            concat!("../wo", "rk/x"),
            concat!("path = \"/Us", "ers/{id}\""),
        ] {
            assert!(rules("a.md", good).is_empty(), "{good}");
        }
    }

    #[test]
    fn paths_of_this_checkout_are_not_compiled_in() {
        let path = "std::path::Path::new(env!(\"CARGO_MANIFEST";
        assert_eq!(rules("a.rs", &format!("{path}_DIR\"))")), [1]);
        assert!(rules("a.rs", "std::env::var(\"CARGO_MANIFEST_DIR\")").is_empty());
    }

    #[test]
    fn queries_that_no_document_names_are_found() {
        let handler = |parameters: &str| {
            let read = concat!("Api", "Query");
            format!(
                "#[utoipa::path(get, path = \"/things\"{parameters}\n)]\nasync fn list({read}(page): \
                 {read}<PageQuery>) {{}}"
            )
        };
        assert_eq!(rules("a.rs", &handler("")), [3]);
        assert_eq!(rules("a.rs", &handler(", params(MyPageQuery)")), [3]);
        assert!(rules("a.rs", &handler(", params((\"id\" = Uuid, Path), PageQuery)")).is_empty());
    }

    #[test]
    fn what_was_left_undone_is_found() {
        assert_eq!(rules("a.ts", concat!("// TO", "DO later")), [1]);
        assert!(rules("a.ts", concat!("const TO", "DOS = 1")).is_empty());
    }
}
