//! Token buckets, in this process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Denied {
    pub(crate) key: BucketKey,
    pub(crate) per_minute: f64,
    pub(crate) wait: Duration,
    pub(crate) standing: RateStanding,
}

/// How full a bucket is. It fills evenly, so that an empty one is full after a minute. Below zero
/// where a call took more than was foreseen: the next ones wait for that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fill {
    pub(super) level: f64,
    pub(super) per_minute: f64,
}

impl Fill {
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

/// The demand that has to wait for the longest time. One that is larger than its bucket needs a
/// full one, else it would wait for ever.
fn shortest<'a>(demands: &'a [Demand], fills: &[Fill]) -> Option<(&'a Demand, Duration)> {
    let waits = demands.iter().zip(fills).map(|(demand, fill)| {
        let wait = fill.wait(demand.amount.min(demand.per_minute));
        (demand, wait)
    });
    waits.fold(None, |longest, (demand, wait)| match longest {
        Some((_, longer)) if wait <= longer => longest,
        None if wait.is_zero() => None,
        _ => Some((demand, wait)),
    })
}

/// How the buckets stand that are nearest to their end.
pub(super) fn tightest(demands: &[Demand], fills: &[Fill]) -> RateStanding {
    let of = |unit| {
        let same = demands.iter().zip(fills).filter(|(demand, _)| demand.key.0 == unit);
        let standings = same.map(|(_, fill)| fill.standing());
        standings.min_by(|a, b| a.remaining.total_cmp(&b.remaining))
    };
    RateStanding { requests: of(Unit::Requests), tokens: of(Unit::Tokens) }
}

/// The refusal of what these buckets do not hold; none where they do.
pub(super) fn denial(demands: &[Demand], fills: &[Fill]) -> Option<Denied> {
    shortest(demands, fills).map(|(demand, wait)| Denied {
        key: demand.key,
        per_minute: demand.per_minute,
        wait,
        standing: tightest(demands, fills),
    })
}

struct Bucket {
    fill: Fill,
    filled: Instant,
}

impl Bucket {
    fn refill(&mut self, per_minute: f64, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        let level = (self.fill.level + passed * per_minute / 60.0).min(per_minute);
        self.fill = Fill { level, per_minute };
        self.filled = self.filled.max(now);
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

    /// Takes all demands or none.
    pub(crate) fn take(&self, demands: &[Demand], now: Instant) -> Result<RateStanding, Denied> {
        let mut buckets = self.lock();
        let mut fills = refilled(&mut buckets, demands, now);
        if let Some(denied) = denial(demands, &fills) {
            return Err(denied);
        }
        draw(&mut buckets, demands, &mut fills);
        Ok(tightest(demands, &fills))
    }

    /// Takes what was admitted elsewhere, whatever is left.
    pub(super) fn charge(&self, demands: &[Demand], now: Instant) {
        let mut buckets = self.lock();
        let mut fills = refilled(&mut buckets, demands, now);
        draw(&mut buckets, demands, &mut fills);
    }

    /// Puts back what was taken; `used` says how much of it was needed.
    pub(super) fn settle(&self, demands: &[Demand], used: impl Fn(&Demand) -> f64) {
        let mut buckets = self.lock();
        for demand in demands {
            if let Some(Bucket { fill, .. }) = buckets.get_mut(&demand.key) {
                fill.level = (fill.level + demand.amount - used(demand)).min(fill.per_minute);
            }
        }
    }
}

/// How full each bucket is by now; those that are not there are full.
fn refilled(
    buckets: &mut HashMap<BucketKey, Bucket>,
    demands: &[Demand],
    now: Instant,
) -> Vec<Fill> {
    if buckets.len() > MANY_BUCKETS {
        buckets.retain(|_, bucket| {
            bucket.refill(bucket.fill.per_minute, now);
            bucket.fill.level < bucket.fill.per_minute
        });
    }
    let refill = |demand: &Demand| {
        let per_minute = demand.per_minute;
        let full = Bucket { fill: Fill { level: per_minute, per_minute }, filled: now };
        let bucket = buckets.entry(demand.key).or_insert(full);
        bucket.refill(per_minute, now);
        bucket.fill
    };
    demands.iter().map(refill).collect()
}

fn draw(buckets: &mut HashMap<BucketKey, Bucket>, demands: &[Demand], fills: &mut [Fill]) {
    for (demand, fill) in demands.iter().zip(fills) {
        fill.level -= demand.amount;
        if let Some(bucket) = buckets.get_mut(&demand.key) {
            bucket.fill = *fill;
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
    fn what_is_larger_than_its_bucket_passes_once_it_is_full() {
        let buckets = Buckets::default();
        let now = Instant::now();
        let large = [demand(1, Unit::Tokens, 100.0, 500.0)];
        assert!(buckets.take(&large, now).is_ok());
        assert_eq!(buckets.take(&large, now).unwrap_err().wait.as_secs(), 300);
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
