//! A person's own data as one ZIP file: each table that the catalogue says is theirs as JSON, and
//! the files that they uploaded, their picture among them.

mod archive;
pub(crate) mod http;
mod job;
pub(crate) mod store;

use chrono::TimeDelta;
use futures::stream::BoxStream;
use lyceum_core::{Page, PageRequest, new_id};
use lyceum_http::Caller;
use lyceum_jobs::{EnqueueOptions, enqueue};
use lyceum_store::ObjectError;
use lyceum_store::audit::{self, AuditEntry};
use serde_json::json;
use uuid::Uuid;

use crate::people::PeopleError;
use crate::{Identity, IdentityError};

pub(crate) use job::ExportData;
use store::ExportRow;

/// How long a finished export is kept.
const KEPT: TimeDelta = TimeDelta::days(7);
/// Exports of one person that are there at once.
const EXPORTS_MAX: i64 = 5;

/// Where an export's file lies.
pub(crate) fn object(user: Uuid, export: Uuid) -> String {
    format!("results/exports/{user}/{export}.zip")
}

/// A file to be handed out, with its size.
pub(crate) type ExportFile =
    (BoxStream<'static, Result<axum::body::Bytes, ObjectError>>, Option<i64>);

impl Identity {
    /// Has the caller's data put together.
    pub(crate) async fn request_export(&self, caller: &Caller) -> Result<ExportRow, IdentityError> {
        caller.require_session()?;
        let (id, now) = (new_id(), self.clock().now());
        let mut tx = self.db().begin_as(caller.user_id).await?;
        if !store::insert(&mut tx, id, caller.user_id, now, EXPORTS_MAX).await? {
            let what = "exports";
            return Err(IdentityError::TooMany { what, limit: EXPORTS_MAX });
        }
        enqueue(&mut tx, &ExportData { export_id: id }, EnqueueOptions::default()).await?;
        let row = store::find(&mut tx, caller.user_id, id).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        row.ok_or(IdentityError::NotFound("export"))
    }

    /// A page of the caller's exports, newest first.
    pub(crate) async fn exports(
        &self,
        caller: &Caller,
        page: PageRequest,
    ) -> Result<Page<ExportRow>, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::list(&mut tx, caller.user_id, page).await
    }

    /// One of the caller's exports.
    pub(crate) async fn export(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<ExportRow, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        let found = store::find(&mut tx, caller.user_id, id).await?;
        found.ok_or(IdentityError::NotFound("export"))
    }

    /// Hands out one of the caller's exports, and records that.
    pub(crate) async fn export_file(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<ExportFile, IdentityError> {
        caller.require_session()?;
        let now = self.clock().now();
        let found = self.export(caller, id).await?;
        if !found.expires_at.is_some_and(|end| found.status == "ready" && now < end) {
            return Err(PeopleError::ExportNotReady.into());
        }
        let bytes = self.objects().get(&object(caller.user_id, id)).await;
        let bytes = bytes.map_err(PeopleError::from)?;
        let mut tx = self.db().begin_as(caller.user_id).await?;
        let entry = AuditEntry {
            user_id: Some(caller.user_id),
            action: "export",
            resource_type: "data_export",
            resource_id: Some(id),
            details: json!({ "size_bytes": found.size_bytes }),
            ip: caller.client.ip,
            user_agent: caller.client.user_agent.as_deref(),
            at: now,
        };
        audit::record(&mut tx, entry).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok((bytes, found.size_bytes))
    }
}
