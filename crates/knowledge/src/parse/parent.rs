use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use lyceum_core::THIS_PROGRAM;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

use super::{ParseRecord, ParsedPage};

/// Bytes that one record of the child may have.
const RECORD_BYTES: u64 = 8_000_000;

/// What a child that reads a document may use.
#[derive(Clone, Copy, Debug)]
pub struct ParseLimits {
    /// Megabytes of address space.
    pub memory_mb: u64,
    /// Seconds of processor time.
    pub cpu_seconds: u64,
    /// Time in all.
    pub time: Duration,
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self { memory_mb: 2_000, cpu_seconds: 600, time: Duration::from_secs(900) }
    }
}

/// Why a child gave no document.
#[derive(Debug, thiserror::Error)]
pub enum ParserFailure {
    /// The document is to blame; trying again is useless.
    #[error("{detail}")]
    Document {
        /// A stable name.
        code: String,
        /// For a person.
        detail: String,
    },
    /// The child could not be started or its answer not be read.
    #[error("the parser did not run")]
    Child(#[source] std::io::Error),
    /// Whoever wanted the pages does not want them any more.
    #[error("the pages are not wanted any more")]
    Unwanted,
}

impl ParserFailure {
    fn document(code: &str, detail: &str) -> Self {
        Self::Document { code: code.to_owned(), detail: detail.to_owned() }
    }
}

/// What is known at the end of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The title that the document gives itself.
    pub title: Option<String>,
    /// What the content is.
    pub mime_type: String,
    /// Pages of the file.
    pub page_count: u32,
    /// Pages (numbers, or ranges of them) or sheets (names) that could not be read.
    pub unread: Vec<String>,
}

/// Starts the child processes that read documents.
#[derive(Clone, Debug)]
pub struct Parser {
    program: PathBuf,
    arguments: Vec<OsString>,
    limits: ParseLimits,
}

impl Parser {
    /// `program` with `arguments`, followed by three of ours, must run
    /// [`child_main`](super::child_main) with those three.
    pub fn new(program: PathBuf, arguments: Vec<OsString>, limits: ParseLimits) -> Self {
        Self { program, arguments, limits }
    }

    /// This very program with the argument `parse`.
    pub fn this_program(limits: ParseLimits) -> Self {
        Self::new(THIS_PROGRAM.into(), vec!["parse".into()], limits)
    }

    /// Reads `file`; its pages go into `pages` in order as they come.
    pub async fn parse(
        &self,
        file: File,
        name: &str,
        pages: mpsc::Sender<ParsedPage>,
    ) -> Result<Parsed, ParserFailure> {
        let mut child = Command::new(&self.program)
            .arg0("lyceum")
            .args(&self.arguments)
            .arg(self.limits.memory_mb.to_string())
            .arg(self.limits.cpu_seconds.to_string())
            .arg(extension(name))
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(file))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(ParserFailure::Child)?;
        let missing = || ParserFailure::Child(std::io::Error::other("no pipe"));
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let mut stderr = child.stderr.take().ok_or_else(missing)?;
        let mut complaint = Vec::new();
        let read = async {
            let complain = async {
                let kept = (&mut stderr).take(4_000).read_to_end(&mut complaint).await;
                // What is beyond that is read, too, or the child would wait for ever.
                kept.and(tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await)
            };
            let (outcome, _) = tokio::join!(records(BufReader::new(stdout), &pages), complain);
            outcome
        };
        let outcome = match tokio::time::timeout(self.limits.time, read).await {
            Ok(outcome) => outcome?,
            Err(_) => {
                return Err(ParserFailure::document(
                    "parse_timeout",
                    "Reading the document took too long; split it into smaller ones.",
                ));
            }
        };
        let status = child.wait().await.map_err(ParserFailure::Child)?;
        outcome.ok_or_else(|| {
            let complaint = String::from_utf8_lossy(&complaint);
            tracing::warn!(%status, %complaint, "the parser of a document ended early");
            ParserFailure::document(
                "parser_crashed",
                "Reading the document used too much memory or time, or the file is damaged.",
            )
        })
    }
}

/// Reads the child's lines to their end; `None` where the last one never came.
async fn records(
    mut lines: impl tokio::io::AsyncBufRead + Unpin,
    pages: &mpsc::Sender<ParsedPage>,
) -> Result<Option<Parsed>, ParserFailure> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut lines).take(RECORD_BYTES + 1);
        let read = limited.read_until(b'\n', &mut line).await.map_err(ParserFailure::Child)?;
        if read == 0 {
            return Ok(None);
        }
        if read as u64 > RECORD_BYTES {
            return Err(ParserFailure::document(
                "page_too_large",
                "A page of the document has too much text; split it.",
            ));
        }
        // A library's stray message is no record.
        match serde_json::from_slice(&line) {
            Ok(ParseRecord::Page(page)) => {
                pages.send(page).await.map_err(|_| ParserFailure::Unwanted)?;
            }
            Ok(ParseRecord::Done { title, mime_type, page_count, unread }) => {
                return Ok(Some(Parsed { title, mime_type, page_count, unread }));
            }
            Ok(ParseRecord::Failed { code, detail }) => {
                return Err(ParserFailure::Document { code, detail });
            }
            Err(_) => {}
        }
    }
}

/// Only what decides between kinds of text leaves for the child.
fn extension(name: &str) -> String {
    let end = name.rsplit_once('.').map(|(_, end)| end).unwrap_or_default();
    let plain: String = end.chars().filter(char::is_ascii_alphanumeric).take(10).collect();
    format!("x.{plain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_record_without_an_end_is_refused() {
        let (sender, _receiver) = mpsc::channel(1);
        let endless = BufReader::new(tokio::io::repeat(b'x'));
        let outcome = records(endless, &sender).await;
        assert!(
            matches!(&outcome, Err(ParserFailure::Document { code, .. }) if code == "page_too_large"),
            "{outcome:?}"
        );
    }
}
