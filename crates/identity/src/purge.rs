use std::collections::HashSet;

use async_trait::async_trait;
use chrono::TimeDelta;
use lyceum_jobs::{Job, JobContext, JobError};
use lyceum_store::StoreError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::people::PeopleError;
use crate::{Identity, IdentityError, export};

/// How long an ended session is kept, for whoever looks into what happened.
const KEEP_ENDED: TimeDelta = TimeDelta::days(7);
/// How long failed attempts are remembered.
const KEEP_ATTEMPTS: TimeDelta = TimeDelta::days(1);

/// Deletes what ended long ago; once a day.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PurgeExpired {}

#[async_trait]
impl Job for PurgeExpired {
    const NAME: &'static str = "identity.purge_expired";
    type State = Identity;

    async fn run(self, identity: Identity, _: JobContext) -> Result<(), JobError> {
        let rows = identity.purge_expired().await?;
        tracing::info!(rows, "ended sessions, links and attempts were purged");
        identity.purge_exports().await.map_err(|error| JobError::retry(&error))?;
        identity.sweep_objects().await.map_err(|error| JobError::retry(&error))
    }
}

impl Identity {
    /// Deletes sessions, links and invitations that ended more than seven days ago and attempts older than a
    /// day. Answers how many rows went.
    pub async fn purge_expired(&self) -> Result<u64, StoreError> {
        let now = self.clock().now();
        let mut tx = self.db().begin_maintenance().await?;
        let sessions = sqlx::query!(
            "DELETE FROM identity.user_sessions WHERE expires_at < $1 OR revoked_at < $1",
            now - KEEP_ENDED,
        )
        .execute(&mut *tx)
        .await?;
        let attempts = sqlx::query!(
            "DELETE FROM identity.login_attempts
             WHERE last_failed_at < $1 AND (locked_until IS NULL OR locked_until < $2)",
            now - KEEP_ATTEMPTS,
            now,
        )
        .execute(&mut *tx)
        .await?;
        let links = sqlx::query!(
            "DELETE FROM identity.account_links WHERE expires_at < $1",
            now - KEEP_ENDED
        )
        .execute(&mut *tx)
        .await?;
        let invitations = sqlx::query!(
            "DELETE FROM identity.invitations WHERE expires_at < $1",
            now - KEEP_ENDED
        )
        .execute(&mut *tx)
        .await?;
        let registrations =
            sqlx::query!("DELETE FROM identity.registrations WHERE expires_at < $1", now)
                .execute(&mut *tx)
                .await?;
        tx.commit().await?;
        let deleted = [sessions, attempts, links, invitations, registrations];
        Ok(deleted.iter().map(|done| done.rows_affected()).sum())
    }

    /// Deletes the exports that are not kept any more, the file first.
    async fn purge_exports(&self) -> Result<(), IdentityError> {
        let now = self.clock().now();
        let mut tx = self.db().begin_maintenance().await?;
        let expired = export::store::expired(&mut tx, now, now - KEEP_ENDED).await?;
        for (id, user) in expired {
            let path = export::object(user, id);
            self.objects().delete(&path).await.map_err(PeopleError::from)?;
            export::store::remove(&mut tx, id).await?;
        }
        tx.commit().await.map_err(IdentityError::from)
    }

    /// Deletes pictures and exports of people who were purged.
    async fn sweep_objects(&self) -> Result<(), IdentityError> {
        for folder in ["avatars", "results/exports"] {
            let paths = self.objects().list(folder).await.map_err(PeopleError::from)?;
            let owner = |path: &str| -> Option<Uuid> {
                path.strip_prefix(folder)?.trim_start_matches('/').split('/').next()?.parse().ok()
            };
            let owners: HashSet<Uuid> = paths.iter().filter_map(|path| owner(path)).collect();
            let owners: Vec<Uuid> = owners.into_iter().collect();
            let mut tx = self.db().begin_maintenance().await?;
            let gone = sqlx::query_scalar!(
                r#"SELECT o.id AS "id!" FROM unnest($1::uuid[]) AS o (id)
                   WHERE NOT EXISTS (SELECT FROM identity.users u WHERE u.id = o.id)"#,
                &owners,
            )
            .fetch_all(&mut *tx)
            .await?;
            for user in gone {
                let below = [folder, "/", &user.to_string()].concat();
                self.objects().delete_below(&below).await.map_err(PeopleError::from)?;
                tracing::info!(folder, %user, "removed the files of somebody who is gone");
            }
        }
        Ok(())
    }
}
