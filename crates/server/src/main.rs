//! `lyceum`: the one program. `serve` is the platform; the hidden commands are its own child
//! processes.

mod access;
mod assets;
mod cli;
mod config;
mod database;
mod models;
mod openapi;
mod retriever;
mod router;
mod serve;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            cli::explain(&error);
            ExitCode::FAILURE
        }
    }
}
