//! The repository's own tools: `cargo xtask <command>`.

mod bench;
mod openapi;
mod sqlx;
mod tidy;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The repository's own tools")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks the rules of ARCHITECTURE.md that a machine can check.
    Tidy,
    /// Adds the migrations that a release applies to the list of those that never change again.
    Freeze,
    /// Describes every checked query anew in `.sqlx`, against a fresh database.
    Sqlx {
        /// Only tell whether `.sqlx` is up to date.
        #[arg(long)]
        check: bool,
    },
    /// Writes the contract of the HTTP API to `api/openapi.json`.
    Openapi {
        /// Only tell whether the file is up to date.
        #[arg(long)]
        check: bool,
    },
    /// Runs the benchmarks of `benches/`, all of them where none is named.
    Bench {
        /// The benchmarks to run; see `--list`.
        names: Vec<String>,
        /// Only list them.
        #[arg(long)]
        list: bool,
        /// What to pass on to each.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

#[expect(clippy::print_stderr, reason = "the errors of a command-line tool")]
fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Tidy => tidy::run(),
        Command::Freeze => tidy::freeze(),
        Command::Sqlx { check } => sqlx::run(check),
        Command::Openapi { check } => openapi::run(check),
        Command::Bench { names, list, arguments } => bench::run(&names, list, &arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
