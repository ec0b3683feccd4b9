//! `lyceum access`: who may do what, and why.

use anyhow::Context as _;
use clap::Subcommand;
use lyceum_identity::{AccessExplanation, Subject, explain_access};
use uuid::Uuid;

use crate::cli::{Settings, print};
use crate::database::Database;

/// What to ask about rights.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say step by step why somebody may or may not do something.
    Explain {
        /// Id, username or e-mail address of a person.
        user: String,
        /// A right like document:write, also about an API key; about another object view, use, edit
        /// or own.
        action: String,
        /// The object as TYPE:ID, where TYPE is knowledge_base, provider or api_key.
        object: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
}

/// Runs the command, beside the running program where there is one.
pub async fn run(command: Command) -> anyhow::Result<()> {
    let Command::Explain { user, action, object, settings } = command;
    let object = object.as_deref().map(parse).transpose()?;
    let subject = Subject { user: &user, action: &action, object };
    let database = Database::open_beside(&settings.load()?).await?;
    let explained = explain_access(&database.db, &subject).await;
    database.close().await;
    let explained = explained.map_err(|error| {
        let detail = lyceum_core::Problem::detail(&error);
        anyhow::Error::from(error).context(detail)
    })?;
    print(&text_of(&explained))
}

fn parse(object: &str) -> anyhow::Result<(&str, Uuid)> {
    let parts = object.split_once(':').and_then(|(kind, id)| Some((kind, id.parse().ok()?)));
    parts.context("write the object as TYPE:ID, such as knowledge_base:0198c0de-…")
}

/// The verdict, then each step with what was looked at.
fn text_of(explained: &AccessExplanation) -> String {
    let mark = |good: bool| if good { "yes" } else { "no " };
    let verdict = if explained.allowed { "may" } else { "may not" };
    let mut lines = vec![format!("{} {verdict} {}", explained.username, explained.action)];
    for step in &explained.steps {
        lines.push(format!("{} {}: {}", mark(step.passed), step.check, step.detail));
        for reason in &step.reasons {
            lines.push(format!("      {} {}", mark(reason.counts), reason.detail));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_by_type_and_id() {
        let id = "0198c0de-0000-7000-8000-000000000001";
        let named = format!("provider:{id}");
        assert_eq!(parse(&named).unwrap(), ("provider", id.parse().unwrap()));
        for bad in ["", "provider", "provider:", "provider:1", id] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
