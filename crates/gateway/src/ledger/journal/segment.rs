use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::super::{LedgerRow, refused};
use super::notes;

const EXTENSION: &str = "jsonl";
/// Of a file that has no lock yet and that others leave alone.
const UNLOCKED: &str = "new";
/// Of a file that stays, for there are lines in it that this version cannot read.
pub(super) const UNREAD: &str = "unread";

/// What the rows of a file are of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Calls that ended, each added when it did: the last line may be half of one.
    Ended,
    /// Calls that ran when they were noted, all at once.
    Ran,
}

/// A file that was taken over, and its rows.
pub(super) type Taken = (Segment, Vec<LedgerRow>);

/// One file of rows, a JSON object a line.
pub(super) struct Segment {
    file: File,
    path: PathBuf,
    len: AtomicU64,
    /// Rows that are not committed, and one more as long as rows are added.
    held: AtomicUsize,
    /// Whether all its lines are rows, so that it can go once they are committed.
    is_read: bool,
}

impl Segment {
    /// A new file. It gets the name by which others know it only when it is locked.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let path = folder.join(lyceum_core::new_id().to_string());
        let (unlocked, path) = (path.with_extension(UNLOCKED), path.with_extension(EXTENSION));
        let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(&unlocked)?;
        file.try_lock().map_err(io::Error::from)?;
        std::fs::rename(&unlocked, &path)?;
        let (len, held) = (AtomicU64::new(0), AtomicUsize::new(1));
        Ok(Self { file, path, len, held, is_read: true })
    }

    /// Adds a line, of one more row. One at a time; a failure may leave a part of it.
    pub(super) fn append(&self, line: &[u8]) -> io::Result<()> {
        self.held.fetch_add(1, Ordering::Relaxed);
        let written = (&self.file).write_all(line);
        self.len.fetch_add(line.len() as u64, Ordering::Relaxed);
        if written.is_err() {
            self.held.fetch_sub(1, Ordering::Relaxed);
        }
        written
    }

    /// Bytes that were written.
    pub(super) fn len(&self) -> u64 {
        self.len.load(Ordering::Relaxed)
    }

    /// Rows that wait, and one more as long as rows are added.
    pub(super) fn rows(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(super) fn is_gone(&self) -> bool {
        self.rows() == 0
    }

    /// A row is committed, or no more will be added. The last one takes the file with it.
    pub(super) fn release(&self) {
        if self.held.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let gone = match self.is_read {
            true => std::fs::remove_file(&self.path),
            false => std::fs::rename(&self.path, self.path.with_extension(UNREAD)),
        };
        if let Err(error) = gone {
            tracing::warn!(%error, path = %self.path.display(), "a file of the journal stays");
        }
    }
}

/// Takes over every file whose process is no more, with the rows in it: those of calls that ended
/// before those of calls that ran.
pub(super) fn take_over_all(folder: &Path) -> io::Result<Vec<Taken>> {
    let (mut ended, mut ran) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_refused = path.file_name().is_some_and(|name| name == refused::FILE);
        match path.extension().and_then(OsStr::to_str) {
            Some(EXTENSION) if !is_refused => ended.extend(take_over(path, Content::Ended)?),
            Some(notes::EXTENSION) => ran.extend(notes::take_over(path)),
            Some(notes::UNFINISHED) => notes::clear(&path),
            _ => {}
        }
    }
    ended.append(&mut ran);
    Ok(ended)
}

/// `None` where the process lives, or took over and removed the file just now.
pub(super) fn take_over(path: PathBuf, content: Content) -> io::Result<Option<Taken>> {
    let file = match OpenOptions::new().read(true).append(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    if !has_name(&file, &path)? {
        return Ok(None);
    }
    let (rows, is_read) = read(&file, &path, content)?;
    let (len, held) = (AtomicU64::new(0), AtomicUsize::new(rows.len() + 1));
    Ok(Some((Segment { file, path, len, held, is_read }, rows)))
}

/// Whether it is this file that has the name: whoever holds it gives the name of notes to the next
/// ones, whose lock is another.
fn has_name(file: &File, path: &Path) -> io::Result<bool> {
    match std::fs::metadata(path) {
        Ok(named) => {
            let opened = file.metadata()?;
            Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The rows of a file, and whether that is all that it holds. Its process may have died while it
/// wrote the last of them, whose call was not answered then; another line that is no row here may
/// be one to another version of the program, or what the machine's end left of it.
fn read(mut file: &File, path: &Path, content: Content) -> io::Result<(Vec<LedgerRow>, bool)> {
    let (mut text, mut rows) = (Vec::new(), Vec::new());
    file.read_to_end(&mut text)?;
    // Notes of nothing are never written.
    let mut is_read = content == Content::Ended || !text.is_empty();
    if !is_read {
        tracing::error!(path = %path.display(),
            "notes of calls that ran are empty; their file is kept as *.unread");
    }
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        match serde_json::from_slice(line) {
            Ok(row) => rows.push(row),
            Err(_) if content == Content::Ended && !line.ends_with(b"\n") => {}
            Err(error) => {
                is_read = false;
                tracing::error!(%error, bytes = line.len(), path = %path.display(),
                    "a line of the ledger's journal is no row; its file is kept as *.unread");
            }
        }
    }
    Ok((rows, is_read))
}
