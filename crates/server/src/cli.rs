//! The command line.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use figment::Figment;
use lyceum_knowledge::parse::child_main;

use crate::config::{Config, stated};
use crate::{access, audit, ledger, models, secrets, serve};

/// A self-hosted AI platform for a team.
#[derive(Debug, Parser)]
#[command(name = "lyceum", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the platform: API, web app, jobs, local models.
    Serve(Settings),
    /// Print the settings in force and where each comes from.
    Config(Settings),
    /// Bring the schema of the server at DATABASE_URL up to date.
    Migrate(Settings),
    /// Print the API's OpenAPI document.
    Openapi,
    /// The audit log.
    #[command(subcommand)]
    Audit(audit::Command),
    /// The ledger of every call.
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// The keys that secrets are sealed with.
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// Who may do what, and why.
    #[command(subcommand)]
    Access(access::Command),
    /// The local models.
    #[command(subcommand)]
    Models(models::Command),
    /// The process of the local models; the platform starts it.
    #[command(hide = true)]
    Engine,
    /// The process that reads one document; the platform starts it.
    #[command(hide = true)]
    Parse {
        /// Limits and kind, as the platform passes them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// Flags that go over the configuration file and the environment.
#[derive(Debug, Default, Args)]
pub struct Settings {
    /// A TOML file of settings.
    #[arg(long, env = "LYCEUM_CONFIG")]
    config: Option<PathBuf>,
    /// The program's folder: database, files, keys.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Address and port to listen on, such as 127.0.0.1:8080.
    #[arg(long)]
    listen: Option<SocketAddr>,
}

impl Settings {
    fn figment(&self) -> Figment {
        let mut figment = Config::figment(self.config.as_deref());
        if let Some(folder) = &self.data_dir {
            figment = figment.merge(stated("`--data-dir`", "storage.data_dir", folder));
        }
        if let Some(listen) = &self.listen {
            figment = figment.merge(stated("`--listen`", "server.listen", listen));
        }
        figment
    }

    /// The configuration in force.
    pub fn load(&self) -> anyhow::Result<Config> {
        Config::extract(&self.figment())
    }
}

impl Cli {
    /// Does what was asked.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Parse { arguments } => return Ok(child_main(&arguments)),
            Command::Serve(settings) => runtime()?.block_on(serve::serve(settings.load()?)),
            Command::Migrate(settings) => runtime()?.block_on(serve::migrate(settings.load()?)),
            Command::Config(settings) => print_config(&settings),
            Command::Openapi => runtime()?.block_on(async { print(&serve::openapi().await?) }),
            Command::Audit(command) => return runtime()?.block_on(audit::run(command)),
            Command::Ledger(command) => return runtime()?.block_on(ledger::run(command)),
            Command::Secrets(command) => runtime()?.block_on(secrets::run(command)),
            Command::Access(command) => runtime()?.block_on(access::run(command)),
            Command::Models(command) => models::run(command),
            Command::Engine => lyceum_engine::child::main().map_err(Into::into),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Every setting as TOML, each line with its source behind it. Passwords in addresses are hidden.
fn print_config(settings: &Settings) -> anyhow::Result<()> {
    let figment = settings.figment();
    let config = Config::extract(&figment)?;
    let mut lines = String::new();
    for (section, values) in toml::Table::try_from(&config)? {
        lines.push_str(&format!("[{section}]\n"));
        for (name, value) in values.as_table().into_iter().flatten() {
            let source = figment.find_metadata(&format!("{section}.{name}"));
            let source = source.map_or("default".into(), |metadata| metadata.name.clone());
            let value = match (section.as_str(), name.as_str()) {
                ("database" | "redis", "url")
                | ("mail", "password")
                | ("metrics", "token")
                | ("outgoing", "proxy")
                | ("telemetry", "otlp_headers") => "\"***\"".to_owned(),
                _ => value.to_string(),
            };
            lines.push_str(&format!("{name} = {value}  # {source}\n"));
        }
        lines.push('\n');
    }
    print(lines.trim_end())
}

/// Writes to standard output, which is the answer of a command. A reader that has gone is no error.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Tells on standard error how far a command is, in a line of its own.
pub fn progress(text: &str) {
    // Nobody has to listen.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Says on standard error why the program ends.
#[expect(clippy::print_stderr, reason = "the log may not be there yet")]
pub fn explain(error: &anyhow::Error) {
    eprintln!("lyceum: {error:#}");
}
