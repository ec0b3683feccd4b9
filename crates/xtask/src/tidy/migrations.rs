//! One forward-only history: names in order, and what a release applied never changes again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::tree;

const FOLDER: &str = "crates/store/migrations";
const FROZEN: &str = "frozen.txt";
const HEADER: &str = "# Migrations that a release has applied. They never change again: write a new \
                      one instead.\n# Kept by `cargo xtask freeze`.\n";

pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let folder = root.join(FOLDER);
    let present = present(&folder)?;
    let mut violations = Vec::new();
    let mut numbers = BTreeMap::new();
    for name in present.keys() {
        let number = name.split('_').next().unwrap_or_default();
        if number.len() != 4 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            violations.push(format!("{name}: wants a name such as 0042_what_it_does.sql"));
        } else if let Some(other) = numbers.insert(number.to_owned(), name) {
            violations.push(format!("{name} and {other} have the same number"));
        }
    }
    for (name, hash) in frozen(&folder)? {
        match present.get(&name) {
            None => violations.push(format!("{name} is frozen and is missing")),
            Some(now) if *now != hash => violations.push(format!("{name} is frozen and changed")),
            Some(_) => {}
        }
    }
    Ok(violations)
}

/// Adds the migrations that are not yet in the list.
pub(crate) fn freeze() -> Result<()> {
    let folder = tree::root()?.join(FOLDER);
    let mut all = frozen(&folder)?;
    for (name, hash) in present(&folder)? {
        all.entry(name).or_insert(hash);
    }
    let lines: String = all.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect();
    std::fs::write(folder.join(FROZEN), format!("{HEADER}{lines}"))?;
    Ok(())
}

/// The migrations in the folder with their hashes.
fn present(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path: PathBuf = entry?.path();
        if tree::has_extension(&path, &["sql"]) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.insert(name, hex::encode(Sha256::digest(std::fs::read(&path)?)));
        }
    }
    Ok(found)
}

fn frozen(folder: &Path) -> Result<BTreeMap<String, String>> {
    let Ok(text) = std::fs::read_to_string(folder.join(FROZEN)) else {
        return Ok(BTreeMap::new());
    };
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let (hash, name) = line.split_once("  ").context("frozen.txt: not `hash  name`")?;
            Ok((name.to_owned(), hash.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_migration_must_stay_as_it_was() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(FOLDER);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("0001_first.sql"), "SELECT 1;").unwrap();
        assert!(check(root.path()).unwrap().is_empty());

        let hash = hex::encode(Sha256::digest("SELECT 1;"));
        std::fs::write(folder.join(FROZEN), format!("{HEADER}{hash}  0001_first.sql\n")).unwrap();
        assert!(check(root.path()).unwrap().is_empty());

        std::fs::write(folder.join("0001_first.sql"), "SELECT 2;").unwrap();
        assert_eq!(check(root.path()).unwrap(), ["0001_first.sql is frozen and changed"]);
        std::fs::remove_file(folder.join("0001_first.sql")).unwrap();
        assert_eq!(check(root.path()).unwrap(), ["0001_first.sql is frozen and is missing"]);
    }

    #[test]
    fn names_are_numbered_and_no_number_comes_twice() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(FOLDER);
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["0001_a.sql", "0001_b.sql", "later.sql"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(check(root.path()).unwrap().len(), 2);
    }
}
