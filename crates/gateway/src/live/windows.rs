use std::ops::Add;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A call that is over.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ended {
    /// Of prompt and answer.
    pub(crate) tokens: u64,
    pub(crate) failed: bool,
}

/// What ended in some span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LiveCount)]
pub(crate) struct Count {
    pub(crate) calls: u64,
    /// Of prompts and answers.
    pub(crate) tokens: u64,
    /// Calls that failed.
    pub(crate) errors: u64,
}

impl Count {
    fn note(&mut self, ended: Ended) {
        let (calls, tokens, errors) = (1, ended.tokens, u64::from(ended.failed));
        *self = *self + Count { calls, tokens, errors };
    }
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            tokens: self.tokens.saturating_add(other.tokens),
            errors: self.errors + other.errors,
        }
    }
}

/// What ended lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LiveCounters)]
pub(crate) struct Counters {
    /// In the last 60 seconds.
    pub(crate) last_minute: Count,
    /// In the last 60 minutes, to the minute.
    pub(crate) last_hour: Count,
    /// In the last 24 hours, to the quarter of an hour.
    pub(crate) last_day: Count,
}

/// Sums of the last minute, hour and day.
#[derive(Default)]
pub(super) struct Windows {
    seconds: Ring<60, 1>,
    minutes: Ring<60, 60>,
    quarters: Ring<96, 900>,
    /// What other nodes were not told yet.
    news: Count,
}

impl Windows {
    /// A call ended `now` seconds after the start.
    pub(super) fn add(&mut self, now: u64, ended: Ended) {
        self.seconds.add(now, ended);
        self.minutes.add(now, ended);
        self.quarters.add(now, ended);
        self.news.note(ended);
    }

    /// What ended and other nodes were not told of yet.
    pub(super) fn news(&self) -> Count {
        self.news
    }

    /// They were told of so much.
    pub(super) fn told(&mut self, told: Count) {
        self.news.calls -= told.calls;
        self.news.tokens = self.news.tokens.saturating_sub(told.tokens);
        self.news.errors -= told.errors;
    }

    pub(super) fn counters(&self, now: u64) -> Counters {
        Counters {
            last_minute: self.seconds.sum(now),
            last_hour: self.minutes.sum(now),
            last_day: self.quarters.sum(now),
        }
    }
}

/// Sums of the last `N` spans of `SECONDS` each, in places that are used again.
struct Ring<const N: usize, const SECONDS: u64>([(u64, Count); N]);

impl<const N: usize, const SECONDS: u64> Default for Ring<N, SECONDS> {
    fn default() -> Self {
        Self([(0, Count::default()); N])
    }
}

impl<const N: usize, const SECONDS: u64> Ring<N, SECONDS> {
    fn add(&mut self, now: u64, ended: Ended) {
        let span = now / SECONDS;
        let place = usize::try_from(span % N as u64).unwrap_or_default();
        let (of, count) = &mut self.0[place];
        if *of != span {
            (*of, *count) = (span, Count::default());
        }
        count.note(ended);
    }

    fn sum(&self, now: u64) -> Count {
        let span = now / SECONDS;
        let recent = |(of, _): &&(u64, Count)| *of <= span && of + N as u64 > span;
        self.0.iter().filter(recent).fold(Count::default(), |sum, (_, count)| sum + *count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;

    #[test]
    fn what_is_over_is_forgotten() {
        let mut windows = Windows::default();
        windows.add(0, Ended { tokens: 5, failed: true });
        windows.add(30, Ended { tokens: 7, failed: false });
        let both = Count { calls: 2, tokens: 12, errors: 1 };
        let second = Count { calls: 1, tokens: 7, errors: 0 };
        assert_eq!(windows.counters(59).last_minute, both);
        assert_eq!(windows.counters(60).last_minute, second);
        assert_eq!(windows.counters(90).last_minute, Count::default());
        assert_eq!(windows.counters(HOUR - 1).last_hour, both);
        assert_eq!(windows.counters(HOUR).last_hour, Count::default());
        assert_eq!(windows.counters(24 * HOUR - 1).last_day, both);
        assert_eq!(windows.counters(24 * HOUR).last_day, Count::default());
    }

    proptest! {
        #[test]
        fn the_last_minute_is_that_of_the_calls(
            mut ends in prop::collection::vec(0_u64..400, 0..80), now in 0_u64..400,
        ) {
            ends.sort_unstable();
            ends.retain(|end| *end <= now);
            let mut windows = Windows::default();
            for end in &ends {
                windows.add(*end, Ended { tokens: 1, failed: end % 2 == 0 });
            }
            let recent: Vec<_> = ends.iter().filter(|end| **end + MINUTE > now).collect();
            let count = windows.counters(now).last_minute;
            prop_assert_eq!(count.calls, recent.len() as u64);
            prop_assert_eq!(count.tokens, count.calls);
            prop_assert_eq!(count.errors, recent.iter().filter(|end| **end % 2 == 0).count() as u64);
        }
    }
}
