//! `api/openapi.json`: the contract, as the program itself tells it.

use anyhow::{Context, Result, bail, ensure};

use std::process::Command;

use crate::tree;

const FILE: &str = "api/openapi.json";

/// Writes the contract; with `check`, only compares.
pub(crate) fn run(check: bool) -> Result<()> {
    let root = tree::root()?;
    tree::run(
        tree::cargo()
            .args(["build", "--release", "--quiet", "--workspace", "--all-targets"])
            .current_dir(&root),
    )?;
    let output = Command::new(tree::built("lyceum")?)
        .arg("openapi")
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("running the program")?;
    ensure!(output.status.success(), "`lyceum openapi` ended with {}", output.status);
    let mut text = String::from_utf8(output.stdout)?;
    ensure!(text.trim_start().starts_with('{'), "`lyceum openapi` did not print a document");
    text.truncate(text.trim_end().len());
    text.push('\n');

    let file = root.join(FILE);
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    if committed == text {
        return Ok(());
    }
    if check {
        let line = committed.lines().zip(text.lines()).take_while(|(old, new)| old == new).count();
        bail!("{FILE} is stale from line {}; run `cargo xtask openapi` and commit it", line + 1);
    }
    std::fs::create_dir_all(root.join("api"))?;
    std::fs::write(&file, text)?;
    Ok(())
}
