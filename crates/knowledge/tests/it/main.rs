//! Knowledge bases against a real PostgreSQL, with real files in real child processes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod files;
mod grants;
mod ingest;
mod parse;
mod retrieval;
mod upload;
mod world;

/// Not a test: the child process that reads documents, which the tests start from this binary.
#[test]
#[ignore = "is the child process of other tests"]
fn parse_child() {
    let arguments: Vec<String> = std::env::args().collect();
    let ours = arguments[arguments.len() - 3..].to_vec();
    let failed = lyceum_knowledge::parse::child_main(&ours) != std::process::ExitCode::SUCCESS;
    std::process::exit(i32::from(failed));
}
