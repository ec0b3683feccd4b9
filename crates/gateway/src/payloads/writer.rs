//! The one task that writes payloads.

use lyceum_core::{Clock, Secret};
use lyceum_store::{CryptoError, Db, Keyring};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Receiver;

use super::capture::Finished;
use super::redact::Redactor;
use super::store::{self, NewPayload};
use super::{Message, SEALED_IN, dropped};
use crate::GatewayError;
use crate::providers::Credentials;

/// Payloads of one commit.
const MOST: usize = 32;

/// What is sealed of a call.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) request: String,
    pub(super) request_bytes: u64,
    pub(super) request_cut: bool,
    pub(super) answer: String,
    pub(super) answer_bytes: u64,
    pub(super) answer_cut: bool,
    pub(super) reasoning: String,
    pub(super) error: Option<String>,
}

/// Writes what is left, until every sender is gone. What cannot be written is dropped.
pub(super) async fn run(db: Db, keyring: Keyring, clock: Clock, mut receiver: Receiver<Message>) {
    while let Some(first) = receiver.recv().await {
        let mut payloads = Vec::new();
        let mut flushes = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next.take() {
            match message {
                Message::Payload(payload) => payloads.push(*payload),
                Message::Flush(done) => flushes.push(done),
            }
            if payloads.len() < MOST {
                next = receiver.try_recv().ok();
            }
        }
        let count = payloads.len() as u64;
        if count > 0
            && let Err(error) = write(&db, &keyring, &clock, payloads).await
        {
            tracing::warn!(error = lyceum_core::chain(&error), count, "payloads were not written");
            dropped(count);
        }
        for done in flushes {
            let _ = done.send(());
        }
    }
}

async fn write(
    db: &Db,
    keyring: &Keyring,
    clock: &Clock,
    payloads: Vec<Finished>,
) -> Result<(), GatewayError> {
    let mut tx = db.begin_maintenance().await?;
    // Read anew each time: a key of a second ago is a secret, too.
    let keys = store::keys(&mut tx).await?;
    let emails = store::redacts_emails(&mut tx).await?;
    tx.commit().await?;
    let ring = keyring.clone();
    // Long bodies take their time, which is not that of the calls.
    let sealed = tokio::task::spawn_blocking(move || {
        // A key that cannot be opened is of no use to anybody.
        let known: Vec<Secret> = keys
            .into_iter()
            .filter_map(|key| Credentials::open(&ring, key.id, Some(key.sealed)).ok())
            .flat_map(Credentials::secrets)
            .collect();
        let redactor = Redactor::new(known, emails);
        payloads.iter().map(|payload| seal(&ring, &redactor, payload)).collect()
    });
    let sealed: Result<Vec<NewPayload>, CryptoError> =
        sealed.await.unwrap_or(Err(CryptoError::Seal));
    let mut tx = db.begin_maintenance().await?;
    store::insert(&mut tx, &sealed?, clock.now()).await?;
    tx.commit().await?;
    Ok(())
}

fn seal(
    keyring: &Keyring,
    redactor: &Redactor,
    payload: &Finished,
) -> Result<NewPayload, CryptoError> {
    let request = redactor.body(&payload.request);
    let answer = redactor.answer(&payload.answer.kept, payload.answer.bytes);
    let reasoning = redactor.answer(&payload.reasoning.kept, payload.reasoning.bytes);
    let content = Content {
        request: request.text,
        request_bytes: payload.request.len() as u64,
        request_cut: request.cut,
        answer: answer.text,
        answer_bytes: payload.answer.bytes as u64,
        answer_cut: answer.cut || reasoning.cut,
        reasoning: reasoning.text,
        error: payload.error.as_deref().map(|error| redactor.text(error)),
    };
    let text = serde_json::to_string(&content).map_err(|_| CryptoError::Seal)?;
    let sealed = keyring.seal(SEALED_IN, payload.id, &Secret::new(text))?;
    Ok(NewPayload { id: payload.id, user_id: payload.user_id, sealed })
}
