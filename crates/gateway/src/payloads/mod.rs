//! Requests and answers of models, kept where a model's owner asks for it, to find faults.
//!
//! Invariants:
//! - Off unless a model says otherwise.
//! - A call never waits: what it leaves goes into a bounded queue, and what does not fit is dropped
//!   and counted.
//! - Nothing is stored but redacted and sealed; where the keys to be redacted cannot be
//!   read, nothing is.
//! - Who reads one needs a right of its own, and is noted in the audit log.

mod capture;
mod forget;
mod http;
mod redact;
mod store;
mod writer;

use std::sync::Arc;

use lyceum_core::Clock;
use lyceum_store::{Db, Keyring};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc, oneshot};
use utoipa::ToSchema;

pub(crate) use capture::Capture;
pub use forget::ForgetPayloads;
pub(crate) use http::router;

use capture::Finished;

/// The table, which is also what payloads are sealed for.
const SEALED_IN: &str = "gateway.call_payloads";
/// Calls that wait to be written.
const MOST_WAITING: usize = 1024;
/// Kibibytes of all that wait.
const MOST_KIBIBYTES: usize = 64 * 1024;
/// Bytes that are kept of a request, and of an answer.
const MOST_KEPT: usize = 64 * 1024;
/// Bytes read beyond those, so that a secret that is cut is still recognised.
const MARGIN: usize = 8 * 1024;

/// Which calls of a model leave their request and answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogPayloads {
    /// None.
    #[default]
    Off,
    /// Those that fail.
    Errors,
    /// All.
    All,
}

impl LogPayloads {
    /// The name in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Errors => "errors",
            Self::All => "all",
        }
    }

    /// The one of this name; a CHECK leaves no other.
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "errors" => Self::Errors,
            "all" => Self::All,
            _ => Self::Off,
        }
    }
}

enum Message {
    Payload(Box<Finished>),
    Flush(oneshot::Sender<()>),
}

/// Takes payloads. All clones feed one writer.
#[derive(Clone)]
pub(crate) struct Payloads {
    sender: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
}

impl Payloads {
    /// Starts the writer.
    pub(crate) fn start(db: Db, keyring: Keyring, clock: Clock) -> Self {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        tokio::spawn(writer::run(db, keyring, clock, receiver));
        Self { sender, room: Arc::new(Semaphore::new(MOST_KIBIBYTES)) }
    }

    /// Leaves a payload to the writer, if there is room for it.
    fn offer(&self, mut payload: Box<Finished>) {
        let kibibytes = u32::try_from(payload.bytes().div_ceil(1024)).unwrap_or(u32::MAX);
        let room = self.room.clone().try_acquire_many_owned(kibibytes);
        payload.room = room.ok();
        if payload.room.is_none() || self.sender.try_send(Message::Payload(payload)).is_err() {
            dropped(1);
        }
    }

    /// Waits until everything left so far was tried.
    pub(crate) async fn flush(&self) {
        let (done, waiting) = oneshot::channel();
        if self.sender.send(Message::Flush(done)).await.is_ok() {
            drop(waiting.await);
        }
    }
}

/// Counts payloads that nobody will read.
fn dropped(payloads: u64) {
    metrics::counter!("lyceum_gateway_payloads_dropped_total").increment(payloads);
}
