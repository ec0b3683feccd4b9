//! The one task that writes the ledger, on a thread of its own.

use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use lyceum_store::Db;
use sqlx::PgConnection;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use super::pace::{GATHER, MAX_BATCH, batch_of, pause_before};
use super::refused::Refused;
use super::{Answer, Entry, Holder, LedgerFailure, LedgerRow, Message, connection, store};
use crate::quotas::{Accounts, Tally};

/// There is no time where so many rows wait: large commits take less for each.
const MOST_AT_LEISURE: usize = 4096;
/// The longest that one commit may take before its calls are told.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(15);
/// Between two tries to write what was left over.
const RETRY: Duration = Duration::from_secs(1);
/// The most rows that wait in memory for a database that is gone.
const MAX_BACKLOG: usize = 100_000;

struct Writer {
    db: Db,
    accounts: Accounts,
    connection: Option<PgConnection>,
    backlog: Vec<Entry>,
    retry_at: Instant,
    holder: Holder,
    refused: Refused,
}

/// Whether rows may be in the table already, because a commit of them was not confirmed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Try {
    First,
    Again,
}

/// What came in since the last commit.
#[derive(Default)]
struct Batch {
    rows: Vec<(Entry, Option<Answer>)>,
    flushes: Vec<oneshot::Sender<()>>,
    connects: Vec<oneshot::Sender<()>>,
    again: Vec<Entry>,
}

impl Batch {
    fn add(&mut self, message: Message) {
        match message {
            Message::Row(entry, answer) => self.rows.push((*entry, answer)),
            Message::Again(entries) => self.again.extend(entries),
            Message::Flush(done) => self.flushes.push(done),
            Message::Connect(done) => self.connects.push(done),
        }
    }

    /// Whether it is a row that stands in the journal and nothing else.
    fn can_wait(&self) -> bool {
        let nobody = self.rows.iter().all(|(_, answer)| answer.is_none());
        nobody && self.flushes.is_empty() && self.connects.is_empty() && self.again.is_empty()
    }
}

/// Runs the writer on a thread of its own. Preparing a batch and settling it takes milliseconds, in
/// which a worker of the common runtime would let lie what has arrived.
pub(super) fn spawn(writer: impl Future<Output = ()> + Send + 'static) {
    let run = || -> io::Result<()> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(writer);
        Ok(())
    };
    let told = |error| tracing::error!(%error, "the ledger's writer did not start");
    let thread = thread::Builder::new().name("ledger".to_owned());
    if let Err(error) = thread.spawn(move || run().unwrap_or_else(told)) {
        told(error);
    }
}

/// Commits rows in batches: whatever came in while the last batch was being committed makes the
/// next, and rows of the journal gather for a moment. Ends when every [`Ledger`](super::Ledger) is
/// gone and all is written.
pub(super) async fn run(
    db: Db,
    accounts: Accounts,
    mut receiver: UnboundedReceiver<Message>,
    hurry: Arc<Notify>,
    (holder, refused): (Holder, Refused),
) {
    let (connection, backlog, retry_at) = (None, Vec::new(), Instant::now());
    let mut writer = Writer { db, accounts, connection, backlog, retry_at, holder, refused };
    let (mut pause, mut took) = (GATHER, Duration::ZERO);
    // Messages behind which somebody waits.
    let mut ahead = 0;
    loop {
        // Rows that keep coming must not put off those that wait.
        if writer.is_due() {
            writer.retry_backlog().await;
        }
        let first = if writer.backlog.is_empty() {
            receiver.recv().await
        } else {
            match tokio::time::timeout_at(writer.retry_at, receiver.recv()).await {
                Ok(message) => message,
                Err(_) => continue,
            }
        };
        let Some(first) = first else { break };
        let mut batch = Batch::default();
        batch.add(first);
        // Others are not received meanwhile, so that a row does not wake this task.
        let leisure = ahead == 0
            && batch.can_wait()
            && receiver.len() < MOST_AT_LEISURE
            && idle(pause, &hurry).await;
        if !leisure {
            ahead = ahead.max(receiver.len());
        }
        let most = if leisure { batch_of(receiver.len(), took) } else { MAX_BATCH };
        while batch.rows.len() < most
            && let Ok(message) = receiver.try_recv()
        {
            batch.add(message);
            ahead = ahead.saturating_sub(1);
        }
        let began = Instant::now();
        writer.take(batch).await;
        took = began.elapsed();
        pause = pause_before(receiver.len(), took);
    }
    writer.retry_backlog().await;
}

