//! Rows that the database refuses for what is in them: they stay in a file beside the journal, where
//! people can look at them and put them back.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use metrics::counter;
use serde::Serialize;

use super::LedgerRow;

/// Its name in the journal's folder. It has the journal's form, so that under another name it is
/// brought in like what a dead process left.
pub(super) const FILE: &str = "refused.jsonl";
/// The largest that it becomes, in bytes: some 20,000 rows.
const MOST: u64 = 16 << 20;

/// Where they stay, once there is a journal.
#[derive(Clone, Default)]
pub(super) struct Refused(Arc<OnceLock<PathBuf>>);

/// A line of the file: the row as the journal has it, and why it is here.
#[derive(Serialize)]
struct Line<'a> {
    refused: &'a str,
    #[serde(flatten)]
    row: &'a LedgerRow,
}

impl Refused {
    /// Keeps them in `folder` from now on.
    pub(super) fn keep_in(&self, folder: &Path) {
        // A second one would be another's folder.
        drop(self.0.set(folder.join(FILE)));
    }

    /// Keeps a row. Where there is no file, or no room in it, all of the row stands in the log.
    pub(super) fn keep(&self, row: &LedgerRow, reason: &str) {
        let kept = match self.0.get().map(|path| (path, append(path, row, reason))) {
            Some((path, Ok(()))) => {
                tracing::error!(reason, row = %row.id, path = %path.display(),
                    "the database refused a ledger row; it is kept in the file");
                "file"
            }
            Some((path, Err(error))) => {
                tracing::error!(reason, ?row, %error, path = %path.display(),
                    "the database refused a ledger row, and the file does not take it");
                "log"
            }
            None => {
                tracing::error!(reason, ?row, "the database refused a ledger row");
                "log"
            }
        };
        counter!("lyceum_gateway_ledger_refused_total", "kept" => kept).increment(1);
    }
}

/// Adds a line that stays whatever dies next. The writer has a thread of its own, which may wait for
/// the disk.
fn append(path: &Path, row: &LedgerRow, reason: &str) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Line { refused: reason, row })?;
    line.push(b'\n');
    let mut options = OpenOptions::new();
    let mut file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
    let before = file.metadata()?.len();
    if !ends_a_line(&file, before)? {
        line.insert(0, b'\n');
    }
    if before + line.len() as u64 > MOST {
        return Err(io::Error::other("it is as large as it may become"));
    }
    // Half a line would spoil the next one.
    file.write_all(&line).or_else(|error| file.set_len(before).and(Err(error)))?;
    file.sync_all()?;
    match path.parent().filter(|_| before == 0) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Whether what is added stands in a line of its own: a process may have died while it wrote.
fn ends_a_line(file: &File, len: u64) -> io::Result<bool> {
    let mut last = [b'\n'];
    if let Some(at) = len.checked_sub(1) {
        file.read_exact_at(&mut last, at)?;
    }
    Ok(last == [b'\n'])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::super::testing::row;
    use super::*;

    #[test]
    fn a_refused_row_can_be_read_again_as_long_as_there_is_room() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let (refused, reason) = (Refused::default(), "out of range (22003)");
        metrics::with_local_recorder(&recorder, || {
            refused.keep(&row(None), reason);
            refused.keep_in(folder.path());
            refused.keep(&row(None), reason);
            refused.keep(&row(None), reason);
        });
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2);
        for line in text.lines() {
            let again: LedgerRow = serde_json::from_str(line).unwrap();
            assert_eq!((again.cost, again.prompt_tokens), (row(None).cost, 10));
            assert!(line.starts_with(r#"{"refused":"out of range (22003)","#), "{line}");
        }
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);

        File::options().write(true).open(&path).unwrap().set_len(MOST - 10).unwrap();
        metrics::with_local_recorder(&recorder, || refused.keep(&row(None), reason));
        assert_eq!(path.metadata().unwrap().len(), MOST - 10, "the line does not fit any more");
        let counted = handle.render();
        for kept in ["file", "log"] {
            let line = format!("lyceum_gateway_ledger_refused_total{{kept=\"{kept}\"}} 2");
            assert!(counted.contains(&line), "{counted}");
        }
    }

    #[test]
    fn a_row_stands_in_a_line_of_its_own_behind_half_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let refused = Refused::default();
        refused.keep_in(folder.path());
        refused.keep(&row(None), "first");
        let torn = br#"{"refused":"torn","id":"#;
        File::options().append(true).open(&path).unwrap().write_all(torn).unwrap();
        refused.keep(&row(None), "second");
        refused.keep(&row(None), "third");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[1].as_bytes()), (4, torn.as_slice()));
        for (line, reason) in [(lines[0], "first"), (lines[2], "second"), (lines[3], "third")] {
            serde_json::from_str::<LedgerRow>(line).unwrap();
            assert!(line.contains(reason), "{line}");
        }
    }
}
