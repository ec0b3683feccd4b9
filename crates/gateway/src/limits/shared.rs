//! The buckets of all nodes together, in Redis: one script takes from all that bind a call, by the
//! clock of Redis, so that nodes whose clocks differ count alike.

use std::sync::LazyLock;

use lyceum_store::Redis;
use lyceum_store::redis::Script;
use tokio::runtime::Handle;

use super::bucket::{BucketKey, Demand, Denied, Fill, RateStanding, denial, tightest};
use super::{Level, Unit};

const TAKE: &str = include_str!("take.lua");
static TAKING: LazyLock<Script> = LazyLock::new(|| Script::new(TAKE));
static SETTLING: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("settle.lua")));

/// All buckets that nodes share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SharedBuckets {
    redis: Redis,
    /// A call may be given up where no runtime is entered.
    runtime: Handle,
}

impl SharedBuckets {
    pub(super) fn new(redis: Redis) -> Self {
        Self { redis, runtime: Handle::current() }
    }

    /// Takes all demands or none; nothing where Redis is away.
    pub(super) async fn take(&self, demands: &[Demand]) -> Option<Result<RateStanding, Denied>> {
        self.take_by(&TAKING, demands, &[]).await
    }

    async fn take_by(
        &self,
        script: &Script,
        demands: &[Demand],
        further: &[u64],
    ) -> Option<Result<RateStanding, Denied>> {
        let mut taking = script.prepare_invoke();
        for demand in demands {
            taking.key(key(demand.key)).arg(demand.per_minute).arg(demand.amount);
        }
        taking.arg(further);
        let answer: Vec<f64> = self.redis.run(&taking).await?;
        let (taken, levels) = answer.split_first()?;
        let fills = demands.iter().zip(levels);
        let fills = fills.map(|(demand, &level)| Fill { level, per_minute: demand.per_minute });
        let fills: Vec<Fill> = fills.collect();
        if *taken == 1.0 {
            return Some(Ok(tightest(demands, &fills)));
        }
        denial(demands, &fills).map(Err)
    }

    /// Puts back what was taken, without waiting for it; `used` says how much of it was needed.
    pub(super) fn settle(&self, demands: &[Demand], used: impl Fn(&Demand) -> f64) {
        let mut changes = Vec::new();
        for demand in demands {
            let change = demand.amount - used(demand);
            if change != 0.0 {
                changes.push((key(demand.key), change));
            }
        }
        if !changes.is_empty() {
            let redis = self.redis.clone();
            // Where it is lost, the bucket is full again within a minute all the same.
            self.runtime.spawn(async move { put_back(&redis, &changes).await });
        }
    }
}

async fn put_back(redis: &Redis, changes: &[(String, f64)]) {
    let mut settling = SETTLING.prepare_invoke();
    for (key, change) in changes {
        settling.key(key).arg(*change);
    }
    let _ = redis.run::<()>(&settling).await;
}

/// The braces keep all buckets together where keys are spread over servers, for one script takes
/// from several.
fn key((unit, level, subject): BucketKey) -> String {
    let unit = match unit {
        Unit::Requests => "requests",
        Unit::Tokens => "tokens",
    };
    let level = match level {
        Level::Organization => "organization",
        Level::User => "user",
        Level::Group => "group",
        Level::ApiKey => "api_key",
        Level::OwnKey => "own_key",
        Level::Model => "model",
        Level::Caller => "caller",
    };
    Redis::key(format_args!("{{rate_limit}}:{level}:{}:{unit}", subject.simple()))
}

#[cfg(test)]
mod tests;
