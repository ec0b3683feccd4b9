use std::time::Duration;

use futures::Stream;
use sqlx::postgres::PgListener;

use crate::Db;

/// Pause before listening again after the connection failed; what is remembered is at most this old.
const RETRY_AFTER: Duration = Duration::from_millis(900);

impl Db {
    /// What the database tells on `channel`, for ever: the payload of each notification, and `None`
    /// where something may have been missed (at the start, and whenever the connection was lost), so
    /// that nothing that is remembered holds any more. Keeps one connection of the pool.
    pub fn notifications(
        &self,
        channel: &'static str,
    ) -> impl Stream<Item = Option<String>> + use<> {
        let pool = self.pool().clone();
        async_stream::stream! {
            loop {
                let mut listener = match listen(&pool, channel).await {
                    Ok(listener) => listener,
                    Err(error) => {
                        tracing::warn!(%error, channel, "listening for changes failed");
                        yield None;
                        tokio::time::sleep(RETRY_AFTER).await;
                        continue;
                    }
                };
                // What changed before the listening began was not heard.
                yield None;
                loop {
                    match listener.try_recv().await {
                        Ok(Some(notification)) => yield Some(notification.payload().to_owned()),
                        Ok(None) => break,
                        Err(error) => {
                            tracing::warn!(%error, channel, "listening for changes failed");
                            break;
                        }
                    }
                }
                drop(listener);
                yield None;
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

async fn listen(pool: &sqlx::PgPool, channel: &str) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    Ok(listener)
}
