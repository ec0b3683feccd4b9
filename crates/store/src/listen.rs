use std::time::Duration;

use futures::{Stream, StreamExt as _};
use sqlx::PgPool;
use sqlx::postgres::PgListener;

use crate::Db;

/// Pause before listening again after the connection failed; what is remembered is at most this old.
const RETRY_AFTER: Duration = Duration::from_millis(900);

/// What a listener hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// From now on nothing is missed; what changed before was not heard.
    Listening,
    /// The payload of a notification.
    Told(String),
    /// The connection is gone: something may be missed until it listens again.
    Lost,
}

impl Db {
    /// What the database tells on `channel`, until the pool is closed. Keeps one connection of it.
    pub fn listen(&self, channel: &'static str) -> impl Stream<Item = Heard> + use<> {
        let pool = self.pool().clone();
        async_stream::stream! {
            loop {
                match listen(&pool, channel).await {
                    Ok(mut listener) => {
                        yield Heard::Listening;
                        loop {
                            match listener.try_recv().await {
                                Ok(Some(notification)) => {
                                    yield Heard::Told(notification.payload().to_owned());
                                }
                                Ok(None) => break,
                                Err(error) => {
                                    warn(&pool, channel, &error);
                                    break;
                                }
                            }
                        }
                    }
                    Err(error) => warn(&pool, channel, &error),
                }
                yield Heard::Lost;
                if pool.is_closed() {
                    return;
                }
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }

    /// The same for those to whom it is one whether a connection began or ended: the payload of each
    /// notification, and `None` where something may have been missed, so that nothing that is
    /// remembered holds any more.
    pub fn notifications(
        &self,
        channel: &'static str,
    ) -> impl Stream<Item = Option<String>> + use<> {
        self.listen(channel).map(|heard| match heard {
            Heard::Told(payload) => Some(payload),
            Heard::Listening | Heard::Lost => None,
        })
    }
}

async fn listen(pool: &PgPool, channel: &str) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    Ok(listener)
}

/// That a pool was closed on purpose is no failure.
fn warn(pool: &PgPool, channel: &str, error: &sqlx::Error) {
    if !pool.is_closed() {
        tracing::warn!(%error, channel, "listening for changes failed");
    }
}
