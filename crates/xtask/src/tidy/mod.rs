//! The rules that a machine can check. Each check answers its violations, one line each.

mod directions;
mod migrations;
mod sources;

use anyhow::{Result, bail};

use crate::tree;

pub(crate) use migrations::freeze;

/// Runs every check; fails where a rule is broken.
#[expect(clippy::print_stdout, reason = "the report of a command-line tool")]
pub(crate) fn run() -> Result<()> {
    let root = tree::root()?;
    let files = tree::files(&root)?;
    let checks = [
        ("crate directions", directions::check(&root)?),
        ("migrations", migrations::check(&root)?),
        ("sources", sources::check(&root, &files)?),
    ];
    let mut broken = 0;
    for (name, violations) in &checks {
        println!("{name}: {}", if violations.is_empty() { "ok" } else { "BROKEN" });
        for violation in violations {
            println!("  {violation}");
        }
        broken += violations.len();
    }
    for (lines, file) in sources::long_files(&root, &files)? {
        println!("long file, think of splitting it: {} ({lines} lines)", file.display());
    }
    if broken > 0 {
        bail!("{broken} rules broken");
    }
    Ok(())
}
