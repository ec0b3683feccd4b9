//! Token buckets, in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// What a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Unit {
    Requests,
    Tokens,
}

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Level {
    Organization,
    User,
    Group,
    ApiKey,
    /// What a key's owner set beside the administrators.
    OwnKey,
    Model,
    /// The general setting, for each key, or each user in the browser, by itself.
    Caller,
}

/// Which bucket.
pub(crate) type BucketKey = (Unit, Level, Uuid);

/// What a call takes from one bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    pub(crate) key: BucketKey,
    pub(crate) per_minute: f64,
    pub(crate) amount: f64,
}

/// How the bucket stands that is nearest to its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Standing {
    pub(crate) limit: f64,
    pub(crate) remaining: f64,
    /// Until it is full again.
    pub(crate) reset: Duration,
}

/// The standings after a call was let through or refused.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RateStanding {
    pub(crate) requests: Option<Standing>,
    pub(crate) tokens: Option<Standing>,
}

/// A refusal: the bucket that has to fill for the longest time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Denied {
    pub(crate) key: BucketKey,
    pub(crate) per_minute: f64,
    pub(crate) wait: Duration,
    pub(crate) standing: RateStanding,
}

/// Fills evenly, so that an empty one is full after a minute. Below zero where a call took more
/// than was foreseen: the next ones wait for that.
struct Bucket {
    level: f64,
    per_minute: f64,
    filled: Instant,
}

impl Bucket {
    fn fill(&mut self, per_minute: f64, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.level = (self.level + passed * per_minute / 60.0).min(per_minute);
        self.per_minute = per_minute;
        self.filled = self.filled.max(now);
    }

    /// How long until it holds `amount`.
    fn wait(&self, amount: f64) -> Duration {
        let missing = (amount - self.level).max(0.0);
        Duration::try_from_secs_f64(missing * 60.0 / self.per_minute).unwrap_or(Duration::MAX)
    }

    fn standing(&self) -> Standing {
        let remaining = self.level.max(0.0);
        Standing { limit: self.per_minute, remaining, reset: self.wait(self.per_minute) }
    }
}

/// Above this many, buckets that are full again are thrown away.
const MANY_BUCKETS: usize = 10_000;

/// All buckets.
#[derive(Default)]
pub(crate) struct Buckets(Mutex<HashMap<BucketKey, Bucket>>);

impl Buckets {
    fn lock(&self) -> MutexGuard<'_, HashMap<BucketKey, Bucket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all demands or none. One that is larger than its bucket needs a full one, else it
    /// would wait for ever.
    pub(crate) fn take(&self, demands: &[Demand], now: Instant) -> Result<RateStanding, Denied> {
        let mut buckets = self.lock();
        if buckets.len() > MANY_BUCKETS {
            buckets.retain(|_, bucket| {
                bucket.fill(bucket.per_minute, now);
                bucket.level < bucket.per_minute
            });
        }
        let mut short: Option<(&Demand, Duration)> = None;
        for demand in demands {
            let fresh =
                Bucket { level: demand.per_minute, per_minute: demand.per_minute, filled: now };
            let bucket = buckets.entry(demand.key).or_insert(fresh);
            bucket.fill(demand.per_minute, now);
            let wait = bucket.wait(demand.amount.min(demand.per_minute));
            if !wait.is_zero() && short.is_none_or(|(_, longest)| wait > longest) {
                short = Some((demand, wait));
            }
        }
        if short.is_none() {
            for demand in demands {
                if let Some(bucket) = buckets.get_mut(&demand.key) {
                    bucket.level -= demand.amount;
                }
            }
        }
        let standing = tightest(&buckets, demands);
        match short {
            None => Ok(standing),
            Some((demand, wait)) => {
                Err(Denied { key: demand.key, per_minute: demand.per_minute, wait, standing })
            }
        }
    }

    /// Puts back what was taken; `used` says how much of it was needed.
    fn settle(&self, demands: &[Demand], used: impl Fn(&Demand) -> f64) {
        let mut buckets = self.lock();
        for demand in demands {
            if let Some(bucket) = buckets.get_mut(&demand.key) {
                let level = bucket.level + demand.amount - used(demand);
                bucket.level = level.min(bucket.per_minute);
            }
        }
    }
}

fn tightest(buckets: &HashMap<BucketKey, Bucket>, demands: &[Demand]) -> RateStanding {
    let of = |unit| {
        let keys = demands.iter().map(|demand| demand.key).filter(|(of, ..)| *of == unit);
        let standings = keys.filter_map(|key| buckets.get(&key)).map(Bucket::standing);
        standings.min_by(|a, b| a.remaining.total_cmp(&b.remaining))
    };
    RateStanding { requests: of(Unit::Requests), tokens: of(Unit::Tokens) }
}

