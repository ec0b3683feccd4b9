use std::hash::Hash;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lyceum_core::{ErrorKind, Problem as _};
use moka::future::Cache;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use crate::StoreError;

/// What the database said a moment ago, by key, so that most requests cost no query. However many ask
/// for a key at once, it is looked up once; and one that is asked for steadily is looked up again
/// before it is forgotten, so that nobody waits. Cheap to clone, and all clones are one.
#[derive(Clone)]
pub struct Remembered<K, V> {
    entries: Cache<K, Arc<Entry<V>>>,
    /// Counts what was forgotten: a look-up that was under way meanwhile may be out of date.
    changes: Arc<AtomicU64>,
    renewed: Duration,
    /// Where look-ups run, and connections that they open stay.
    home: Option<Handle>,
}

struct Entry<V> {
    value: V,
    at: Instant,
    /// The changes that were known before it was read.
    changes: u64,
    /// Whether there was no other by the time that it was kept.
    settled: AtomicBool,
    renewing: AtomicBool,
}

impl<K, V> Remembered<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Remembers up to `capacity` entries, each for `believed`. The first request after `renewed` has
    /// it looked up again beside it. Look-ups run on the runtime in which this is called.
    pub fn new(capacity: u64, believed: Duration, renewed: Duration) -> Self {
        let entries = Cache::builder().max_capacity(capacity).time_to_live(believed).build();
        Self { entries, changes: Arc::default(), renewed, home: Handle::try_current().ok() }
    }

    /// Forgets one entry.
    pub async fn forget(&self, key: &K) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate(key).await;
    }

    /// Forgets everything, which costs each key in use one look-up.
    pub fn forget_all(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate_all();
    }

    /// The value of a key, from memory or by `load`, as it was when this was called or later.
    pub async fn get<F, L>(&self, key: K, load: F) -> Result<V, StoreError>
    where
        F: Fn() -> L + Send + Sync + 'static,
        L: Future<Output = Result<V, StoreError>> + Send + 'static,
    {
        let found = self.entries.get(&key).await;
        if let Some(entry) = found.filter(|entry| entry.settled.load(Ordering::SeqCst)) {
            if entry.is_due(self.renewed) {
                let (this, old) = (self.clone(), entry.clone());
                self.spawn(async move { this.renew(key, &old, load).await });
            }
            return Ok(entry.value.clone());
        }
        // In a task, so that a request which nobody polls for a while does not hold up those that
        // wait for the same look-up.
        let this = self.clone();
        let looking = self.spawn(async move { this.look_up(key, load).await });
        looking.await.map_err(|_| StoreError(sqlx::Error::WorkerCrashed))?
    }

    fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let task = task.in_current_span();
        match &self.home {
            Some(home) => home.spawn(task),
            None => tokio::spawn(task),
        }
    }

    async fn look_up<F, L>(&self, key: K, load: F) -> Result<V, StoreError>
    where
        F: Fn() -> L,
        L: Future<Output = Result<V, StoreError>>,
    {
        let asked_at = self.changes.load(Ordering::SeqCst);
        loop {
            let entry = self.entries.try_get_with(key, self.read(&load)).await.map_err(own)?;
            self.settle(&key, &entry).await;
            // Somebody else may have begun to read it before the change that this request follows.
            if entry.changes >= asked_at {
                return Ok(entry.value.clone());
            }
        }
    }

    async fn renew<F, L>(&self, key: K, old: &Arc<Entry<V>>, load: F)
    where
        F: Fn() -> L,
        L: Future<Output = Result<V, StoreError>>,
    {
        // Where it fails, the entry expires and the next request tells the error.
        let Ok(entry) = self.read(&load).await else { return };
        // What has expired or was forgotten meanwhile is read anew, and may be newer.
        if self.entries.get(&key).await.is_some_and(|current| Arc::ptr_eq(&current, old)) {
            self.entries.insert(key, entry.clone()).await;
            self.settle(&key, &entry).await;
        }
    }

    async fn read<F, L>(&self, load: &F) -> Result<Arc<Entry<V>>, StoreError>
    where
        F: Fn() -> L,
        L: Future<Output = Result<V, StoreError>>,
    {
        let (at, changes) = (Instant::now(), self.changes.load(Ordering::SeqCst));
        let value = load().await?;
        let (settled, renewing) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Arc::new(Entry { value, at, changes, settled, renewing }))
    }

    /// What was read before a change must not be kept after it, nor be given to who comes after it.
    async fn settle(&self, key: &K, entry: &Entry<V>) {
        match self.changes.load(Ordering::SeqCst) == entry.changes {
            true => entry.settled.store(true, Ordering::SeqCst),
            false => self.entries.invalidate(key).await,
        }
    }
}

impl<V> Entry<V> {
    /// Whether it is time to look again; true once only.
    fn is_due(&self, renewed: Duration) -> bool {
        self.at.elapsed() >= renewed && !self.renewing.swap(true, Ordering::Relaxed)
    }
}

