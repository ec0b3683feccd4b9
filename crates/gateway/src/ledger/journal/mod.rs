//! Rows that are on their way into the database, in files of this node.
//!
//! A row that stands here outlives the program, so its call may be answered before the database has
//! committed it, and the commit's wait for the disk is not the caller's. A process writes segments
//! of its own and holds their locks; a segment goes once all its rows are committed. What a process
//! that died left behind is found by its lock, which nobody holds, and brought into the ledger by
//! the next one that starts.
//!
//! Files are not synced, for the commit follows soon and is: what an answered call can lose its row
//! by is the machine's own end before it.
//!
//! Beside them stand [`Notes`] of the calls that run, which have no row yet.

mod notes;
mod segment;

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use notes::Notes;

use super::LedgerRow;
use segment::Segment;

/// Bytes after which a segment is followed by the next.
const SEGMENT_BYTES: u64 = 1 << 20;
/// More than a row has, in nearly all cases.
const LINE_BYTES: usize = 1024;
/// Rows that wait at most; calls beyond them wait for the database themselves.
const MOST_WAITING: usize = 20_000;
/// How long nothing is written after a failure, as on a full disk.
const PAUSE: Duration = Duration::from_secs(1);

/// Where rows wait.
pub(super) struct Journal {
    folder: PathBuf,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// Where the next row goes; none after a failure, or when the program ends.
    segment: Option<Arc<Segment>>,
    /// The segments that still have rows waiting.
    all: Vec<Arc<Segment>>,
    paused_until: Option<Instant>,
    closed: bool,
}

/// A row's place; it is in the database by the time that it is given up with [`Place::leave`].
/// Dropped before, the row stays and is found again.
pub(super) struct Place(Arc<Segment>);

/// A row that a process which is no more left behind, and its place.
type Leftover = (LedgerRow, Place);

impl Place {
    /// The row is committed.
    pub(super) fn leave(self) {
        self.0.release();
    }
}

impl Journal {
    /// Opens the journal in `folder`, and takes over what processes that are no more left there.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, Vec<Leftover>)> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let (mut leftovers, mut known) = (Vec::new(), HashSet::new());
        for (segment, rows) in segment::take_over_all(folder)? {
            let segment = Arc::new(segment);
            for row in rows {
                let place = Place(segment.clone());
                match known.insert(row.id) {
                    true => leftovers.push((row, place)),
                    // It ended after it was noted, and how it did has come before.
                    false => place.leave(),
                }
            }
            segment.release();
        }
        Ok((Self { folder: folder.to_owned(), open: Mutex::default() }, leftovers))
    }

    /// Writes a row down; `None` where that is not possible, and the caller has to wait for the
    /// database.
    pub(super) fn append(&self, row: &LedgerRow) -> Option<Place> {
        let mut line = Vec::with_capacity(LINE_BYTES);
        serde_json::to_writer(&mut line, row).ok()?;
        line.push(b'\n');
        let mut open = self.lock();
        let written = self.segment(&mut open).and_then(|segment| match segment {
            Some(segment) => segment.append(&line).map(|()| Some(Place(segment))),
            None => Ok(None),
        });
        written.unwrap_or_else(|error| {
            tracing::error!(%error, folder = %self.folder.display(),
                "the ledger's journal cannot be written; calls wait for the database");
            // What may be half a line is the last of its file.
            open.retire();
            open.paused_until = Some(Instant::now() + PAUSE);
            None
        })
    }

    /// The segment for the next row.
    fn segment(&self, open: &mut Open) -> io::Result<Option<Arc<Segment>>> {
        if open.segment.as_ref().is_some_and(|segment| segment.len() >= SEGMENT_BYTES) {
            open.retire();
        }
        let paused = open.paused_until.is_some_and(|until| Instant::now() < until);
        if paused || open.closed || open.waiting() >= MOST_WAITING {
            return Ok(None);
        }
        if let Some(segment) = &open.segment {
            return Ok(Some(segment.clone()));
        }
        let segment = Arc::new(Segment::create(&self.folder)?);
        open.all.push(segment.clone());
        open.segment = Some(segment.clone());
        Ok(Some(segment))
    }

    /// Takes no more rows; the last file goes with its last row.
    pub(super) fn close(&self) {
        let mut open = self.lock();
        open.closed = true;
        open.retire();
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Begins a new file with the next row.
    fn retire(&mut self) {
        if let Some(segment) = self.segment.take() {
            segment.release();
        }
        self.all.retain(|segment| !segment.is_gone());
    }

    /// How many rows wait.
    fn waiting(&self) -> usize {
        self.all.iter().map(|segment| segment.rows()).sum()
    }
}
