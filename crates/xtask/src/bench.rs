//! The benchmarks: programs and scripts of `benches/`, each of which measures both sides of a
//! ratio in one run. This only lists them, prints the machine and runs them.
//!
//! A benchmark is `benches/<name>/run` (executable); its first comment line says what it measures.
//! It prints lines `name<TAB>ours<TAB>theirs<TAB>unit<TAB>goal`, one per figure and repetition;
//! all other lines are passed through. `goal` is a ratio such as `>=0.9` or `<=1.2`, or an
//! absolute such as `<=150` where `theirs` is `-`.

mod machine;
mod table;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};

use crate::tree;

/// Lists or runs benchmarks; fails where a goal is missed.
#[expect(clippy::print_stdout, reason = "the report of a command-line tool")]
pub(crate) fn run(names: &[String], list: bool, arguments: &[String]) -> Result<()> {
    let root = tree::root()?;
    let all = find(&root.join("benches"))?;
    for name in names {
        ensure!(all.iter().any(|(known, _)| known == name), "there is no benchmark {name}");
    }
    let wanted = all.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
    if list {
        for (name, program) in wanted {
            println!("{name:24} {}", purpose(program)?);
        }
        return Ok(());
    }
    println!("{}", machine::describe());
    let mut missed = 0;
    for (name, program) in wanted {
        println!("\n## {name}: {}", purpose(program)?);
        let figures = measure(&root, program, arguments).with_context(|| name.clone())?;
        println!("load after: {}", machine::load());
        let (text, bad) = table::summary(&figures);
        println!("{text}");
        missed += bad;
    }
    if missed > 0 {
        bail!("{missed} goals missed");
    }
    Ok(())
}

fn find(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let program = entry.path().join("run");
        if program.is_file() {
            found.push((entry.file_name().to_string_lossy().into_owned(), program));
        }
    }
    found.sort();
    Ok(found)
}

/// The first comment line that is not the interpreter's.
fn purpose(program: &Path) -> Result<String> {
    let text = std::fs::read_to_string(program)?;
    let line = text.lines().find(|line| line.starts_with('#') && !line.starts_with("#!"));
    Ok(line.unwrap_or("#").trim_start_matches('#').trim().to_owned())
}

#[expect(clippy::print_stdout, reason = "what the benchmark prints beside its figures")]
fn measure(root: &Path, program: &Path, arguments: &[String]) -> Result<Vec<table::Figure>> {
    let mut child = tree::command(program)
        .args(arguments)
        .current_dir(root)
        .stdout(Stdio::piped())
        .spawn()
        .context("is the file executable?")?;
    let output = child.stdout.take().context("no output")?;
    let mut figures = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        match table::Figure::parse(&line) {
            Some(figure) => figures.push(figure),
            None => println!("{line}"),
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "ended with {status}");
    Ok(figures)
}
