//! `lyceum`: the one program. `serve` is the platform; the hidden commands are its own child
//! processes.

mod access;
mod assets;
mod audit;
mod cli;
mod config;
mod database;
mod ledger;
mod listen;
mod models;
mod openapi;
mod presence;
mod query;
mod retriever;
mod rights;
mod router;
mod secrets;
mod serve;
mod telemetry;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;

// A call through `/v1` makes some hundred small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            cli::explain(&error);
            ExitCode::FAILURE
        }
    }
}
