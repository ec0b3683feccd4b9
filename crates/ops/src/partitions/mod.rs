//! Partitions made ahead, on every table that the catalogue says is partitioned.

mod store;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use lyceum_jobs::{Job, JobContext, JobError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use store::figures;

use crate::{Ops, OpsError};

/// Months for which partitions stand ready.
const MONTHS_AHEAD: i32 = 3;

/// How far a table's partitions reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PartitionFigures {
    /// The table.
    pub(crate) name: String,
    pub(crate) partitions: i64,
    /// Rows from here on would fall into the default partition.
    pub(crate) covered_until: Option<DateTime<Utc>>,
    /// Rows in the default partition, counted up to 1000; more than none is an alarm.
    pub(crate) default_rows: i64,
}

/// Makes the partitions of the months ahead, and raises the alarm where a row missed them.
#[derive(Debug, Serialize, Deserialize)]
pub struct MakePartitions {}

#[async_trait]
impl Job for MakePartitions {
    const NAME: &'static str = "ops.make_partitions";
    type State = Ops;

    async fn run(self, ops: Ops, _: JobContext) -> Result<(), JobError> {
        ops.make_partitions().await.map_err(|error| JobError::retry(&error))
    }
}

impl Ops {
    async fn make_partitions(&self) -> Result<(), OpsError> {
        let mut tx = self.inner.db.begin_maintenance().await?;
        let outcomes = store::ensure(&mut tx, MONTHS_AHEAD).await?;
        let figures = figures(&mut tx).await?;
        tx.commit().await?;
        for outcome in outcomes {
            if let Some(problem) = outcome.problem {
                tracing::error!(table = outcome.name, problem, "partitions could not be made");
            } else if outcome.made > 0 {
                tracing::info!(table = outcome.name, made = outcome.made, "partitions made");
            }
        }
        for figure in figures.iter().filter(|figure| figure.default_rows > 0) {
            tracing::error!(
                table = figure.name,
                rows = figure.default_rows,
                "the default partition holds rows"
            );
        }
        Ok(())
    }
}
