use async_trait::async_trait;
use lyceum_jobs::{Job, JobContext, JobError};
use serde::{Deserialize, Serialize};

use super::store;
use crate::{Gateway, GatewayError};

/// Payloads deleted in one transaction.
const BATCH: i64 = 1000;

/// Deletes payloads that are older than the settings say; every hour.
#[derive(Debug, Serialize, Deserialize)]
pub struct ForgetPayloads {}

#[async_trait]
impl Job for ForgetPayloads {
    const NAME: &'static str = "gateway.forget_payloads";
    type State = Gateway;

    async fn run(self, gateway: Gateway, context: JobContext) -> Result<(), JobError> {
        while !context.shutdown.is_cancelled() {
            let done = gateway.forget_payloads(BATCH).await;
            if done.map_err(|error| JobError::retry(&error))? == 0 {
                break;
            }
        }
        Ok(())
    }
}

impl Gateway {
    async fn forget_payloads(&self, most: i64) -> Result<u64, GatewayError> {
        let mut tx = self.inner.db.begin_maintenance().await?;
        let forgotten = store::forget(&mut tx, self.inner.clock.now(), most).await?;
        tx.commit().await?;
        Ok(forgotten)
    }
}
