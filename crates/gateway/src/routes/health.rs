//! How a target has been doing, and whether it may be asked now. Knows no clock of its own: every
//! step is told what time it is.

use std::time::{Duration, Instant};

/// Parts that the window is counted in; what is older than the window goes a part at a time.
const SLICES: u64 = 10;
/// Answers of which the median is taken.
const LATENCIES: usize = 64;
/// The longest that a target is left alone because it asked for it.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// When a target rests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// The calls that count are not older than this.
    pub(crate) window: Duration,
    /// With fewer calls the rate says nothing.
    pub(crate) min_calls: u32,
    /// The share of failures, in percent, at which it rests.
    pub(crate) failure_percent: u32,
    /// For how long.
    pub(crate) cooldown: Duration,
}

/// Whether a target may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// As usual.
    Usual,
    /// To see whether it is well again. Until that is known, nobody else may.
    Probe,
    /// Not before then.
    Refused(Instant),
}

/// What state a target is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is asked.
    Healthy,
    /// It is left alone until then.
    Cooling(Instant),
    /// One call sees whether it is well again, or the next one will.
    Probing,
}

/// The figures of a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) state: State,
    /// Within the window.
    pub(crate) calls: u32,
    /// Of those.
    pub(crate) failures: u32,
    /// To the first token, or to the whole answer where it was not streamed.
    pub(crate) median: Option<Duration>,
}

#[derive(Clone, Copy, Default)]
struct Slice {
    number: u64,
    calls: u32,
    failures: u32,
}

/// The health of one target of one route.
pub(crate) struct Health {
    state: State,
    /// Whether the probe is under way.
    probe_runs: bool,
    began: Instant,
    slices: [Slice; SLICES as usize],
    latencies: Vec<Duration>,
    next_latency: usize,
}

