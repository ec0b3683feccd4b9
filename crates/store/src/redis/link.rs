use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, RedisResult, cmd};
use tokio::sync::Notify;

use super::error::{CLUSTER, Failure};
use super::trial::{self, Tried};
use super::{RedisError, RedisHealth, RedisRefusal, RedisSettings, RedisStatus, tls};

/// How long a connection may take to come about.
const CONNECTING: Duration = Duration::from_secs(1);
/// Between two looks while it answers.
const LOOK: Duration = Duration::from_secs(1);
/// Between two attempts while it does not.
const RETRY: Duration = Duration::from_millis(500);
/// Questions that wait for their turn to be sent.
const QUEUE: usize = 1024;

/// Reasons that are told; more are of one kind, with other words.
const MOST_TOLD: usize = 32;
/// How long a reason that was told is not told again; later it may have gone and come back.
const TELL_AGAIN: Duration = Duration::from_secs(3600);

/// The connection, and what is known of it. The crate's own connection manager is not used: it
/// lets calls wait while it connects again, and gives up for good where the server once refused.
pub(super) struct Link {
    client: Client,
    address: String,
    patience: Duration,
    state: RwLock<State>,
    lost: Notify,
    told: Mutex<Told>,
    /// The last question that was refused: why, and when.
    refused: Mutex<Option<(String, Instant)>>,
}

/// Why questions were refused or it is away, and when it was told.
#[derive(Default)]
struct Told(BTreeMap<String, Instant>);

impl Told {
    /// Whether a reason is to be told; then it counts as told.
    fn is_news(&mut self, reason: &str, now: Instant) -> bool {
        self.0.retain(|_, at| now.saturating_duration_since(*at) < TELL_AGAIN);
        let news = self.0.len() < MOST_TOLD && !self.0.contains_key(reason);
        if news {
            self.0.insert(reason.to_owned(), now);
        }
        news
    }
}

struct State {
    line: Line,
    since: Instant,
    /// Which connection it is, so that the end of an older one is not taken for its own.
    number: u64,
}

enum Line {
    Up { connection: MultiplexedConnection, version: String, latency: Duration },
    Down { reason: String },
}

impl Link {
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, RedisError> {
        let client = tls::client(settings)?;
        let address = client.get_connection_info().addr().to_string();
        let line = Line::Down { reason: "it was not asked yet".to_owned() };
        let state = RwLock::new(State { line, since: Instant::now(), number: 0 });
        let (patience, lost) = (settings.patience, Notify::new());
        let (told, refused) = (Mutex::default(), Mutex::default());
        Ok(Self { client, address, patience, state, lost, told, refused })
    }

    /// The first connection.
    pub(super) async fn open(&self) -> Result<(), RedisError> {
        match self.connect().await {
            Ok(None) => Ok(()),
            Ok(Some(reason)) | Err(Failure::Refused(reason) | Failure::Denied(reason)) => {
                Err(RedisError::Refused { address: self.address.clone(), reason })
            }
            Err(Failure::Away(reason)) => {
                let number = self.read().number;
                self.lose(number, reason);
                self.tell_away();
                Ok(())
            }
        }
    }

    /// Looks after the connection for ever.
    pub(super) async fn keep(&self) {
        loop {
            if self.is_up() {
                tokio::select! {
                    () = self.lost.notified() => {}
                    () = tokio::time::sleep(LOOK) => self.look().await,
                }
                continue;
            }
            tokio::time::sleep(RETRY).await;
            match self.connect().await {
                Ok(None) => self.note_refused(None),
                // As of a user whose rights are taken back while it is up.
                Ok(Some(reason)) => self.tell_denied(&reason),
                Err(failure) => self.explain(failure.reason()),
            }
        }
    }

    /// Sees whether it still answers, and how fast.
    async fn look(&self) {
        let asked = Instant::now();
        let ping = cmd("PING");
        let answer: Option<String> =
            self.ask(async |connection| ping.query_async(connection).await).await;
        if answer.is_some()
            && let Line::Up { latency, .. } = &mut self.write().line
        {
            *latency = asked.elapsed();
        }
    }

