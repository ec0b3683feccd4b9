use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::health::{Admission, Figures, Health, Policy};

/// Above this many, those that nobody holds are thrown away.
const MANY: usize = 10_000;

/// A target's health, shared by all who call it through the same route.
#[derive(Clone)]
pub(crate) struct SharedHealth(Arc<Mutex<Health>>);

impl SharedHealth {
    fn new(now: Instant) -> Self {
        Self(Arc::new(Mutex::new(Health::new(now))))
    }

    fn lock(&self) -> MutexGuard<'_, Health> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks to call the target; or when it may be asked again.
    pub(super) fn admit(&self, policy: Policy, now: Instant) -> Result<Ticket, Instant> {
        match self.lock().admit(now) {
            Admission::Usual => Ok(Ticket::new(self, policy, false)),
            Admission::Probe => Ok(Ticket::new(self, policy, true)),
            Admission::Refused(until) => Err(until),
        }
    }

    /// The same where the caller insists on this very target.
    pub(super) fn insist(&self, policy: Policy, now: Instant) -> Ticket {
        self.admit(policy, now).unwrap_or_else(|_| Ticket::new(self, policy, false))
    }

    pub(super) fn figures(&self, policy: &Policy, now: Instant) -> Figures {
        self.lock().figures(policy, now)
    }
}

/// The health of every target of every route that was asked since this process began. Each node
/// judges by its own calls.
#[derive(Default)]
pub(crate) struct HealthBook(Mutex<HashMap<(Uuid, Uuid), SharedHealth>>);

impl HealthBook {
    pub(super) fn of(&self, route: Uuid, model: Uuid, now: Instant) -> SharedHealth {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() > MANY {
            all.retain(|_, health| Arc::strong_count(&health.0) > 1);
        }
        all.entry((route, model)).or_insert_with(|| SharedHealth::new(now)).clone()
    }
}

/// Leave to call a target once. Dropped without having told what came of it, it tells nothing.
pub(super) struct Ticket {
    health: SharedHealth,
    policy: Policy,
    /// Whether it is still open how the probe that this call is ends.
    probes: AtomicBool,
}

impl Ticket {
    fn new(health: &SharedHealth, policy: Policy, probe: bool) -> Self {
        Self { health: health.clone(), policy, probes: AtomicBool::new(probe) }
    }

    /// The first token came.
    pub(super) fn begun(&self) {
        if self.probes.swap(false, Ordering::Relaxed) {
            self.health.lock().recovered();
        }
    }

    /// The answer is whole.
    pub(super) fn succeeded(&self, latency: Duration) {
        self.begun();
        self.health.lock().succeeded(&self.policy, latency, Instant::now());
    }

    /// The target failed, and asks to be left alone for `rest`.
    pub(super) fn failed(&self, rest: Option<Duration>) {
        let probe = self.probes.swap(false, Ordering::Relaxed);
        self.health.lock().failed(&self.policy, probe, rest, Instant::now());
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.probes.load(Ordering::Relaxed) {
            self.health.lock().probe_given_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        window: Duration::from_secs(60),
        min_calls: 1,
        failure_percent: 1,
        cooldown: Duration::ZERO,
    };

    #[test]
    fn a_probe_that_nobody_ends_is_given_back() {
        let (book, now) = (HealthBook::default(), Instant::now());
        let health = book.of(Uuid::nil(), Uuid::max(), now);
        health.admit(POLICY, now).ok().unwrap().failed(None);
        let probe = book.of(Uuid::nil(), Uuid::max(), now).admit(POLICY, Instant::now());
        assert!(probe.is_ok());
        assert!(health.admit(POLICY, Instant::now()).is_err());
        drop(probe);
        let probe = health.admit(POLICY, Instant::now()).ok().unwrap();
        probe.begun();
        assert!(health.admit(POLICY, Instant::now()).is_ok());
        // Another route judges by itself.
        assert!(book.of(Uuid::max(), Uuid::max(), now).admit(POLICY, now).is_ok());
    }

    #[test]
    fn the_book_keeps_what_is_in_use() {
        let (book, now) = (HealthBook::default(), Instant::now());
        let kept = book.of(Uuid::nil(), Uuid::nil(), now);
        kept.admit(POLICY, now).ok().unwrap().failed(None);
        for number in 0..=MANY as u128 {
            book.of(Uuid::max(), Uuid::from_u128(number), now);
        }
        let again = book.of(Uuid::nil(), Uuid::nil(), now);
        assert!(again.figures(&POLICY, Instant::now()).calls == 1);
        assert!(book.0.lock().unwrap().len() < MANY);
    }
}
