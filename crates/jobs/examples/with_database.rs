//! Runs a command with `DATABASE_URL` set to a fresh database that has every migration, and drops
//! the database afterwards: `with_database cargo check …`. Used by `cargo xtask sqlx`.

use std::process::{Command, ExitCode};

use lyceum_testkit::TestDb;
use sqlx::ConnectOptions;

#[tokio::main]
#[expect(clippy::print_stderr, reason = "a command-line tool")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((program, arguments)) = arguments.split_first() else {
        eprintln!("usage: with_database COMMAND [ARGUMENT]…");
        return ExitCode::FAILURE;
    };
    let database = TestDb::new().await;
    let status = Command::new(program)
        .args(arguments)
        .env("DATABASE_URL", database.owner.to_url_lossy().as_str())
        .status();
    drop(database);
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)),
        Err(error) => {
            eprintln!("{program}: {error}");
            ExitCode::FAILURE
        }
    }
}
