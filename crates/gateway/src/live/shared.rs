//! What all nodes count together, in Redis. A node tells once a second what is new, so that no call
//! waits for it, and asks only while somebody looks.

use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};

use lyceum_store::Redis;
use lyceum_store::redis::{Script, ScriptInvocation};
use metrics::gauge;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::windows::{Count, Counters};
use super::{Live, State};

static SHARE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("share.lua")));
static SUM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("sum.lua")));

/// How often a node tells, and how old a sum may be.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// The keys, which one script reads together.
const KEYS: [&str; 6] =
    ["seconds", "minutes", "quarters", "api_calls:current_minute", "running", "online_users"];

/// What all nodes count together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) nodes: u64,
    pub(super) running: u64,
    pub(super) online_users: u64,
    pub(super) counters: Counters,
}

/// What a node has to tell.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    pub(super) running: usize,
    pub(super) ended: Count,
    pub(super) people: Vec<Uuid>,
}

/// The figures of all nodes.
pub(super) struct SharedFigures {
    redis: Redis,
    /// Names this process among the nodes.
    node: Uuid,
    telling: Mutex<()>,
    last: Mutex<Option<(Instant, Totals)>>,
}

impl SharedFigures {
    pub(super) fn new(redis: Redis) -> Self {
        let node = lyceum_core::new_id();
        Self { redis, node, telling: Mutex::default(), last: Mutex::default() }
    }

    /// Adds what is new; answers how many people are there on all nodes, or nothing where it could
    /// not be told.
    pub(super) async fn tell(&self, news: &News) -> Option<u64> {
        let mut telling = asking(&SHARE);
        telling.arg(self.node.simple().to_string()).arg(news.running);
        telling.arg(news.ended.calls).arg(news.ended.tokens).arg(news.ended.errors);
        for person in &news.people {
            telling.arg(person.simple().to_string());
        }
        self.redis.run(&telling).await
    }

    /// The sums, at most a second old; nothing while Redis is away.
    pub(super) async fn totals(&self) -> Option<Totals> {
        // Whoever else asks meanwhile waits and gets the same.
        let mut last = self.last.lock().await;
        if let Some((at, totals)) = *last
            && at.elapsed() < TICK
            && self.redis.is_up()
        {
            return Some(totals);
        }
        let answer: Option<Vec<u64>> = self.redis.run(&asking(&SUM)).await;
        let totals = answer.as_deref().and_then(read);
        *last = totals.map(|totals| (Instant::now(), totals));
        totals
    }
}

fn asking(script: &Script) -> ScriptInvocation<'_> {
    let mut asking = script.prepare_invoke();
    for name in KEYS {
        asking.key(Redis::key(format_args!("{{metrics}}:{name}")));
    }
    asking
}

fn read(answer: &[u64]) -> Option<Totals> {
    let (&[nodes, running, online_users], windows) = answer.split_first_chunk()?;
    let (windows, _) = windows.as_chunks();
    let count = |&[calls, tokens, errors]: &[u64; 3]| Count { calls, tokens, errors };
    let counters = Counters {
        last_minute: count(windows.first()?),
        last_hour: count(windows.get(1)?),
        last_day: count(windows.get(2)?),
    };
    Some(Totals { nodes, running, online_users, counters })
}

/// Tells what is new, and sets the figures for Prometheus, as long as somebody counts.
pub(super) async fn keep(state: Weak<State>) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        let Some(state) = state.upgrade() else { return };
        Live(state).tell().await;
    }
}

impl Live {
    /// Tells the other nodes what is new here.
    pub(crate) async fn tell(&self) {
        gauge!("lyceum_gateway_running_calls").set(self.running() as f64);
        let people = match &self.0.shared {
            Some(shared) if shared.redis.is_up() => self.tell_others(shared).await,
            _ => None,
        };
        let people = people.unwrap_or_else(|| self.people_here() as u64);
        gauge!("lyceum_online_users").set(people as f64);
    }

    async fn tell_others(&self, shared: &SharedFigures) -> Option<u64> {
        // One after the other, else they would tell the same.
        let _telling = shared.telling.lock().await;
        let then = self.0.seconds();
        let news = self.news();
        let people = shared.tell(&news).await?;
        self.told(&news, then);
        Some(people)
    }
}

/// The task that tells; it ends with what it tells of.
pub(super) fn start(state: &Arc<State>) {
    // Without a runtime there is nothing to tell either.
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(keep(Arc::downgrade(state)));
    }
}
