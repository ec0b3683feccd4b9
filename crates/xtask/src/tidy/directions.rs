//! Which crate may use which, as ARCHITECTURE.md says.

use std::path::Path;

use anyhow::Result;
use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// Each crate and those that it may use. The upper domains never appear in each other's line: a
/// need across is a trait in the crate that has it, wired in the server.
const DIRECTIONS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("store", &["core"]),
    ("jobs", &["core", "store"]),
    ("http", &["core", "store"]),
    ("llm", &["core"]),
    ("engine", &["core", "llm"]),
    ("identity", &["core", "store", "jobs", "http"]),
    ("gateway", &["core", "store", "jobs", "http", "llm", "identity"]),
    ("chat", &["core", "store", "jobs", "http", "llm", "identity", "gateway"]),
    ("knowledge", &["core", "store", "jobs", "http", "llm", "identity", "gateway"]),
    ("ops", &["core", "store", "jobs", "http", "identity"]),
    (
        "server",
        &[
            "core",
            "store",
            "jobs",
            "http",
            "llm",
            "engine",
            "identity",
            "gateway",
            "chat",
            "knowledge",
            "ops",
        ],
    ),
    ("testkit", &["core", "store", "jobs", "http"]),
    ("xtask", &[]),
];

/// Crates that must not draw in these third-party crates: what each layer is free of.
const FREE_OF: &[(&str, &[&str])] = &[
    ("core", &["axum", "reqwest", "sqlx", "tokio"]),
    ("llm", &["axum", "sqlx"]),
    ("jobs", &["axum"]),
    ("store", &["axum"]),
    ("xtask", &["sqlx", "tokio"]),
];

pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let metadata =
        MetadataCommand::new().manifest_path(root.join("Cargo.toml")).no_deps().exec()?;
    let mut violations = Vec::new();
    for package in metadata.workspace_packages() {
        violations.extend(check_package(package));
    }
    Ok(violations)
}

fn check_package(package: &Package) -> Vec<String> {
    let name = short(&package.name);
    let Some((_, allowed)) = DIRECTIONS.iter().find(|(known, _)| *known == name) else {
        return vec![format!("{name}: not in the table of crates/xtask/src/tidy/directions.rs")];
    };
    let mut violations = Vec::new();
    for dependency in &package.dependencies {
        let development = dependency.kind == DependencyKind::Development;
        let Some(used) = dependency.name.strip_prefix("lyceum-") else {
            let forbidden = FREE_OF.iter().find(|(known, _)| *known == name);
            if !development && forbidden.is_some_and(|(_, f)| f.contains(&&*dependency.name)) {
                violations.push(format!("{name} is to be free of {}", dependency.name));
            }
            continue;
        };
        match (used, development) {
            ("testkit", true) => {}
            ("testkit", false) => {
                violations.push(format!("{name} uses testkit outside of its tests"));
            }
            _ if allowed.contains(&used) => {}
            _ => violations.push(format!("{name} must not use {used}")),
        }
    }
    violations
}

fn short(name: &str) -> &str {
    name.strip_prefix("lyceum-").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[(&str, &str)]) -> Package {
        let manifest = tempfile::tempdir().unwrap();
        let lines: String = [("dependencies", "normal"), ("dev-dependencies", "dev")]
            .iter()
            .map(|(section, kind)| {
                let entries: String = dependencies
                    .iter()
                    .filter(|(_, k)| k == kind)
                    .map(|(dependency, _)| format!("{dependency} = \"*\"\n"))
                    .collect();
                format!("[{section}]\n{entries}")
            })
            .collect();
        let text = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n{lines}");
        std::fs::create_dir(manifest.path().join("src")).unwrap();
        std::fs::write(manifest.path().join("src/lib.rs"), "").unwrap();
        std::fs::write(manifest.path().join("Cargo.toml"), text).unwrap();
        let metadata = MetadataCommand::new()
            .manifest_path(manifest.path().join("Cargo.toml"))
            .no_deps()
            .exec()
            .unwrap();
        metadata.packages[0].clone()
    }

    #[test]
    fn wrong_directions_are_named() {
        let broken =
            |name: &str, dependencies: &[(&str, &str)]| check_package(&package(name, dependencies));
        assert!(broken("lyceum-chat", &[("lyceum-gateway", "normal")]).is_empty());
        assert!(broken("lyceum-chat", &[("lyceum-testkit", "dev")]).is_empty());
        for (name, dependency, kind) in [
            ("lyceum-chat", "lyceum-knowledge", "normal"),
            ("lyceum-knowledge", "lyceum-chat", "dev"),
            ("lyceum-core", "lyceum-store", "normal"),
            ("lyceum-chat", "lyceum-testkit", "normal"),
            ("lyceum-llm", "sqlx", "normal"),
        ] {
            assert_eq!(broken(name, &[(dependency, kind)]).len(), 1, "{name} → {dependency}");
        }
        assert_eq!(broken("lyceum-unheard-of", &[]).len(), 1);
    }

    #[test]
    fn the_table_allows_no_cycle_and_no_upper_domain_in_another() {
        for (position, (name, allowed)) in DIRECTIONS.iter().enumerate() {
            for used in *allowed {
                let before = DIRECTIONS[..position].iter().any(|(earlier, _)| earlier == used);
                assert!(before, "{name} → {used}");
            }
        }
        for upper in ["chat", "knowledge", "ops"] {
            let users: Vec<_> = DIRECTIONS.iter().filter(|(_, a)| a.contains(&upper)).collect();
            assert_eq!(users.len(), 1, "only the server uses {upper}");
        }
    }
}