/// The failure of a look-up for which others wait as well, with its cause.
fn own(error: Arc<StoreError>) -> StoreError {
    Arc::try_unwrap(error).unwrap_or_else(|shared| {
        StoreError(match shared.kind() {
            ErrorKind::Unavailable => sqlx::Error::Io(io::Error::other(shared)),
            _ => sqlx::Error::AnyDriverError(Box::new(shared)),
        })
    })
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use tokio::sync::Notify;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    type LookUp = BoxFuture<'static, Result<u8, StoreError>>;

    fn remembered() -> Remembered<u8, u8> {
        Remembered::new(10, LONG, LONG)
    }

    async fn get(remembered: &Remembered<u8, u8>, key: u8, value: u8) -> u8 {
        remembered.get(key, move || async move { Ok(value) }).await.unwrap()
    }

    /// A look-up of `value`, which tells when it has begun and then waits until it may go on.
    fn slow(value: u8) -> (impl Fn() -> LookUp, Arc<Notify>, Arc<Notify>) {
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (telling, waiting) = (begun.clone(), go_on.clone());
        let load = move || -> LookUp {
            let (begun, go_on) = (telling.clone(), waiting.clone());
            Box::pin(async move {
                begun.notify_one();
                go_on.notified().await;
                Ok(value)
            })
        };
        (load, begun, go_on)
    }

    #[tokio::test]
    async fn what_is_remembered_is_not_looked_up_and_what_is_forgotten_is() {
        let remembered = remembered();
        assert_eq!(get(&remembered, 1, 1).await, 1);
        assert_eq!(get(&remembered, 1, 2).await, 1);
        assert_eq!(get(&remembered, 2, 2).await, 2);
        remembered.forget(&1).await;
        assert_eq!(get(&remembered, 1, 3).await, 3);
        assert_eq!(get(&remembered, 2, 3).await, 2);
        remembered.forget_all();
        assert_eq!(get(&remembered, 2, 4).await, 4);
    }

    #[tokio::test]
    async fn a_look_up_overtaken_by_a_change_is_not_kept() {
        let remembered = remembered();
        let overtaken = remembered.clone();
        let load = move || {
            let remembered = overtaken.clone();
            async move {
                remembered.forget(&1).await;
                Ok(1)
            }
        };
        remembered.get(1, load).await.unwrap();
        assert_eq!(get(&remembered, 1, 2).await, 2);
    }

    #[tokio::test]
    async fn who_asks_after_a_change_gets_nothing_that_was_read_before_it() {
        let remembered = remembered();
        let (load, begun, go_on) = slow(1);
        let before = tokio::spawn({
            let remembered = remembered.clone();
            async move { remembered.get(1, load).await }
        });
        begun.notified().await;
        remembered.forget_all();
        let after = tokio::spawn({
            let remembered = remembered.clone();
            async move { get(&remembered, 1, 2).await }
        });
        tokio::task::yield_now().await;
        go_on.notify_one();
        before.await.unwrap().unwrap();
        assert_eq!(after.await.unwrap(), 2);
    }

    #[tokio::test]
    async fn many_at_once_cost_one_look_up_also_where_the_first_gives_up() {
        let remembered = remembered();
        let looked_up = Arc::new(AtomicU64::new(0));
        let counting = looked_up.clone();
        let load = move || {
            counting.fetch_add(1, Ordering::SeqCst);
            async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok(1)
            }
        };
        let first = tokio::spawn({
            let (remembered, load) = (remembered.clone(), load.clone());
            async move { remembered.get(1, load).await }
        });
        tokio::task::yield_now().await;
        first.abort();
        let others = (0..16).map(|_| remembered.get(1, load.clone()));
        for value in futures::future::join_all(others).await {
            assert_eq!(value.unwrap(), 1);
        }
        assert_eq!(looked_up.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_renewal_that_a_change_overtakes_is_not_given_to_who_comes_after() {
        let remembered = Remembered::new(10, LONG, Duration::ZERO);
        get(&remembered, 1, 1).await;
        let (load, begun, go_on) = slow(2);
        remembered.get(1, load).await.unwrap();
        begun.notified().await;
        remembered.forget_all();
        assert_eq!(get(&remembered, 1, 3).await, 3);
        go_on.notify_one();
        tokio::time::sleep(Duration::from_millis(10)).await;
        let seen = get(&remembered, 1, 4).await;
        assert!(seen >= 3, "{seen} was read before the change");
    }

    #[tokio::test]
    async fn what_is_asked_for_steadily_is_renewed_beside_the_requests() {
        let remembered = Remembered::new(10, LONG, Duration::ZERO);
        let renewed = Arc::new(Notify::new());
        assert_eq!(get(&remembered, 1, 1).await, 1);
        let telling = renewed.clone();
        let load = move || {
            let renewed = telling.clone();
            async move {
                renewed.notify_one();
                Ok(2)
            }
        };
        assert_eq!(remembered.get(1, load).await.unwrap(), 1, "it waited");
        renewed.notified().await;
        tokio::task::yield_now().await;
        assert_eq!(get(&remembered, 1, 3).await, 2);
    }

    #[tokio::test]
    async fn a_failed_look_up_is_not_remembered_and_all_who_wait_hear_its_kind() {
        let remembered = remembered();
        let failing = || async {
            tokio::task::yield_now().await;
            Err(StoreError(sqlx::Error::PoolTimedOut))
        };
        let (one, other) = tokio::join!(remembered.get(1, failing), remembered.get(1, failing));
        for result in [one, other] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Unavailable);
        }
        assert_eq!(get(&remembered, 1, 1).await, 1);
    }
}
