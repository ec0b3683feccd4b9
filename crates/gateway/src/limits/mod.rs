//! Limits of calls: who is bound by which, and the rate limits themselves. Quotas stand in
//! [`crate::quotas`].

mod bucket;
mod headers;
mod http;
mod shared;
mod store;
mod taken;
mod watch;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use lyceum_store::{Db, Redis, Remembered, StoreError};
use tokio::sync::Notify;
use uuid::Uuid;

pub(crate) use bucket::{Level, RateStanding, Unit};
pub(crate) use headers::{Dialect, describe_rates};
pub(crate) use http::router;
pub(crate) use taken::Taken;

use bucket::{Buckets, Demand};
use shared::SharedBuckets;
use watch::Watch;

use crate::ledger::Ledger;
use crate::quotas::{Account, Accounts};
use crate::{CallContext, GatewayError};

/// Changes are told at once; this bound holds where one was lost.
const TIME_TO_LIVE: Duration = Duration::from_secs(30);
/// From this age on the terms of a steady caller are read again beside the calls.
const RENEWED: Duration = Duration::from_secs(25);
/// Callers that are remembered at most.
const CAPACITY: u64 = 50_000;

/// One rate limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    level: Level,
    subject: Uuid,
    requests: Option<f64>,
    tokens: Option<f64>,
}

/// What binds the calls of one user with one key.
pub(crate) struct Terms {
    /// Of the quotas that bind the caller, in the order of their ids.
    pub(crate) quotas: Arc<[Arc<Account>]>,
    pub(crate) groups: Arc<[Uuid]>,
    rules: Vec<Rule>,
}

impl Terms {
    /// Those of a model, and of the route that asks it.
    fn rules_for(&self, model: Uuid, route: Option<Uuid>) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(move |rule| {
            rule.level != Level::Model || rule.subject == model || Some(rule.subject) == route
        })
    }

    /// Whether it matters how many tokens a call may take.
    pub(crate) fn want_forecast(&self, model: Uuid, route: Option<Uuid>) -> bool {
        !self.quotas.is_empty() || self.rules_for(model, route).any(|rule| rule.tokens.is_some())
    }
}

/// Whose rate limit is meant; nobody's is everybody's together.
#[derive(Clone, Copy, Debug, Default)]
struct Subject {
    user: Option<Uuid>,
    group: Option<Uuid>,
    api_key: Option<Uuid>,
    model: Option<Uuid>,
    by_owner: bool,
}

type Caller = (Uuid, Option<Uuid>);

/// What is remembered of terms, and the buckets.
pub(crate) struct Limits {
    /// Of every key, or of every user in the browser.
    per_minute: Option<f64>,
    kept: Arc<Kept>,
    buckets: Arc<Buckets>,
    /// Those of all nodes together.
    shared: Option<SharedBuckets>,
    watch: OnceLock<Watch>,
}

/// Terms that are remembered.
struct Kept {
    terms: Remembered<Caller, Arc<Terms>>,
    accounts: Accounts,
}

impl Kept {
    fn forget(&self) {
        self.terms.forget_all();
        self.accounts.forget();
    }

    async fn load(
        &self,
        db: &Db,
        caller: Caller,
        at: DateTime<Utc>,
    ) -> Result<Arc<Terms>, StoreError> {
        let mut tx = db.begin_maintenance().await?;
        let terms = Arc::new(store::terms(&mut tx, &self.accounts, caller.0, caller.1, at).await?);
        tx.commit().await?;
        Ok(terms)
    }
}

impl Limits {
    pub(crate) fn new(per_minute: Option<u32>, accounts: Accounts, redis: Option<Redis>) -> Self {
        let terms = Remembered::new(CAPACITY, TIME_TO_LIVE, RENEWED);
        Self {
            per_minute: per_minute.filter(|limit| *limit > 0).map(f64::from),
            kept: Arc::new(Kept { terms, accounts }),
            buckets: Arc::default(),
            shared: redis.map(SharedBuckets::new),
            watch: OnceLock::new(),
        }
    }