/// What a running call took. Dropped, it gives everything back: the call was not made.
pub(crate) struct Taken {
    buckets: Arc<Buckets>,
    demands: Vec<Demand>,
    pub(crate) standing: RateStanding,
}

impl Taken {
    pub(crate) fn take(
        buckets: &Arc<Buckets>,
        demands: Vec<Demand>,
        now: Instant,
    ) -> Result<Self, Denied> {
        let standing = match demands.is_empty() {
            true => RateStanding::default(),
            false => buckets.take(&demands, now)?,
        };
        Ok(Self { buckets: buckets.clone(), demands, standing })
    }

    /// The call was made and took `tokens`.
    pub(crate) fn settle(mut self, tokens: f64) {
        let demands = std::mem::take(&mut self.demands);
        if demands.iter().any(|demand| demand.key.0 == Unit::Tokens) {
            self.buckets.settle(&demands, |demand| match demand.key.0 {
                Unit::Requests => demand.amount,
                Unit::Tokens => tokens,
            });
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.demands.is_empty() {
            self.buckets.settle(&self.demands, |_| 0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn demand(number: u128, unit: Unit, per_minute: f64, amount: f64) -> Demand {
        Demand { key: (unit, Level::User, Uuid::from_u128(number)), per_minute, amount }
    }

    #[test]
    fn a_full_bucket_empties_and_fills_again() {
        let buckets = Buckets::default();
        let one = [demand(1, Unit::Requests, 2.0, 1.0)];
        let start = Instant::now();
        assert!(buckets.take(&one, start).is_ok());
        assert!(buckets.take(&one, start).is_ok());
        let denied = buckets.take(&one, start).unwrap_err();
        assert_eq!(denied.wait, Duration::from_secs(30));
        assert_eq!(denied.standing.requests.unwrap().reset, Duration::from_secs(60));
        assert!(buckets.take(&[demand(2, Unit::Requests, 2.0, 1.0)], start).is_ok());
        assert!(buckets.take(&one, start + Duration::from_secs(30)).is_ok());
    }

    #[test]
    fn a_refused_call_takes_nothing_from_the_others() {
        let buckets = Buckets::default();
        let (wide, narrow) =
            (demand(1, Unit::Requests, 10.0, 1.0), demand(2, Unit::Requests, 1.0, 1.0));
        let now = Instant::now();
        assert!(buckets.take(&[wide, narrow], now).is_ok());
        for _ in 0..5 {
            assert_eq!(buckets.take(&[wide, narrow], now).unwrap_err().key, narrow.key);
        }
        assert_eq!(buckets.take(&[wide], now).unwrap().requests.unwrap().remaining, 8.0);
    }

    #[test]
    fn what_was_not_needed_comes_back_and_what_was_more_is_owed() {
        let buckets = Arc::new(Buckets::default());
        let now = Instant::now();
        let take =
            |amount| Taken::take(&buckets, vec![demand(1, Unit::Tokens, 100.0, amount)], now);
        take(80.0).unwrap().settle(10.0);
        assert_eq!(take(90.0).unwrap().standing.tokens.unwrap().remaining, 0.0);
        take(90.0).unwrap().settle(150.0);
        let denied = take(1.0).err().unwrap();
        assert_eq!(denied.wait.as_secs(), 36); // 60 owed and 1 needed of 100 a minute
        // Larger than the bucket: let through once it is full.
        assert!(buckets.take(&[demand(2, Unit::Tokens, 100.0, 500.0)], now).is_ok());
    }

    proptest! {
        /// Whatever comes when: in any span no more passes than the bucket and what it fills by.
        #[test]
        fn never_more_than_the_limit_and_one_bucket(
            limit in 1u32..200,
            steps in prop::collection::vec((0u64..5_000, 1u32..20), 1..200),
        ) {
            let buckets = Buckets::default();
            let start = Instant::now();
            let (mut at, mut passed) = (Duration::ZERO, 0.0);
            for (pause, amount) in steps {
                at += Duration::from_millis(pause);
                let amount = f64::from(amount.min(limit));
                let asked = [demand(1, Unit::Tokens, f64::from(limit), amount)];
                match buckets.take(&asked, start + at) {
                    Ok(standing) => {
                        passed += amount;
                        prop_assert!(standing.tokens.unwrap().remaining >= 0.0);
                    }
                    Err(denied) => {
                        let later = start + at + denied.wait + Duration::from_micros(1);
                        at = later - start;
                        prop_assert!(buckets.take(&asked, later).is_ok());
                        passed += amount;
                    }
                }
                let allowed = f64::from(limit) * (1.0 + at.as_secs_f64() / 60.0);
                prop_assert!(passed <= allowed + 1e-6, "{} of {}", passed, allowed);
            }
        }
    }
}
