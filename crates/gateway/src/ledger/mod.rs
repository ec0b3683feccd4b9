//! The ledger: one row for each call, written by one thread in group commits. A call's answer is
//! handed out only after its row is committed or in the [`journal`], so an answered call has its row,
//! whatever dies next. One that is cut off by the end of its process has the row of its last [`Notes`].

mod connection;
mod figures;
mod journal;
mod pace;
mod price;
mod refused;
mod row;
mod store;
#[cfg(test)]
pub(crate) mod testing;
mod tier;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use chrono::{DateTime, Utc};
use lyceum_llm::ModelKind;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use tokio::sync::{Notify, mpsc, oneshot};
use uuid::Uuid;

pub(crate) use journal::Notes;
pub use price::Price;
pub(crate) use row::{CallStatus, LedgerRow, storable};
pub(crate) use store::record_of;
pub use tier::PriceTier;

use crate::quotas::{Accounts, Amounts, Reserved};
use crate::{Gateway, GatewayError};
use figures::Figures;
use journal::{Journal, Place};
use refused::Refused;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// An answer in a conversation.
    Chat,
    /// A conversation's title.
    Title,
    /// Chunks of a document.
    Embedding,
    /// A question looking for chunks.
    Retrieval,
    /// A request to `/v1`.
    Api,
    /// Trying a provider or a model.
    Test,
}

impl Purpose {
    /// The name in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Chat => "chat",
            Purpose::Title => "title",
            Purpose::Embedding => "embedding",
            Purpose::Retrieval => "retrieval",
            Purpose::Api => "api",
            Purpose::Test => "test",
        }
    }
}

/// What the ledger says of one call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// The row's id.
    pub id: Uuid,
    /// When the call began.
    pub created_at: DateTime<Utc>,
    /// The provider's name.
    pub provider: String,
    /// The model that served, or was asked, by its provider's name.
    pub model: String,
    /// Tokens of the prompt.
    pub prompt_tokens: i64,
    /// Tokens generated.
    pub completion_tokens: i64,
    /// In US dollars; `None` where the price is unknown.
    pub cost: Option<Decimal>,
    /// Whether the tokens are our estimate.
    pub estimated: bool,
    /// `completed`, `cancelled` or `failed`.
    pub status: String,
    /// Milliseconds from the request to the end.
    pub latency_ms: i32,
    /// Milliseconds to the first token.
    pub first_token_ms: Option<i32>,
}

/// Why a row is not in the ledger.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LedgerFailure {
    storage_full: bool,
}

type Answer = oneshot::Sender<Result<(), LedgerFailure>>;

/// A row, what its call reserved, and its place in the journal.
struct Entry {
    row: LedgerRow,
    reserved: Option<Reserved>,
    place: Option<Place>,
}

impl Entry {
    /// The caller was told that the call is not recorded, and got no answer.
    fn fail(&mut self) {
        self.row.status = CallStatus::Failed;
        self.row.error_code = Some("ledger_unavailable".to_owned());
    }

    /// The row is committed.
    fn settle(self) {
        if let Some(reserved) = self.reserved {
            reserved.settle(Amounts::of_row(&self.row));
        }
        if let Some(place) = self.place {
            place.leave();
        }
    }
}

enum Message {
    /// A row, and who waits for its commit; nobody does for one in the journal.
    Row(Box<Entry>, Option<Answer>),
    /// Rows that may be in the table already.
    Again(Vec<Entry>),
    /// Somebody is about to reserve: the connection has to be there.
    Connect(oneshot::Sender<()>),
    Flush(oneshot::Sender<()>),
}

/// Takes rows. All clones feed one writer.
#[derive(Clone)]
pub(crate) struct Ledger {
    sender: mpsc::UnboundedSender<Message>,
    /// Wakes the writer where somebody waits for it.
    hurry: Arc<Notify>,
    holder: Holder,
    journal: Arc<OnceLock<Journal>>,
    refused: Refused,
    figures: Arc<Figures>,
}

/// The advisory lock that the writer's connection holds, by which the database knows that this
/// process lives and what it reserved is still wanted; 0 while there is none.
#[derive(Clone, Default)]
struct Holder(Arc<AtomicI64>);

impl Holder {
    fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::SeqCst)).filter(|key| *key != 0)
    }

    fn set(&self, key: i64) {
        self.0.store(key, Ordering::SeqCst);
    }
}

/// A row on its way: in the journal, or to be waited for.
pub(crate) struct Receipt(Option<oneshot::Receiver<Result<(), LedgerFailure>>>);