    /// After any change of limits; other nodes are told by the database.
    pub(crate) fn forget(&self) {
        self.kept.forget();
    }

    /// What binds a caller: from memory, or asked of the database once.
    pub(crate) async fn terms(
        &self,
        db: &Db,
        context: &CallContext,
        at: DateTime<Utc>,
    ) -> Result<Arc<Terms>, GatewayError> {
        let caller = (context.user_id, context.api_key_id);
        let (db, kept) = (db.clone(), self.kept.clone());
        let load = move || {
            let (db, kept) = (db.clone(), kept.clone());
            async move { kept.load(&db, caller, at).await }
        };
        Ok(self.kept.terms.get(caller, load).await?)
    }

    /// Listens for changes from now on, before the first call.
    pub(crate) async fn watch(&self, db: &Db, ledger: &Ledger) {
        let listening = Arc::new(Notify::new());
        let kept = self.kept.clone();
        let watch = Watch::start(db.clone(), ledger.clone(), kept, listening.clone());
        if self.watch.set(watch).is_ok() {
            listening.notified().await;
        }
    }

    /// Takes one request and `tokens` from every bucket that the call is bound by, or says when to
    /// try again.
    pub(crate) async fn take(
        &self,
        terms: &Terms,
        context: &CallContext,
        model: Uuid,
        tokens: u64,
        now: Instant,
    ) -> Result<Taken, GatewayError> {
        let mut demands = Vec::new();
        // A request counts once; a model is asked once more by each attempt.
        let later = context.attempt.number() > 1;
        let mut demand = |unit, level, subject, per_minute: Option<f64>| {
            let amount = match unit {
                Unit::Requests if later && subject != model => 0.0,
                Unit::Requests => 1.0,
                Unit::Tokens => tokens as f64,
            };
            let key = (unit, level, subject);
            demands.extend(per_minute.map(|per_minute| Demand { key, per_minute, amount }));
        };
        for rule in terms.rules_for(model, context.attempt.route_id()) {
            demand(Unit::Requests, rule.level, rule.subject, rule.requests);
            demand(Unit::Tokens, rule.level, rule.subject, rule.tokens);
        }
        let who = context.api_key_id.unwrap_or(context.user_id);
        demand(Unit::Requests, Level::Caller, who, self.per_minute);
        let taken = Taken::take(&self.buckets, self.shared.as_ref(), demands, now).await;
        taken.map_err(|denied| GatewayError::Limited {
            retry_after: denied.wait,
            rate: Box::new(RateRefusal {
                unit: denied.key.0,
                level: denied.key.1,
                per_minute: denied.per_minute,
                standing: denied.standing,
            }),
        })
    }
}

/// Which rate limit refused a call.
#[derive(Clone, Copy, Debug)]
pub struct RateRefusal {
    pub(crate) unit: Unit,
    pub(crate) level: Level,
    pub(crate) per_minute: f64,
    pub(crate) standing: RateStanding,
}

impl RateRefusal {
    /// The level's and the unit's name in the API.
    pub(crate) fn names(&self) -> (&'static str, &'static str) {
        let level = match self.level {
            Level::Organization => "organization",
            Level::User | Level::Caller => "user",
            Level::Group => "group",
            Level::ApiKey | Level::OwnKey => "api_key",
            Level::Model => "model",
        };
        let unit = match self.unit {
            Unit::Requests => "requests",
            Unit::Tokens => "tokens",
        };
        (level, unit)
    }

    /// For a person.
    pub(crate) fn detail(&self) -> String {
        let (_, unit) = self.names();
        let whose = match self.level {
            Level::Organization => "everybody together",
            Level::User | Level::Caller => "you",
            Level::Group => "your group",
            Level::ApiKey | Level::OwnKey => "this API key",
            Level::Model => "this model",
        };
        format!(
            "The limit of {} {unit} per minute of {whose} is reached; slow down.",
            self.per_minute
        )
    }
}