/// Lets time pass; `false` where somebody came to wait before it was over.
async fn idle(pause: Duration, hurry: &Notify) -> bool {
    tokio::time::timeout(pause, hurry.notified()).await.is_err()
}

impl Writer {
    /// Whether what waits is to be tried again.
    fn is_due(&self) -> bool {
        !self.backlog.is_empty() && Instant::now() >= self.retry_at
    }

    async fn take(&mut self, batch: Batch) {
        let Batch { rows, flushes, connects, again } = batch;
        if !connects.is_empty() {
            self.connect().await;
        }
        for done in connects {
            let _ = done.send(());
        }
        let rows = self.put_off(rows);
        if !rows.is_empty() {
            self.write(rows).await;
        }
        let is_asked = !again.is_empty() || !flushes.is_empty();
        self.backlog.extend(again);
        if is_asked && !self.backlog.is_empty() {
            self.retry_backlog().await;
        }
        for done in flushes {
            let _ = done.send(());
        }
    }

    /// Where rows wait for the database already, those of the journal join them, so that nobody who
    /// waits stands behind them. Returns the others.
    fn put_off(&mut self, rows: Vec<(Entry, Option<Answer>)>) -> Vec<(Entry, Option<Answer>)> {
        if self.backlog.is_empty() {
            return rows;
        }
        let (waited, others): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|(_, answer)| answer.is_some());
        self.backlog.extend(others.into_iter().map(|(entry, _)| entry));
        waited
    }

    async fn write(&mut self, rows: Vec<(Entry, Option<Answer>)>) {
        let batch: Vec<&LedgerRow> = rows.iter().map(|(entry, _)| &entry.row).collect();
        match self.commit(&batch, Try::First).await {
            Ok(()) => {
                for (entry, answer) in rows {
                    entry.settle();
                    tell(answer, Ok(()));
                }
            }
            Err(error) if is_data_error(&error) => self.write_singly(rows).await,
            Err(error) => self.postpone(rows, &error),
        }
    }

    /// One try, and a second on a new connection: the old one may have died while it was idle.
    async fn commit(&mut self, rows: &[&LedgerRow], attempt: Try) -> Result<(), sqlx::Error> {
        match self.attempt(rows, attempt).await {
            Err(error) if connection::is_lost(&error) => self.attempt(rows, Try::Again).await,
            result => result,
        }
    }

    async fn attempt(&mut self, rows: &[&LedgerRow], attempt: Try) -> Result<(), sqlx::Error> {
        // Taken out, so that a connection in an unknown state is never used again.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connection::connect(&self.db, &self.holder).await?,
        };
        let written = add(&mut connection, &self.accounts, rows, attempt);
        let written = tokio::time::timeout(COMMIT_TIMEOUT, written).await;
        let written = written.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        match &written {
            Err(error) if connection::is_lost(error) => self.holder.set(0),
            _ => self.connection = Some(connection),
        }
        written
    }

    /// Connects where it is not, for those who want to reserve.
    async fn connect(&mut self) {
        if self.connection.is_none() {
            match connection::connect(&self.db, &self.holder).await {
                Ok(connection) => self.connection = Some(connection),
                Err(error) => tracing::warn!(%error, "the ledger cannot be reached"),
            }
        }
    }

    /// A row that the table refuses must not take the others with it.
    async fn write_singly(&mut self, rows: Vec<(Entry, Option<Answer>)>) {
        for (entry, answer) in rows {
            // The batch may have been committed after all, before its refusal.
            match self.commit(&[&entry.row], Try::Again).await {
                Ok(()) => {
                    entry.settle();
                    tell(answer, Ok(()));
                }
                Err(error) if is_data_error(&error) => self.refuse(entry, answer, &error),
                Err(error) => self.postpone(vec![(entry, answer)], &error),
            }
        }
    }

    /// Puts a row aside that the table refuses: what it refuses now, it refuses at the next start,
    /// too.
    fn refuse(&self, mut entry: Entry, answer: Option<Answer>, error: &sqlx::Error) {
        if tell(answer, Err(LedgerFailure { storage_full: false })) {
            entry.fail();
        }
        self.refused.keep(&entry.row, &reason(error));
        if let Some(place) = entry.place {
            place.leave();
        }
    }

    /// Tells the callers that wait that their calls are not recorded, and keeps the rows, as failed
    /// ones, until they can be written: their tokens were spent all the same.
    fn postpone(&mut self, rows: Vec<(Entry, Option<Answer>)>, error: &sqlx::Error) {
        let code = error.as_database_error().and_then(|error| error.code());
        let failure = LedgerFailure { storage_full: code.as_deref() == Some("53100") };
        let waiting = self.backlog.len() + rows.len();
        tracing::error!(%error, rows = rows.len(), waiting, "the ledger cannot be written");
        for (mut entry, answer) in rows {
            if tell(answer, Err(failure)) {
                entry.fail();
            }
            match self.backlog.len() < MAX_BACKLOG {
                true => self.backlog.push(entry),
                false => tracing::error!(row = ?entry.row, "a ledger row is given up"),
            }
        }
        self.retry_at = Instant::now() + RETRY;
    }

    async fn retry_backlog(&mut self) {
        while !self.backlog.is_empty() {
            let waiting = self.backlog.iter().take(MAX_BATCH);
            let batch: Vec<LedgerRow> = waiting.map(|entry| entry.row.clone()).collect();
            let references: Vec<&LedgerRow> = batch.iter().collect();
            let (done, failure) = match self.commit(&references, Try::Again).await {
                Ok(()) => (batch.len(), None),
                Err(error) if is_data_error(&error) => self.retry_singly(&batch).await,
                Err(error) => (0, Some(error)),
            };
            self.backlog.drain(..done).for_each(Entry::settle);
            if let Some(error) = failure {
                tracing::warn!(%error, waiting = self.backlog.len(), "the ledger is still away");
                self.retry_at = Instant::now() + RETRY;
                return;
            }
        }
    }

    /// Puts aside the rows that the table refuses, and only those. Returns how many rows need no
    /// further try, and why it stopped before the others.
    async fn retry_singly(&mut self, rows: &[LedgerRow]) -> (usize, Option<sqlx::Error>) {
        for (done, row) in rows.iter().enumerate() {
            match self.commit(&[row], Try::Again).await {
                Ok(()) => {}
                Err(error) if is_data_error(&error) => self.refused.keep(row, &reason(&error)),
                Err(error) => return (done, Some(error)),
            }
        }
        (rows.len(), None)
    }
}