    /// Asks by the connection that there is. Where that fails, whoever comes next is not kept waiting;
    /// a server that answers and only refuses the question stays.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Option<T> {
        let (mut connection, number) = {
            let state = self.read();
            let Line::Up { connection, .. } = &state.line else { return None };
            (connection.clone(), state.number)
        };
        let failure = match tokio::time::timeout(self.patience, question(&mut connection)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => Failure::from(error),
            Err(_) => {
                let patience = self.patience.as_millis();
                Failure::Away(format!("it did not answer within {patience} ms"))
            }
        };
        match failure {
            Failure::Denied(reason) => self.tell_denied(&reason),
            failure => {
                if self.lose(number, failure.reason()) {
                    self.tell_away();
                    self.lost.notify_one();
                }
            }
        }
        None
    }

    /// Connects; says what the user may not do, if there is something.
    async fn connect(&self) -> Result<Option<String>, Failure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTING))
            .set_response_timeout(Some(CONNECTING))
            .set_pipeline_buffer_size(QUEUE);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        // The set-up of a connection has no bound of its own.
        let connected = tokio::time::timeout(CONNECTING, connecting).await;
        let mut connection = connected
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
            .map_err(|error| tls::explain(self.client.get_connection_info().addr(), error))?;
        let Tried { latency, denied } = trial::run(&mut connection).await?;
        let version = version(&mut connection).await?;
        // From here on questions have a bound of ours.
        connection.set_response_timeout(CONNECTING.max(self.patience));
        tracing::info!(address = self.address, version, "Redis answers");
        let mut state = self.write();
        let line = Line::Up { connection, version, latency };
        *state = State { line, since: Instant::now(), number: state.number + 1 };
        Ok(denied)
    }

    /// Notes that connection `number` is of no more use; says whether that is news.
    fn lose(&self, number: u64, reason: String) -> bool {
        let mut state = self.write();
        if state.number != number {
            return false;
        }
        *state = State { line: Line::Down { reason }, since: Instant::now(), number: number + 1 };
        true
    }

    /// Notes why it is still away, and tells it where it was not told lately.
    fn explain(&self, news: String) {
        if self.is_news(&news) {
            tracing::warn!(address = self.address, reason = news, "Redis is still away");
        }
        if let Line::Down { reason } = &mut self.write().line {
            *reason = news;
        }
    }

    fn tell_away(&self) {
        let reason = self.status(Instant::now()).reason.unwrap_or_default();
        // It goes away seldom, so that is told each time; this only keeps it from being told again.
        let _told_anyway = self.is_news(&reason);
        tracing::warn!(
            address = self.address,
            reason,
            "Redis is away: each node limits and counts by itself until it answers again"
        );
    }

    /// Notes why a question was refused, and tells it where it was not told lately.
    fn tell_denied(&self, reason: &str) {
        self.note_refused(Some((reason.to_owned(), Instant::now())));
        if self.is_news(reason) {
            tracing::error!(
                address = self.address,
                reason,
                "Redis refuses a command; what needs it goes on without Redis"
            );
        }
    }

    fn note_refused(&self, refused: Option<(String, Instant)>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }

    /// The last refusal, as long as it is not told again.
    fn refused(&self, now: Instant) -> Option<RedisRefusal> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let (reason, at) = refused.as_ref()?;
        let ago = now.saturating_duration_since(*at);
        let (reason, seconds_ago) = (reason.clone(), ago.as_secs());
        (ago < TELL_AGAIN).then_some(RedisRefusal { reason, seconds_ago })
    }

    fn is_news(&self, reason: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.is_news(reason, Instant::now())
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.read().line, Line::Up { .. })
    }

    pub(super) fn status(&self, now: Instant) -> RedisStatus {
        let state = self.read();
        let (health, reason) = match &state.line {
            Line::Up { version, latency, .. } => {
                let (version, latency_ms) = (version.clone(), latency.as_secs_f64() * 1000.0);
                (Some(RedisHealth { version, latency_ms }), None)
            }
            Line::Down { reason } => (None, Some(reason.clone())),
        };
        let for_seconds = now.saturating_duration_since(state.since).as_secs();
        let (address, refused) = (self.address.clone(), self.refused(now));
        RedisStatus { address, health, reason, for_seconds, refused }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which program it is, as far as it tells; a node of a cluster is refused.
async fn version(connection: &mut MultiplexedConnection) -> Result<String, Failure> {
    let info: RedisResult<String> = cmd("INFO").arg("server").query_async(connection).await;
    // Not everybody may ask.
    let info = info.unwrap_or_default();
    let of = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if of("redis_mode:") == Some("cluster") {
        return Err(Failure::Refused(CLUSTER.to_owned()));
    }
    Ok(match (of("valkey_version:"), of("redis_version:")) {
        (Some(version), _) => format!("valkey {version}"),
        (None, Some(version)) => format!("redis {version}"),
        (None, None) => "unknown".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_once_and_again_where_it_comes_back_later() {
        let (mut told, start) = (Told::default(), Instant::now());
        assert!(told.is_news("HSET", start));
        assert!(!told.is_news("HSET", start + TELL_AGAIN / 2), "it was told");
        assert!(told.is_news("GET", start + TELL_AGAIN / 2));
        assert!(told.is_news("HSET", start + TELL_AGAIN));
        assert!(!told.is_news("GET", start + TELL_AGAIN));
        // Many at once are of one kind.
        let news = (0..100).filter(|number| told.is_news(&number.to_string(), start + TELL_AGAIN));
        assert_eq!(news.count() + 2, MOST_TOLD);
    }
}
