use async_trait::async_trait;
use futures::TryStreamExt as _;
use lyceum_core::chain;
use lyceum_jobs::{Job, JobContext, JobError};
use lyceum_store::{ObjectError, Tx};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::archive::{Archive, BrokenOff};
use super::store::{self, PersonalTable};
use super::{KEPT, object};
use crate::{Identity, IdentityError, avatar};

/// No export is larger than this.
const MAX_BYTES: u64 = 1 << 40;
/// The log is the platform's own: a person's part of it is picked out below.
const AUDIT: &str = "ops/audit_logs";

/// Puts a person's data together.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExportData {
    pub(crate) export_id: Uuid,
}

#[async_trait]
impl Job for ExportData {
    const NAME: &'static str = "identity.export_data";
    const MAX_ATTEMPTS: i32 = 4;
    type State = Identity;

    async fn run(self, identity: Identity, context: JobContext) -> Result<(), JobError> {
        let done = tokio::select! {
            done = identity.make_export(self.export_id) => done,
            // What was packed is thrown away; the next attempt begins anew.
            () = context.shutdown.cancelled() => {
                return Err(JobError::Retry("stopping".to_owned()));
            }
        };
        let Err(error) = done else { return Ok(()) };
        if context.is_last_attempt() {
            identity.give_export_up(self.export_id).await.map_err(|e| JobError::retry(&e))?;
        }
        Err(JobError::Retry(chain(&error)))
    }
}

/// Why an export was not made.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("the data could not be read")]
    Read(#[from] IdentityError),
    #[error("the data could not be read")]
    Row(#[from] sqlx::Error),
    #[error("a file could not be read")]
    File(#[source] ObjectError),
    #[error("the export could not be stored")]
    Store(#[source] ObjectError),
    #[error(transparent)]
    BrokenOff(#[from] BrokenOff),
}

impl From<lyceum_store::StoreError> for ExportError {
    fn from(error: lyceum_store::StoreError) -> Self {
        ExportError::Read(error.into())
    }
}

impl Identity {
    async fn make_export(&self, export: Uuid) -> Result<(), ExportError> {
        let mut tx = self.db().begin_maintenance().await?;
        let Some(user) = store::begin(&mut tx, export).await? else { return Ok(()) };
        tx.commit().await?;

        let (archive, packed) = Archive::new();
        let path = object(user, export);
        let storing = async {
            self.objects().put(&path, packed, MAX_BYTES).await.map_err(ExportError::Store)
        };
        let ((), stored) = tokio::try_join!(self.fill(user, archive), storing)?;

        let now = self.clock().now();
        let mut tx = self.db().begin_maintenance().await?;
        let size = i64::try_from(stored.size).unwrap_or(i64::MAX);
        store::finish(&mut tx, export, size, now, now + KEPT).await?;
        tx.commit().await?;
        tracing::info!(%user, %export, size, "a person's data was exported");
        Ok(())
    }

    async fn give_export_up(&self, export: Uuid) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_maintenance().await?;
        store::give_up(&mut tx, export, self.clock().now()).await?;
        tx.commit().await.map_err(IdentityError::from)
    }

    /// Writes all that is the person's, as they see it under row-level security.
    async fn fill(&self, user: Uuid, archive: Archive) -> Result<(), ExportError> {
        let mut tx = self.db().begin_as(user).await?;
        store::read_only(&mut tx).await?;
        let tables = store::personal_tables(&mut tx).await?;
        for table in tables.iter().filter(|table| table.name != AUDIT) {
            write_table(&archive, &mut tx, table, user).await?;
        }
        for table in tables.iter().filter(|table| table.has_files) {
            for path in store::files(&mut tx, table, user).await? {
                self.copy_file(&archive, path).await?;
            }
        }
        drop(tx);
        let pictures = self.objects().list(&avatar::folder(user)).await;
        for path in pictures.map_err(ExportError::File)? {
            self.copy_file(&archive, path).await?;
        }
        let mut tx = self.db().begin_maintenance().await?;
        archive.file(format!("{AUDIT}.json")).await?;
        write_rows(&archive, store::audit_entries(&mut tx, user)).await?;
        archive.end().await?;
        Ok(())
    }

    async fn copy_file(&self, archive: &Archive, path: String) -> Result<(), ExportError> {
        let mut bytes = match self.objects().get(&path).await {
            // Deleted for good a moment ago.
            Err(ObjectError::NotFound) => return Ok(()),
            found => found.map_err(ExportError::File)?,
        };
        archive.file(format!("files/{path}")).await?;
        while let Some(piece) = bytes.try_next().await.map_err(ExportError::File)? {
            archive.write(piece).await?;
        }
        Ok(())
    }
}

async fn write_table(
    archive: &Archive,
    tx: &mut Tx,
    table: &PersonalTable,
    user: Uuid,
) -> Result<(), ExportError> {
    archive.file(format!("{}.json", table.name)).await?;
    let mut query = store::rows(table, user);
    write_rows(archive, query.build_query_scalar().fetch(&mut **tx)).await
}

/// A JSON array with one row a line.
async fn write_rows(
    archive: &Archive,
    rows: impl futures::Stream<Item = Result<String, sqlx::Error>>,
) -> Result<(), ExportError> {
    let mut rows = std::pin::pin!(rows);
    let mut before = "[\n";
    while let Some(row) = rows.try_next().await? {
        archive.write([before, &row].concat()).await?;
        before = ",\n";
    }
    archive.write(if before == "[\n" { "[]\n" } else { "\n]\n" }).await?;
    Ok(())
}
