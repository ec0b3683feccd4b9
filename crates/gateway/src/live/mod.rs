//! The calls that run now, how many there were lately, and who is there. All of it lives in this
//! process and is bounded: a call costs one insertion into and one removal from a map in shards, and
//! adding to some sums when it ends. Where nodes share a Redis, the sums are told there. What runs for
//! long is noted in a file, for the ledger of the process after this one.

mod http;
mod noting;
mod people;
mod running;
mod shared;
mod surface;
mod windows;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};
use lyceum_store::Redis;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub(crate) use http::router;
pub(crate) use running::Running;
pub(crate) use surface::at_surface;
pub(crate) use windows::{Counters, Ended};

use crate::ledger::Notes;
use crate::{CallContext, ModelConfig};
use people::People;
use shared::{News, SharedFigures, Totals};
use windows::Windows;

const SHARDS: usize = 16;
/// Calls that are known by name; beyond them they are only counted.
const MOST_CALLS: usize = 65_536;

/// What runs in this process; cheap to clone, and all clones are one.
#[derive(Clone)]
pub(crate) struct Live(Arc<State>);

struct State {
    shards: [Mutex<HashMap<Uuid, Arc<Running>>>; SHARDS],
    known: AtomicUsize,
    running: AtomicUsize,
    windows: Mutex<Windows>,
    people: Mutex<People>,
    /// Of all nodes.
    shared: Option<SharedFigures>,
    /// Where what runs is noted, once there is a place for that.
    notes: OnceLock<Notes>,
    since: DateTime<Utc>,
    started: Instant,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LiveState)]
pub(crate) enum Stage {
    /// The provider has not answered yet.
    Waiting,
    /// The answer comes.
    Answering,
    /// It is being written to the ledger.
    Recording,
}

/// A call that runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct LiveCall {
    /// The id that the call has in the ledger when it is over.
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    /// The name of the person, for those who may see everybody's calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) api_key_id: Option<Uuid>,
    /// What for, such as `chat` or `api`.
    pub(crate) purpose: String,
    /// The route of `/v1` that it came by; absent for calls of the platform's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) surface: Option<String>,
    pub(crate) provider: String,
    /// The provider's own name of the model.
    pub(crate) model: String,
    /// `chat` or `embedding`.
    pub(crate) kind: String,
    /// When it began.
    pub(crate) since: DateTime<Utc>,
    /// Tokens that came so far, about.
    pub(crate) tokens: u64,
    pub(crate) state: Stage,
}

impl Live {
    pub(crate) fn new(now: DateTime<Utc>, redis: Option<Redis>) -> Self {
        let state = Arc::new(State {
            shards: std::array::from_fn(|_| Mutex::default()),
            known: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            windows: Mutex::default(),
            people: Mutex::default(),
            shared: redis.map(SharedFigures::new),
            notes: OnceLock::new(),
            since: now,
            started: Instant::now(),
        });
        shared::start(&state);
        Self(state)
    }

    /// A call of somebody in `groups` begins; it ends when what is answered is dropped.
    pub(crate) fn enter(
        &self,
        id: Uuid,
        context: &CallContext,
        model: &ModelConfig,
        now: DateTime<Utc>,
        groups: Arc<[Uuid]>,
    ) -> Entry {
        let state = &self.0;
        state.running.fetch_add(1, Ordering::Relaxed);
        let call = Arc::new(Running::begin(id, context, model, now, groups));
        let is_known = state.known.fetch_add(1, Ordering::Relaxed) < MOST_CALLS;
        if is_known {
            self.shard(id).insert(id, call.clone());
        } else {
            state.known.fetch_sub(1, Ordering::Relaxed);
        }
        Entry { live: self.clone(), call, is_known }
    }

    fn shard(&self, id: Uuid) -> MutexGuard<'_, HashMap<Uuid, Arc<Running>>> {
        // The last bytes of an id are random.
        let shard = usize::from(id.as_bytes()[15]) % SHARDS;
        locked(&self.0.shards[shard])
    }

    /// The calls of `user`, or everybody's, the oldest first.
    pub(crate) fn calls(&self, user: Option<Uuid>) -> Vec<LiveCall> {
        let mut calls = Vec::new();
        for shard in &self.0.shards {
            let shard = locked(shard);
            let mine = shard.values().filter(|call| user.is_none_or(|user| call.user_id == user));
            calls.extend(mine.cloned());
        }
        calls.sort_unstable_by_key(|call| (call.since, call.id));
        calls.iter().map(|call| call.view()).collect()
    }

    /// How many calls run.
    pub(crate) fn running(&self) -> usize {
        self.0.running.load(Ordering::Relaxed)
    }

    /// What ended lately.
    pub(crate) fn counters(&self) -> Counters {
        locked(&self.0.windows).counters(self.0.seconds())
    }

    /// Somebody who signed in asked for something.
    pub(crate) fn saw(&self, person: Uuid) {
        locked(&self.0.people).saw(person, self.0.seconds());
    }

    /// How many people are there, as far as this node knows.
    pub(crate) fn people_here(&self) -> usize {
        locked(&self.0.people).count(self.0.seconds())
    }

    /// What all nodes count together; nothing where each counts by itself.
    async fn totals(&self) -> Option<Totals> {
        self.0.shared.as_ref()?.totals().await
    }

    /// What other nodes were not told yet.
    fn news(&self) -> News {
        let people = locked(&self.0.people).untold();
        let ended = locked(&self.0.windows).news();
        News { running: self.running(), ended, people }
    }

    /// Other nodes were told all that was new in the second `then`.
    fn told(&self, news: &News, then: u64) {
        locked(&self.0.people).told(then);
        locked(&self.0.windows).told(news.ended);
    }

    /// Since when it is counted.
    pub(crate) fn since(&self) -> DateTime<Utc> {
        self.0.since
    }
}

impl State {
    /// Since the start.
    fn seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }
}

/// A call, and its place among those that run.
pub(crate) struct Entry {
    live: Live,
    call: Arc<Running>,
    is_known: bool,
}

impl Entry {
    /// The call is over and only has to be written down.
    pub(crate) fn ended(&self, ended: Ended) {
        self.call.over();
        let state = &self.live.0;
        locked(&state.windows).add(state.seconds(), ended);
    }
}

impl Deref for Entry {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.call
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let state = &self.live.0;
        state.running.fetch_sub(1, Ordering::Relaxed);
        if self.is_known {
            self.live.shard(self.call.id).remove(&self.call.id);
            state.known.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