/// Tells whoever waits, if somebody does. A caller that went away does not.
fn tell(answer: Option<Answer>, result: Result<(), LedgerFailure>) -> bool {
    answer.is_some_and(|answer| answer.send(result).is_ok())
}

/// Adds the rows and counts them for the quotas that bind their callers.
async fn add(
    connection: &mut PgConnection,
    accounts: &Accounts,
    rows: &[&LedgerRow],
    attempt: Try,
) -> Result<(), sqlx::Error> {
    let mut rows = rows.to_vec();
    if attempt == Try::Again {
        let present = store::present(connection, &rows).await?;
        rows.retain(|row| !present.contains(&row.id));
    }
    let Some(latest) = rows.iter().map(|row| row.created_at).max() else { return Ok(()) };
    loop {
        let mut tally = accounts.tally(&rows);
        sort_in(connection, &mut tally).await?;
        if store::insert(connection, &rows, &tally).await? {
            for warning in tally.commit() {
                // The rows are in; at the next one it is tried again.
                if let Err(error) = store::warn(connection, &warning).await {
                    tracing::warn!(%error, "a warning of a quota was not noted");
                }
            }
            return Ok(());
        }
        let users: Vec<Uuid> = rows.iter().map(|row| row.user_id).collect();
        let keys: Vec<Uuid> = rows.iter().filter_map(|row| row.api_key_id).collect();
        let groups: Vec<Uuid> = rows.iter().flat_map(|r| r.group_ids.iter().copied()).collect();
        accounts.load(connection, &users, &keys, &groups, latest).await?;
    }
}

/// Finds the months of the rows that are of others than the accounts know.
async fn sort_in(connection: &mut PgConnection, tally: &mut Tally) -> Result<(), sqlx::Error> {
    let strays = std::mem::take(&mut tally.strays);
    if strays.is_empty() {
        return Ok(());
    }
    let quotas: Vec<Uuid> = strays.iter().map(|(account, ..)| account.id).collect();
    let moments: Vec<_> = strays.iter().map(|(_, moment, _)| *moment).collect();
    let months = store::months(connection, &quotas, &moments).await?;
    for ((account, _, amounts), month) in strays.into_iter().zip(months) {
        // Without one the quota is gone.
        if let Some(month) = month {
            tally.add(account, month, amounts);
        }
    }
    Ok(())
}

/// Why the database refused, with its code for that.
fn reason(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(error) => format!("{} ({})", error.message(), error.code().unwrap_or_default()),
        None => error.to_string(),
    }
}

/// Whether the row itself is at fault (class 22, data; class 23, constraints).
fn is_data_error(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}
