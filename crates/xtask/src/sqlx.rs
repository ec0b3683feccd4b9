//! `.sqlx`: what PostgreSQL says about each checked query, so that building needs no database.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};

use crate::tree;

const MACROS: [&str; 6] = [
    "query!(",
    "query_as!(",
    "query_scalar!(",
    "query_file!(",
    "query_file_as!(",
    "query_unchecked!(",
];

/// Describes all queries anew; with `check`, only compares.
#[expect(clippy::print_stdout, reason = "the report of a command-line tool")]
pub(crate) fn run(check: bool) -> Result<()> {
    let root = tree::root()?;
    let crates = crates_with_queries(&root)?;
    ensure!(!crates.is_empty(), "no crate has checked queries");
    let fresh = root.join("target").join("sqlx-fresh");
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh)?;
    }
    std::fs::create_dir_all(&fresh)?;
    describe(&root, &crates, &fresh, check)?;

    let committed = root.join(".sqlx");
    let (old, new) = (descriptions(&committed)?, descriptions(&fresh)?);
    ensure!(!new.is_empty(), "the build described no query");
    let differences = differences(&old, &new);
    if check {
        for difference in &differences {
            println!("{difference}");
        }
        if !differences.is_empty() {
            bail!(".sqlx is stale; run `cargo xtask sqlx` and commit it");
        }
        return Ok(());
    }
    std::fs::create_dir_all(&committed)?;
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        std::fs::remove_file(committed.join(name))?;
    }
    for (name, text) in new.iter().filter(|(name, text)| old.get(*name) != Some(text)) {
        std::fs::write(committed.join(name), text)?;
    }
    println!("{} queries described, {} changed", new.len(), differences.len());
    Ok(())
}

/// Compiles the crates against a fresh database, which makes the macros write to `into`. The whole
/// workspace with all targets, as the tests and the linter do: a part of it would have its
/// dependencies compiled once more with other features. With `lint` the linter does it, the same way
/// as the tests' own run of it, which then finds nothing left to do.
fn describe(root: &Path, crates: &[QueryCrate], into: &Path, lint: bool) -> Result<()> {
    // The helper makes the database, runs the command with its DATABASE_URL, and drops it. It
    // knows no checked query, so it can be built while they are stale.
    tree::run(
        tree::cargo()
            .args(["build", "--release", "--quiet", "--workspace"])
            .args(["--example", "with_database"])
            .current_dir(root),
    )?;
    // Cargo does not know that the macros look at a database.
    let roots = || crates.iter().flat_map(|found| &found.roots);
    let times = roots().map(|root| root.metadata()?.modified()).collect::<Result<Vec<_>, _>>()?;
    let now = SystemTime::now();
    roots().try_for_each(|root| set_modified(root, now))?;
    let described = compile(root, into, lint);
    if lint {
        // New descriptions are to be compiled in; where they were only compared, the next build would
        // compile all for nothing.
        roots().zip(times).try_for_each(|(root, time)| set_modified(root, time))?;
    }
    described
}

fn set_modified(file: &Path, time: SystemTime) -> std::io::Result<()> {
    std::fs::File::options().append(true).open(file)?.set_modified(time)
}

fn compile(root: &Path, into: &Path, lint: bool) -> Result<()> {
    let tool = if lint { "clippy" } else { "check" };
    let mut command = tree::command(tree::built("examples/with_database")?);
    command
        .args(["cargo", tool, "--release", "--locked", "--workspace", "--all-targets"])
        .args(["--", "-D", "warnings"].iter().filter(|_| lint))
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", into)
        .current_dir(root);
    tree::run(&mut command)
}

struct QueryCrate {
    roots: Vec<PathBuf>,
}

fn crates_with_queries(root: &Path) -> Result<Vec<QueryCrate>> {
    let mut crates: BTreeMap<String, QueryCrate> = BTreeMap::new();
    for file in tree::files(root)? {
        let parts: Vec<&str> = file.iter().filter_map(OsStr::to_str).collect();
        let ["crates", name, ..] = parts[..] else { continue };
        if !tree::has_extension(&file, &["rs"]) || name == "xtask" {
            continue;
        }
        let text = std::fs::read_to_string(root.join(&file))?;
        if !MACROS.iter().any(|name| text.contains(name)) {
            continue;
        }
        crates.entry(name.to_owned()).or_insert_with(|| QueryCrate {
            roots: ["src/lib.rs", "src/main.rs", "tests/it/main.rs"]
                .iter()
                .map(|entry| root.join("crates").join(name).join(entry))
                .filter(|entry| entry.exists())
                .collect(),
        });
    }
    Ok(crates.into_values().collect())
}

/// The described queries in a folder, by file name.
fn descriptions(folder: &Path) -> Result<BTreeMap<String, String>> {
    if !folder.exists() {
        return Ok(BTreeMap::new());
    }
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if name.starts_with("query-") {
            let text = std::fs::read_to_string(&path).with_context(|| name.to_owned())?;
            found.insert(name.to_owned(), text);
        }
    }
    Ok(found)
}

fn differences(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let missing = new.keys().filter(|n| !old.contains_key(*n)).map(|n| format!("missing: {n}"));
    let unused = old.keys().filter(|n| !new.contains_key(*n)).map(|n| format!("unused: {n}"));
    let changed = new
        .iter()
        .filter(|(name, text)| old.get(*name).is_some_and(|before| before != *text))
        .map(|(name, _)| format!("changed: {name}"));
    missing.chain(unused).chain(changed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_difference_is_told() {
        let map = |entries: &[(&str, &str)]| {
            entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let old = map(&[("query-a", "1"), ("query-b", "1"), ("query-c", "1")]);
        let new = map(&[("query-b", "1"), ("query-c", "2"), ("query-d", "1")]);
        assert_eq!(
            differences(&old, &new),
            ["missing: query-d", "unused: query-a", "changed: query-c"]
        );
        assert!(differences(&old, &old).is_empty());
    }
}
