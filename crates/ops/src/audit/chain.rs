//! Keeping the log's chain of hashes up to date, telling where it stands, and reading it again.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use lyceum_core::chain as causes;
use lyceum_jobs::{CancellationToken, Job, JobContext, JobError};
use lyceum_store::StoreError;
use lyceum_store::audit::{self, ChainState, Fault, Range, Verification};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Ops, OpsError};

/// How often is looked for what was committed. Asking costs less than being told: a notification
/// would make all committing transactions take turns.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where the chain of the audit log stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditChain {
    /// The head as `SEQ:HASH`. Kept elsewhere, it proves later that nothing up to here was changed:
    /// pass it to `lyceum audit verify --anchor` or to the verification below.
    anchor: String,
    /// When the last entry was linked.
    linked_at: Option<DateTime<Utc>>,
    /// Committed entries that are not linked yet; they are within a second or so.
    pending: i64,
    /// What retention forgot last.
    forgotten: Option<AuditForgotten>,
}

/// What retention forgot of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditForgotten {
    /// The last forgotten link as `SEQ:HASH`.
    anchor: String,
    /// Entries before this moment are gone.
    before: DateTime<Utc>,
    /// When they were forgotten.
    at: DateTime<Utc>,
}

/// What came of reading the audit log and its chain again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditVerification {
    /// Whether everything is as it was.
    intact: bool,
    /// Where the chain stood.
    chain: AuditChain,
    /// The first link read.
    first_seq: Option<i64>,
    /// The last link read.
    last_seq: Option<i64>,
    /// Links read.
    links: u64,
    /// Links among them whose entry retention forgot.
    forgotten: u64,
    /// Links among them made more than an hour after the time that their entry bears: written while
    /// no program ran, before there was a chain, or dated back.
    late: u64,
    /// All faults; the first of them are below.
    broken: u64,
    faults: Vec<AuditFault>,
}

/// A place where the audit log or its chain is not what it was.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditFault {
    /// What is wrong, such as `entry_changed`.
    code: &'static str,
    /// The same in words.
    detail: String,
    /// The link's number.
    seq: Option<i64>,
    /// The entry of the log.
    entry_id: Option<Uuid>,
    /// The time that the entry bears.
    entry_at: Option<DateTime<Utc>>,
}

/// Writes the head of the chain to the program's log, from where it may be kept elsewhere.
#[derive(Debug, Serialize, Deserialize)]
pub struct NoteAuditAnchor {}

#[async_trait]
impl Job for NoteAuditAnchor {
    const NAME: &'static str = "ops.note_audit_anchor";
    type State = Ops;

    async fn run(self, ops: Ops, _: JobContext) -> Result<(), JobError> {
        let chain = ops.chain_state().await.map_err(|error| JobError::retry(&error))?;
        tracing::info!(anchor = %chain.head, pending = chain.pending, "the audit log's chain");
        Ok(())
    }
}

impl Ops {
    /// Links what is written to the audit log until `shutdown`. Run it once on each node; one of
    /// them at a time does the work.
    pub async fn run(&self, shutdown: CancellationToken) {
        let linking = async {
            loop {
                if let Err(error) = self.link_committed().await {
                    tracing::warn!(error = causes(&error), "the audit log was not linked");
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            () = linking => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn link_committed(&self) -> Result<(), StoreError> {
        while audit::link(&self.inner.db, &self.inner.clock).await?.is_some_and(|n| n > 0) {}
        Ok(())
    }

    async fn chain_state(&self) -> Result<ChainState, OpsError> {
        let mut tx = self.inner.db.begin_maintenance().await?;
        let state = audit::state(&mut tx).await?;
        tx.commit().await?;
        Ok(state)
    }

    /// Where the chain stands.
    pub(crate) async fn audit_chain(&self) -> Result<AuditChain, OpsError> {
        Ok(self.chain_state().await?.into())
    }

    /// Reads the chain again; one reading at a time, for it takes the database's strength.
    pub(crate) async fn verify_audit(&self, range: Range) -> Result<AuditVerification, OpsError> {
        let _alone = self.inner.verifying.try_lock().map_err(|_| OpsError::Verifying)?;
        Ok(audit::verify(&self.inner.db, range, |_| {}).await?.into())
    }
}

impl From<ChainState> for AuditChain {
    fn from(state: ChainState) -> Self {
        Self {
            anchor: state.head.to_string(),
            linked_at: state.linked_at,
            pending: state.pending,
            forgotten: state.checkpoint.map(|checkpoint| AuditForgotten {
                anchor: checkpoint.anchor.to_string(),
                before: checkpoint.forgotten_before,
                at: checkpoint.created_at,
            }),
        }
    }
}

impl From<Verification> for AuditVerification {
    fn from(found: Verification) -> Self {
        let (first_seq, last_seq) = found.range.unzip();
        Self {
            intact: found.broken == 0,
            chain: found.state.into(),
            first_seq,
            last_seq,
            links: found.links,
            forgotten: found.forgotten,
            late: found.late,
            broken: found.broken,
            faults: found.faults.into_iter().map(AuditFault::from).collect(),
        }
    }
}

impl From<Fault> for AuditFault {
    fn from(fault: Fault) -> Self {
        Self {
            code: fault.kind.code(),
            detail: fault.to_string(),
            seq: fault.seq,
            entry_id: fault.entry,
            entry_at: fault.entry_at,
        }
    }
}