impl Receipt {
    /// Waits until the row will not be lost. Dropping the receipt does not drop the row.
    pub(crate) async fn kept(self) -> Result<(), GatewayError> {
        let Some(commit) = self.0 else { return Ok(()) };
        match commit.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => Err(GatewayError::Ledger { storage_full: failure.storage_full }),
            Err(_) => Err(GatewayError::Ledger { storage_full: false }),
        }
    }
}

impl Ledger {
    /// Starts the writer.
    pub(crate) fn start(db: lyceum_store::Db, accounts: Accounts) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (hurry, holder, refused) =
            (Arc::new(Notify::new()), Holder::default(), Refused::default());
        let shared = (holder.clone(), refused.clone());
        writer::spawn(writer::run(db, accounts, receiver, hurry.clone(), shared));
        let (journal, figures) = (Arc::default(), Arc::default());
        Self { sender, hurry, holder, journal, refused, figures }
    }

    /// Keeps rows of `/v1` in files in `folder` from now on until they are committed, and brings in
    /// what earlier processes left there. Answers where calls that run are noted.
    pub(crate) async fn open_journal(&self, folder: &Path) -> std::io::Result<Notes> {
        let (journal, leftovers) = Journal::open(folder)?;
        self.refused.keep_in(folder);
        if !leftovers.is_empty() {
            let rows = leftovers.len();
            tracing::info!(rows, "the ledger takes in rows of a process that died");
            let entry = |(row, place)| Entry { row, reserved: None, place: Some(place) };
            drop(self.sender.send(Message::Again(leftovers.into_iter().map(entry).collect())));
            self.flush().await;
        }
        // A second one would be another's folder.
        drop(self.journal.set(journal));
        Ok(Notes::new(folder))
    }

    /// Rows wait for the database from now on, before the program ends.
    pub(crate) fn close_journal(&self) {
        if let Some(journal) = self.journal.get() {
            journal.close();
        }
    }

    /// The key under which calls reserve, if there is one at the moment.
    pub(crate) fn current_holder(&self) -> Option<i64> {
        self.holder.get()
    }

    /// The key under which calls reserve as long as this process lives.
    pub(crate) async fn holder(&self) -> Result<i64, GatewayError> {
        if self.holder.get().is_none() {
            let (done, connected) = oneshot::channel();
            if self.sender.send(Message::Connect(done)).is_ok() {
                self.hurry.notify_one();
                drop(connected.await);
            }
        }
        self.holder.get().ok_or(GatewayError::Ledger { storage_full: false })
    }

    /// Hands a row to the writer, with what its call reserved; `model` is the provider's name of what
    /// was asked. Never waits; memory is bounded by the calls in flight, since each waits for its
    /// receipt, and by the journal's bound.
    pub(crate) fn record(
        &self,
        row: LedgerRow,
        (model, kind): (&str, ModelKind),
        reserved: Option<Reserved>,
    ) -> Receipt {
        self.figures.count(&row, model, kind);
        // The platform's own calls read their rows right after.
        let journal = self.journal.get().filter(|_| row.purpose == Purpose::Api);
        let place = journal.and_then(|journal| journal.append(&row));
        let (answer, receipt) = match place {
            Some(_) => (None, None),
            None => {
                let (answer, receipt) = oneshot::channel();
                (Some(answer), Some(receipt))
            }
        };
        let hurry = answer.is_some();
        // With the writer gone the answer is dropped, which the receipt reports.
        drop(self.sender.send(Message::Row(Box::new(Entry { row, reserved, place }), answer)));
        if hurry {
            self.hurry.notify_one();
        }
        Receipt(receipt)
    }

    /// Waits for the rows that stand in the journal; `false` where none ever does.
    pub(crate) async fn catch_up(&self) -> bool {
        let has_journal = self.journal.get().is_some();
        if has_journal {
            self.flush().await;
        }
        has_journal
    }

    /// Waits until everything handed over so far was tried.
    pub(crate) async fn flush(&self) {
        let (done, waiting) = oneshot::channel();
        if self.sender.send(Message::Flush(done)).is_ok() {
            self.hurry.notify_one();
            drop(waiting.await);
        }
    }
}

/// Before a request that reads the ledger: what this node answered is to be seen there.
pub(crate) async fn catch_up(
    State(gateway): State<Gateway>,
    request: Request,
    next: Next,
) -> Response {
    gateway.inner.ledger.catch_up().await;
    next.run(request).await
}

/// The row of the answer that one request got, on the transaction of its user.
pub(crate) async fn find(
    connection: &mut PgConnection,
    user: Uuid,
    request_id: Uuid,
) -> Result<Option<CallRecord>, GatewayError> {
    Ok(record_of(connection, user, request_id).await?)
}
