//! What runs beside the service on each node.

use std::time::Duration;

use futures::StreamExt as _;
use lyceum_store::StoreError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Identity;

/// The channel on which the database tells of changes; the payload names what changed.
const CHANNEL: &str = "lyceum_identity";
/// How often uses of sessions and keys are written.
const FLUSH_EVERY: Duration = Duration::from_secs(15);

impl Identity {
    /// Listens for changes made by other nodes and writes when credentials were last used, until
    /// `shutdown`. Run it once on each node.
    pub async fn run(&self, shutdown: CancellationToken) {
        let writing = async {
            loop {
                tokio::time::sleep(FLUSH_EVERY).await;
                self.flush_or_warn().await;
            }
        };
        tokio::select! {
            () = self.listen() => {}
            () = writing => {}
            () = shutdown.cancelled() => self.flush_or_warn().await,
        }
    }

    async fn listen(&self) {
        let mut changes = std::pin::pin!(self.db().notifications(CHANNEL));
        while let Some(changed) = changes.next().await {
            match changed.as_deref().and_then(|payload| payload.split_once(':')) {
                Some(("session", id)) if let Ok(id) = id.parse::<Uuid>() => {
                    self.credentials().forget_session(id).await;
                }
                // Of what people reach, credentials say nothing.
                Some(("access", _)) => self.note_change(),
                _ => {
                    self.credentials().forget_all();
                    self.note_change();
                }
            }
        }
    }

    async fn flush_or_warn(&self) {
        if let Err(error) = self.flush_last_used().await {
            tracing::warn!(%error, "the times of last use were not written");
        }
    }

    /// Writes when sessions and API keys were last used.
    pub async fn flush_last_used(&self) -> Result<(), StoreError> {
        let used = self.credentials().take_used();
        if used.sessions.is_empty() && used.api_keys.is_empty() {
            return Ok(());
        }
        let mut tx = self.db().begin_maintenance().await?;
        let (ids, times): (Vec<_>, Vec<_>) = used.sessions.into_iter().unzip();
        sqlx::query!(
            "UPDATE identity.user_sessions s SET last_used_at = used.at
             FROM unnest($1::uuid[], $2::timestamptz[]) AS used (id, at)
             WHERE s.id = used.id AND s.last_used_at < used.at",
            &ids,
            &times,
        )
        .execute(&mut *tx)
        .await?;
        let (ids, times): (Vec<_>, Vec<_>) = used.api_keys.into_iter().unzip();
        sqlx::query!(
            "UPDATE identity.api_keys k SET last_used_at = used.at
             FROM unnest($1::uuid[], $2::timestamptz[]) AS used (id, at)
             WHERE k.id = used.id AND (k.last_used_at IS NULL OR k.last_used_at < used.at)",
            &ids,
            &times,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}
