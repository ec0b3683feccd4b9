//! `lyceum secrets`: the master keys, and sealing everything anew.

use std::env::var_os;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use lyceum_core::{Clock, Secret};
use lyceum_store::MasterKeys;
use lyceum_store::crypto::{Progress, Rotated, rotate};

use crate::cli::{Settings, print, progress};
use crate::config::Config;
use crate::database::Database;

/// The variable that holds the keys themselves. It is no setting, so that `lyceum config` never
/// prints it.
const VARIABLE: &str = "LYCEUM_SECRET_KEY";

/// What to do with the keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a new master key, as a line to be put behind those that are in use.
    Generate,
    /// Seal all secrets with a new data key, and wrap the data keys by the current master key, while
    /// the platform serves. One that was cut off goes on where it was.
    Rotate(Settings),
}

/// Runs the command.
pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Generate => print(MasterKeys::generate()?.to_text().expose().trim_end()),
        Command::Rotate(settings) => {
            let config = settings.load()?;
            let database = Database::open_beside(&config).await?;
            let masters = master_keys(&config).await?;
            let rotated = rotate(&database.db, &masters, &Clock::system(), tell).await;
            database.close().await;
            print(&words(&rotated?, masters.current()))
        }
    }
}

/// The master keys from where the configuration says.
pub async fn master_keys(config: &Config) -> anyhow::Result<MasterKeys> {
    let secrets = &config.secrets;
    let variable = var_os(VARIABLE).filter(|value| !value.is_empty());
    let given = [variable.is_some(), !secrets.key_command.is_empty(), secrets.key_file.is_some()];
    ensure!(
        given.into_iter().filter(|given| *given).count() <= 1,
        "set only one of {VARIABLE}, secrets.key_command and secrets.key_file"
    );
    if let Some(variable) = variable {
        let text = variable.into_string().ok().with_context(|| format!("{VARIABLE} is no text"))?;
        return Ok(MasterKeys::from_text(VARIABLE, &Secret::new(text))?);
    }
    if !secrets.key_command.is_empty() {
        return Ok(MasterKeys::from_command(&secrets.key_command).await?);
    }
    Ok(match &secrets.key_file {
        Some(file) => MasterKeys::load(file)?,
        None => MasterKeys::load_or_create(&config.storage.data_dir.join("secret.key"))?,
    })
}

fn tell(event: Progress) {
    progress(&match event {
        Progress::Resumed => "going on with a rotation that was cut off".to_owned(),
        Progress::Waiting(left) => {
            let seconds = (left + Duration::from_millis(999)).as_secs();
            format!("waiting {seconds} s until every node knows the new data key")
        }
        Progress::Column { column, done } => {
            format!("{}.{}: {done} sealed anew", column.table, column.sealed)
        }
    });
}

fn words(rotated: &Rotated, current: &str) -> String {
    let Rotated { data_key, secrets, wrapped, removable } = rotated;
    let mut text = format!(
        "{secrets} secrets sealed anew with the data key {data_key}, {wrapped} data keys wrapped \
         anew by the master key {current}."
    );
    match removable.is_empty() {
        true => text.push_str(" No other master key is given."),
        false => text.push_str(&format!(
            " Nothing needs these master keys any more; once every node has {current}, they can be \
             removed: {}.",
            removable.join(", ")
        )),
    }
    text
}
