//! Sums of the ledger, exact at every moment and cheap at any size.
//!
//! The statement that adds rows to the ledger appends their sums to `gateway.usage_deltas` (by a
//! trigger); [`FoldUsage`] moves these into `gateway.usage_rollups`, in one transaction. Whoever adds
//! up both in one statement sees what the ledger holds, the rows of this second included.
//!
//! [`parts`] chooses what a sum is made of: whole days in UTC, whole quarters of an hour, and, where
//! a span begins or ends within a quarter of an hour, the ledger's own rows. Those alone say for which
//! end user a call was made: whoever asks for that reads them for the whole span.

mod parts;
mod span;
mod store;

use async_trait::async_trait;
use lyceum_jobs::{Job, JobContext, JobError};
use serde::{Deserialize, Serialize};

pub(crate) use parts::{Filter, Parts, SUMS};
pub(crate) use span::quarter_after;

use crate::{Gateway, GatewayError};

/// Deltas moved in one transaction.
const BATCH: i64 = 20_000;

/// Moves the sums of new calls into the roll-ups; every minute.
#[derive(Debug, Serialize, Deserialize)]
pub struct FoldUsage {}

#[async_trait]
impl Job for FoldUsage {
    const NAME: &'static str = "gateway.fold_usage";
    type State = Gateway;

    async fn run(self, gateway: Gateway, context: JobContext) -> Result<(), JobError> {
        while !context.shutdown.is_cancelled() {
            let moved = gateway.fold_usage(BATCH).await;
            if moved.map_err(|error| JobError::retry(&error))? < BATCH {
                break;
            }
        }
        Ok(())
    }
}

impl Gateway {
    /// Moves up to `most` sums of new calls into the roll-ups; answers how many.
    pub async fn fold_usage(&self, most: i64) -> Result<i64, GatewayError> {
        let mut tx = self.inner.db.begin_maintenance().await?;
        let moved = store::fold(&mut tx, most).await?;
        tx.commit().await?;
        Ok(moved)
    }
}
