//! How many rows a commit takes, and when the next one is due, where nobody waits for them.

use std::time::Duration;

/// The most rows of one commit.
pub(super) const MAX_BATCH: usize = 512;
/// The same where nobody waits for them and there is time: PostgreSQL is not to have a core for long,
/// which the calls need.
const SMALL_BATCH: usize = 8;
/// The most commits within [`GATHER`], unless rows would be left over: each takes its time whatever
/// is in it.
const MOST_COMMITS: f64 = 60.0;
/// How long rows that nobody waits for gather before they are committed.
pub(super) const GATHER: Duration = Duration::from_millis(200);

/// As few of `waiting` rows as let all be in after [`GATHER`], if each commit takes as long as the last
/// one took, and the database rests as long after it.
pub(super) fn batch_of(waiting: usize, took: Duration) -> usize {
    let possible = GATHER.as_secs_f64() / (2.0 * took.as_secs_f64()).max(f64::MIN_POSITIVE);
    let rows = waiting as f64 / possible.clamp(1.0, MOST_COMMITS);
    (rows.ceil() as usize).clamp(SMALL_BATCH, MAX_BATCH)
}

/// Spreads the commits of what waits evenly over [`GATHER`], in which as much comes in.
pub(super) fn pause_before(waiting: usize, took: Duration) -> Duration {
    let batch = batch_of(waiting, took);
    GATHER.mul_f64(batch as f64 / waiting.max(batch) as f64).max(took).min(GATHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that still wait after so many seconds, of which each brings `rate`.
    fn left(rate: f64, took: Duration, seconds: f64) -> f64 {
        let (mut waiting, mut now) = (0.0_f64, 0.0);
        while now < seconds {
            let rest = pause_before(waiting as usize, took);
            let passed = (rest + took).as_secs_f64();
            let batch = batch_of(waiting as usize, took) as f64;
            waiting = (waiting - batch).max(0.0) + rate * passed;
            now += passed;
        }
        waiting
    }

    #[test]
    fn what_waits_is_what_comes_in_while_it_gathers_also_where_the_database_is_slow() {
        for (rate, milliseconds) in
            [(100.0, 1), (1_000.0, 1), (9_000.0, 1), (1_000.0, 40), (2_000.0, 40)]
        {
            let took = Duration::from_millis(milliseconds);
            let waiting = left(rate, took, 30.0);
            let usual = (rate * GATHER.as_secs_f64()).max(SMALL_BATCH as f64);
            assert!(waiting < 3.0 * usual, "{rate}/s, {took:?}: {waiting} rows wait");
        }
    }

    #[test]
    fn commits_are_small_where_the_database_is_quick() {
        assert_eq!(batch_of(400, Duration::from_millis(1)), SMALL_BATCH);
        assert_eq!(batch_of(1_800, Duration::from_millis(1)), 30);
        assert_eq!(batch_of(0, Duration::ZERO), SMALL_BATCH);
        assert_eq!(batch_of(4_000, Duration::from_secs(1)), MAX_BATCH);
    }
}