impl Health {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            state: State::Healthy,
            probe_runs: false,
            began: now,
            slices: Default::default(),
            latencies: Vec::new(),
            next_latency: 0,
        }
    }

    /// Asks to call the target. Whoever gets the probe has to say what came of it.
    pub(crate) fn admit(&mut self, now: Instant) -> Admission {
        match self.state {
            State::Healthy => Admission::Usual,
            State::Cooling(until) if now < until => Admission::Refused(until),
            State::Probing if self.probe_runs => Admission::Refused(now),
            State::Cooling(_) | State::Probing => {
                self.state = State::Probing;
                self.probe_runs = true;
                Admission::Probe
            }
        }
    }

    /// The probe got a first token: the target is well, and what was before counts no more.
    pub(crate) fn recovered(&mut self) {
        self.state = State::Healthy;
        self.probe_runs = false;
        self.slices = Default::default();
    }

    /// The probe ended without an answer and without a fault of the target.
    pub(crate) fn probe_given_up(&mut self) {
        self.probe_runs = false;
    }

    /// The target answered after `latency`.
    pub(crate) fn succeeded(&mut self, policy: &Policy, latency: Duration, now: Instant) {
        self.slice(policy, now).calls += 1;
        match self.latencies.get_mut(self.next_latency) {
            Some(oldest) => *oldest = latency,
            None => self.latencies.push(latency),
        }
        self.next_latency = (self.next_latency + 1) % LATENCIES;
    }

    /// The target failed, and asks to be left alone for `rest`.
    pub(crate) fn failed(
        &mut self,
        policy: &Policy,
        probe: bool,
        rest: Option<Duration>,
        now: Instant,
    ) {
        let slice = self.slice(policy, now);
        slice.calls += 1;
        slice.failures += 1;
        if probe {
            self.probe_runs = false;
            self.state = State::Cooling(now + policy.cooldown);
        } else if self.state == State::Healthy && self.is_over(policy, now) {
            self.state = State::Cooling(now + policy.cooldown);
        }
        if let Some(rest) = rest {
            let until = now + rest.min(LONGEST_REST);
            match self.state {
                State::Cooling(later) if later >= until => {}
                State::Probing => {}
                State::Healthy | State::Cooling(_) => self.state = State::Cooling(until),
            }
        }
    }

    pub(crate) fn figures(&self, policy: &Policy, now: Instant) -> Figures {
        let (calls, failures) = self.counts(policy, now);
        let mut latencies = self.latencies.clone();
        latencies.sort_unstable();
        let state = match self.state {
            State::Cooling(until) if now >= until => State::Probing,
            state => state,
        };
        Figures { state, calls, failures, median: latencies.get(latencies.len() / 2).copied() }
    }

    fn is_over(&self, policy: &Policy, now: Instant) -> bool {
        let (calls, failures) = self.counts(policy, now);
        let share = u64::from(failures) * 100;
        calls >= policy.min_calls && share >= u64::from(calls) * u64::from(policy.failure_percent)
    }

    fn counts(&self, policy: &Policy, now: Instant) -> (u32, u32) {
        let current = self.number(policy, now);
        let recent = self.slices.iter().filter(|slice| slice.number + SLICES > current);
        recent.fold((0, 0), |(calls, failures), slice| {
            (calls + slice.calls, failures + slice.failures)
        })
    }

    fn slice(&mut self, policy: &Policy, now: Instant) -> &mut Slice {
        let number = self.number(policy, now);
        let slice = &mut self.slices[(number % SLICES) as usize];
        if slice.number != number {
            *slice = Slice { number, ..Slice::default() };
        }
        slice
    }

    /// Slices are numbered from the beginning on.
    fn number(&self, policy: &Policy, now: Instant) -> u64 {
        let length = (policy.window / SLICES as u32).max(Duration::from_millis(1));
        let passed = now.saturating_duration_since(self.began);
        u64::try_from(passed.as_nanos() / length.as_nanos()).unwrap_or(u64::MAX - SLICES)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: Policy = Policy {
        window: Duration::from_secs(10),
        min_calls: 4,
        failure_percent: 50,
        cooldown: Duration::from_secs(30),
    };

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    /// A target that has just begun to rest.
    fn cooling(start: Instant) -> Health {
        let mut health = Health::new(start);
        for _ in 0..4 {
            health.failed(&POLICY, false, None, start);
        }
        health
    }

    #[test]
    fn it_rests_at_the_rate_and_not_before_there_are_enough_calls() {
        let start = Instant::now();
        let mut health = Health::new(start);
        for _ in 0..3 {
            health.failed(&POLICY, false, None, start);
            assert_eq!(health.admit(start), Admission::Usual);
        }
        health.failed(&POLICY, false, None, start);
        assert_eq!(health.admit(start), Admission::Refused(after(start, 30)));

        let mut health = Health::new(start);
        for _ in 0..5 {
            health.succeeded(&POLICY, Duration::ZERO, start);
        }
        for _ in 0..4 {
            health.failed(&POLICY, false, None, start);
            assert_eq!(health.admit(start), Admission::Usual);
        }
        health.failed(&POLICY, false, None, start);
        assert!(matches!(health.admit(start), Admission::Refused(_)));
    }

    #[test]
    fn failures_older_than_the_window_do_not_count() {
        let start = Instant::now();
        let mut health = Health::new(start);
        for second in 0..100 {
            // One failure in four seconds: never four within ten.
            if second % 4 == 0 {
                health.failed(&POLICY, false, None, after(start, second));
            }
            assert_eq!(health.admit(after(start, second)), Admission::Usual, "{second}");
        }
        assert_eq!(health.figures(&POLICY, after(start, 99)).failures, 2);
        assert_eq!(health.figures(&POLICY, after(start, 105)).failures, 1);
        assert_eq!(health.figures(&POLICY, after(start, 200)).calls, 0);
    }

    #[test]
    fn one_probe_at_a_time_closes_it_or_opens_it_again() {
        let start = Instant::now();
        let mut health = cooling(start);
        assert!(matches!(health.admit(after(start, 29)), Admission::Refused(_)));
        let due = after(start, 30);
        assert_eq!(health.figures(&POLICY, due).state, State::Probing);
        assert_eq!(health.admit(due), Admission::Probe);
        assert_eq!(health.admit(due), Admission::Refused(due));
        health.failed(&POLICY, true, None, due);
        assert_eq!(health.admit(after(start, 59)), Admission::Refused(after(start, 60)));
        assert_eq!(health.admit(after(start, 60)), Admission::Probe);
        health.recovered();
        assert_eq!(health.admit(after(start, 60)), Admission::Usual);
        // What was before is forgotten: one more failure does not open it.
        health.failed(&POLICY, false, None, after(start, 60));
        assert_eq!(health.admit(after(start, 60)), Admission::Usual);
    }

    #[test]
    fn a_probe_that_tells_nothing_makes_room_for_the_next() {
        let start = Instant::now();
        let mut health = cooling(start);
        assert_eq!(health.admit(after(start, 30)), Admission::Probe);
        health.probe_given_up();
        assert_eq!(health.admit(after(start, 30)), Admission::Probe);
    }

    #[test]
    fn a_target_is_left_alone_for_as_long_as_it_asks() {
        let start = Instant::now();
        let mut health = Health::new(start);
        health.failed(&POLICY, false, Some(Duration::from_secs(7)), start);
        assert_eq!(health.admit(after(start, 6)), Admission::Refused(after(start, 7)));
        assert_eq!(health.admit(after(start, 7)), Admission::Probe);
        let mut health = Health::new(start);
        health.failed(&POLICY, false, Some(Duration::from_secs(86_000)), start);
        assert_eq!(health.admit(start), Admission::Refused(start + LONGEST_REST));
    }

    #[test]
    fn the_median_is_of_the_latest_answers() {
        let start = Instant::now();
        let mut health = Health::new(start);
        assert_eq!(health.figures(&POLICY, start).median, None);
        for millis in [10, 1000, 20] {
            health.succeeded(&POLICY, Duration::from_millis(millis), start);
        }
        assert_eq!(health.figures(&POLICY, start).median, Some(Duration::from_millis(20)));
        for _ in 0..LATENCIES {
            health.succeeded(&POLICY, Duration::from_millis(5), start);
        }
        assert_eq!(health.figures(&POLICY, start).median, Some(Duration::from_millis(5)));
    }

    proptest! {
        /// Whatever happens: never two probes at once, and no target rests for ever.
        #[test]
        fn a_target_always_gets_its_chance(steps in prop::collection::vec((0u8..5, 0u64..40), 1..200)) {
            let mut now = Instant::now();
            let mut health = Health::new(now);
            let mut probes = 0u32;
            for (step, seconds) in steps {
                now += Duration::from_secs(seconds);
                match step {
                    0 => probes += u32::from(health.admit(now) == Admission::Probe),
                    1 => health.succeeded(&POLICY, Duration::ZERO, now),
                    2 => health.failed(&POLICY, false, None, now),
                    3 if probes > 0 => {
                        probes -= 1;
                        health.failed(&POLICY, true, None, now);
                    }
                    4 if probes > 0 => {
                        probes -= 1;
                        health.recovered();
                    }
                    _ => {}
                }
                prop_assert!(probes <= 1);
                let figures = health.figures(&POLICY, now);
                prop_assert!(figures.failures <= figures.calls);
            }
            if probes > 0 {
                health.probe_given_up();
            }
            let admission = health.admit(now + POLICY.cooldown);
            prop_assert!(!matches!(admission, Admission::Refused(_)), "{admission:?}");
        }
    }
}
