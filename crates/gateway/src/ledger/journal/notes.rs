use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::LedgerRow;
use super::segment::{self, Content, Taken, UNREAD};

pub(super) const EXTENSION: &str = "running";
/// Of notes that are not whole yet.
pub(super) const UNFINISHED: &str = "noting";
/// How long nothing is said of further failures.
const SILENCE: Duration = Duration::from_secs(60);

/// The calls of this process that run, as the rows that they have if it is killed: one file in the
/// journal's folder, which is written anew each time. Where it cannot be, the last one stays.
pub(crate) struct Notes {
    path: PathBuf,
    stand: AtomicBool,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// The file that stands. Its lock tells others that this process lives.
    file: Option<File>,
    warned: Option<Instant>,
    closed: bool,
}

impl Notes {
    pub(crate) fn new(folder: &Path) -> Self {
        let path = folder.join(lyceum_core::new_id().to_string()).with_extension(EXTENSION);
        Self { path, stand: AtomicBool::new(false), open: Mutex::default() }
    }

    /// Whether there is a file.
    pub(crate) fn stand(&self) -> bool {
        self.stand.load(Ordering::Relaxed)
    }

    /// Writes down what runs now. Waits for the disk.
    pub(crate) fn write(&self, rows: impl FnOnce() -> Vec<LedgerRow>) {
        let mut open = self.lock();
        if !open.closed {
            self.put(&mut open, &rows());
        }
    }

    /// The same for the last time: what still runs ends with the program.
    pub(crate) fn close(&self, rows: impl FnOnce() -> Vec<LedgerRow>) {
        let mut open = self.lock();
        self.put(&mut open, &rows());
        open.closed = true;
    }

    fn put(&self, open: &mut Open, rows: &[LedgerRow]) {
        let put = match rows {
            [] if open.file.is_none() => return,
            [] => self.remove().map(|()| None),
            rows => self.replace(rows).map(Some),
        };
        match put {
            Ok(file) => {
                self.stand.store(file.is_some(), Ordering::Relaxed);
                open.file = file;
            }
            Err(error) => self.warn(open, &error),
        }
    }

    fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// A new file in place of the one that stands, locked before it has its name.
    fn replace(&self, rows: &[LedgerRow]) -> io::Result<File> {
        let mut text = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut text, row)?;
            text.push(b'\n');
        }
        let unfinished = self.path.with_extension(UNFINISHED);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        let locked = file.try_lock().map_err(io::Error::from);
        let written = locked
            .and_then(|()| (&file).write_all(&text))
            .and_then(|()| fs::rename(&unfinished, &self.path));
        if let Err(error) = written {
            drop(fs::remove_file(&unfinished));
            return Err(error);
        }
        Ok(file)
    }

    fn warn(&self, open: &mut Open, error: &io::Error) {
        if open.warned.is_none_or(|warned| warned.elapsed() >= SILENCE) {
            open.warned = Some(Instant::now());
            tracing::warn!(%error, path = %self.path.display(),
                "the calls that run cannot be noted; if the program is killed, the ledger lacks them");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes over the notes of a process that is no more. They never keep the next one from starting.
pub(super) fn take_over(path: PathBuf) -> Option<Taken> {
    segment::take_over(path.clone(), Content::Ran).unwrap_or_else(|error| {
        tracing::error!(%error, path = %path.display(),
            "notes of calls that ran cannot be read; their file is kept as *.unread");
        if let Err(error) = fs::rename(&path, path.with_extension(UNREAD)) {
            tracing::warn!(%error, path = %path.display(), "a file of the journal stays");
        }
        None
    })
}

/// Removes what a process that is no more had begun to write. One that lives holds the lock, but for
/// the moment after it made the file; then it notes its calls a second later.
pub(super) fn clear(path: &Path) {
    if File::open(path).is_ok_and(|file| file.try_lock().is_ok()) {
        drop(fs::remove_file(path));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use uuid::Uuid;

    use super::super::{Journal, Leftover};
    use super::*;
    use crate::ledger::CallStatus;
    use crate::ledger::testing::row;

    fn ended(id: u128) -> LedgerRow {
        LedgerRow { id: Uuid::from_u128(id), ..row(None) }
    }

    fn ran(id: u128) -> LedgerRow {
        LedgerRow { status: CallStatus::Failed, ..ended(id) }
    }

    /// What the next process finds.
    fn found(folder: &Path) -> Vec<Leftover> {
        Journal::open(folder).unwrap().1
    }

    fn told(leftovers: &[Leftover]) -> Vec<(u128, CallStatus)> {
        leftovers.iter().map(|(row, _)| (row.id.as_u128(), row.status)).collect()
    }

    /// All are committed.
    fn leave(leftovers: Vec<Leftover>) {
        leftovers.into_iter().for_each(|(_, place)| place.leave());
    }

    fn files(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_ran_last_is_found_once_its_process_is_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let notes = Notes::new(folder);
        notes.write(|| vec![ran(1), ran(2), ran(3)]);
        notes.write(|| vec![ran(1), ran(2)]);
        let names = files(folder);
        let [name] = names.as_slice() else { panic!("{names:?}") };
        let mode = folder.join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(found(folder).is_empty(), "it lives");
        assert_eq!(files(folder), names);
        drop(notes);
        // Not committed, they are there for the one after it, too.
        for _ in 0..2 {
            let both = [(1, CallStatus::Failed), (2, CallStatus::Failed)];
            assert_eq!(told(&found(folder)), both);
        }
        leave(found(folder));
        assert!(files(folder).is_empty() && found(folder).is_empty());
    }

    #[test]
    fn what_ended_after_it_was_noted_is_as_the_journal_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let (journal, _) = Journal::open(folder).unwrap();
        let notes = Notes::new(folder);
        notes.write(|| vec![ran(1), ran(2)]);
        let place = journal.append(&ended(1)).unwrap();
        drop((journal, notes, place));
        let leftovers = found(folder);
        assert_eq!(told(&leftovers), [(1, CallStatus::Completed), (2, CallStatus::Failed)]);
        leave(leftovers);
        assert!(files(folder).is_empty());
    }

    #[test]
    fn torn_notes_are_kept_and_stop_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let line = |id| serde_json::to_string(&ran(id)).unwrap();
        let torn = format!("{}\n{}", line(1), &line(2)[..100]);
        fs::write(folder.join("a.running"), &torn).unwrap();
        fs::write(folder.join("b.running"), "").unwrap();
        fs::create_dir(folder.join("c.running")).unwrap();
        let leftovers = found(folder);
        assert_eq!(told(&leftovers), [(1, CallStatus::Failed)]);
        leave(leftovers);
        assert_eq!(files(folder), ["a.unread", "b.unread", "c.unread"]);
        assert_eq!(fs::read_to_string(folder.join("a.unread")).unwrap(), torn);
        assert!(found(folder).is_empty());
    }

    #[test]
    fn what_was_not_written_to_its_end_goes_with_its_process() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::write(folder.join("a.noting"), "{").unwrap();
        let lives = File::create(folder.join("b.noting")).unwrap();
        lives.try_lock().unwrap();
        assert!(found(folder).is_empty());
        assert_eq!(files(folder), ["b.noting"]);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_written_as_soon_as_it_can_and_goes_with_its_last_call() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("ledger");
        let notes = Notes::new(&folder);
        notes.write(|| vec![ran(1)]);
        assert!(!notes.stand());
        fs::create_dir(&folder).unwrap();
        notes.write(|| vec![ran(1)]);
        assert!(notes.stand() && files(&folder).len() == 1);
        notes.write(Vec::new);
        assert!(!notes.stand() && files(&folder).is_empty());
        // What still runs at the end is found by the next one.
        notes.write(|| vec![ran(1), ran(2)]);
        notes.close(|| vec![ran(2)]);
        notes.write(Vec::new);
        drop(notes);
        assert_eq!(told(&found(&folder)), [(2, CallStatus::Failed)]);
    }
}
