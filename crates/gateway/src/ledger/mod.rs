//! The ledger: one row for each call, written by one task in group commits. A call's answer is
//! handed out only after its row is committed, so an answered call has its row, whatever dies next.

mod figures;
mod price;
mod store;
#[cfg(test)]
pub(crate) mod testing;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::PgConnection;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

pub use price::Price;
pub(crate) use store::record_of;

use crate::GatewayError;
use crate::quotas::{Accounts, Amounts, Reserved};

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
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

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallStatus {
    Completed,
    Cancelled,
    Failed,
}

impl CallStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            CallStatus::Completed => "completed",
            CallStatus::Cancelled => "cancelled",
            CallStatus::Failed => "failed",
        }
    }
}

/// One row of the ledger.
#[derive(Clone, Debug)]
pub(crate) struct LedgerRow {
    pub(crate) id: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) user_id: Uuid,
    pub(crate) api_key_id: Option<Uuid>,
    pub(crate) provider_config_id: Option<Uuid>,
    pub(crate) model_config_id: Option<Uuid>,
    pub(crate) provider: String,
    pub(crate) requested_model: String,
    pub(crate) served_model: Option<String>,
    pub(crate) purpose: Purpose,
    pub(crate) prompt_tokens: i64,
    pub(crate) completion_tokens: i64,
    pub(crate) cached_tokens: i64,
    pub(crate) reasoning_tokens: i64,
    pub(crate) cost: Option<Decimal>,
    pub(crate) estimated: bool,
    pub(crate) status: CallStatus,
    pub(crate) error_code: Option<String>,
    pub(crate) latency_ms: i32,
    pub(crate) first_token_ms: Option<i32>,
    pub(crate) conversation_id: Option<Uuid>,
    pub(crate) message_id: Option<Uuid>,
    pub(crate) request_id: Uuid,
    /// The groups that the caller is in; their quotas count the call.
    pub(crate) group_ids: Arc<[Uuid]>,
    /// Which attempt of the request, from 1 on; a request counts by its first.
    pub(crate) attempt: i16,
    /// The route that asked, and its name at that time.
    pub(crate) route_id: Option<Uuid>,
    pub(crate) route: Option<String>,
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
    /// The model that served, or the one asked for.
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

/// A row and what its call reserved.
struct Entry {
    row: LedgerRow,
    reserved: Option<Reserved>,
}

impl Entry {
    /// The row is committed.
    fn settle(self) {
        if let Some(reserved) = self.reserved {
            reserved.settle(Amounts::of_row(&self.row));
        }
    }
}

enum Message {
    Row(Box<Entry>, Answer),
    /// Somebody is about to reserve: the connection has to be there.
    Connect(oneshot::Sender<()>),
    Flush(oneshot::Sender<()>),
}

/// Takes rows. All clones feed one writer.
#[derive(Clone)]
pub(crate) struct Ledger {
    sender: mpsc::UnboundedSender<Message>,
    holder: Holder,
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

/// A row on its way.
pub(crate) struct Receipt(oneshot::Receiver<Result<(), LedgerFailure>>);

impl Receipt {
    /// Waits until the row is committed. Dropping the receipt does not drop the row.
    pub(crate) async fn committed(self) -> Result<(), GatewayError> {
        match self.0.await {
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
        let holder = Holder::default();
        tokio::spawn(writer::run(db, accounts, receiver, holder.clone()));
        Self { sender, holder }
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
                drop(connected.await);
            }
        }
        self.holder.get().ok_or(GatewayError::Ledger { storage_full: false })
    }

    /// Hands a row to the writer, with what its call reserved. Never blocks; memory is bounded by the calls in flight, since
    /// each waits for its receipt.
    pub(crate) fn record(&self, row: LedgerRow, reserved: Option<Reserved>) -> Receipt {
        figures::count(&row);
        let (answer, receipt) = oneshot::channel();
        // With the writer gone the answer is dropped, which the receipt reports.
        drop(self.sender.send(Message::Row(Box::new(Entry { row, reserved }), answer)));
        Receipt(receipt)
    }

    /// Waits until everything handed over so far was tried.
    pub(crate) async fn flush(&self) {
        let (done, waiting) = oneshot::channel();
        if self.sender.send(Message::Flush(done)).is_ok() {
            drop(waiting.await);
        }
    }
}

/// The row of the answer that one request got, on the transaction of its user.
pub(crate) async fn find(
    connection: &mut PgConnection,
    user: Uuid,
    request_id: Uuid,
) -> Result<Option<CallRecord>, GatewayError> {
    Ok(record_of(connection, user, request_id).await?)
}
