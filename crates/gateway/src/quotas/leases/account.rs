use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::amounts::{Amounts, COST, Maximum, RESOURCES, in_decimal};
use crate::quotas::QuotaRefusal;

/// One quota as this process knows it: what it holds of it, and how it stood when it last asked.
pub(crate) struct Account {
    pub(crate) id: Uuid,
    /// Held while more is leased, so that only one call asks.
    pub(super) leasing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

/// How a quota stands in the database.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) quota_id: Uuid,
    pub(crate) scope: String,
    pub(crate) subject_id: Uuid,
    pub(crate) timezone: String,
    pub(crate) month: NaiveDate,
    pub(crate) begins_at: DateTime<Utc>,
    pub(crate) ends_at: DateTime<Utc>,
    pub(super) maximum: Maximum,
    pub(super) used: Amounts,
    pub(super) leased: Amounts,
}

pub(super) struct State {
    /// Under which lock it leases; 0 where it does not.
    pub(super) holder: i64,
    pub(super) standing: Standing,
    /// Leased for calls to come.
    pub(super) free: Amounts,
    /// Leased for calls that run.
    pub(super) running: Amounts,
    /// Leased, and spent by calls that are in the ledger; to be given back.
    pub(super) spent: Amounts,
    /// The quota may have been changed since it stood so.
    pub(super) is_stale: bool,
    /// Nobody reserved of it since it was last looked at.
    pub(super) is_idle: bool,
    /// Which resources were seen beyond four fifths in this month.
    pub(super) warned: [bool; 4],
}

impl Account {
    pub(super) fn new(standing: Standing) -> Self {
        let none = Amounts::default();
        Self {
            id: standing.quota_id,
            leasing: tokio::sync::Mutex::default(),
            state: Mutex::new(State {
                holder: 0,
                standing,
                free: none,
                running: none,
                spent: none,
                is_stale: true,
                is_idle: true,
                warned: [false; 4],
            }),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The month in which a moment lies, if it is the account's.
    pub(super) fn month_of(&self, moment: DateTime<Utc>) -> Option<NaiveDate> {
        let state = self.state();
        let standing = &state.standing;
        (standing.begins_at <= moment && moment < standing.ends_at).then_some(standing.month)
    }

    /// Its resources of which four fifths are used or reserved.
    pub(super) fn warnings(&self, at: DateTime<Utc>) -> Vec<String> {
        let state = self.state();
        let held = state.held();
        let near = (0..RESOURCES.len()).filter(|place| {
            state.standing.is_near(*place, state.standing.used.0[*place] + held.0[*place])
        });
        let describe = |place| state.standing.describe(place, held, Amounts::default(), at);
        near.filter_map(|place| describe(place)?.warning()).collect()
    }

    /// Whose it is (`user`, `group` or `api_key`), if it limits costs.
    pub(super) fn cost_limited_by(&self) -> Option<String> {
        let state = self.state();
        let limit = state.standing.maximum.0[COST];
        limit.map(|_| state.standing.scope.clone())
    }

    /// What is leased and no running call needs.
    pub(super) fn unneeded(&self) -> Amounts {
        let state = self.state();
        let mut all = state.free;
        all += state.spent;
        all
    }
}

impl Standing {
    /// Whether `amount` of a resource is four fifths of it or more.
    pub(super) fn is_near(&self, place: usize, amount: i128) -> bool {
        self.maximum.0[place].is_some_and(|limit| limit > 0 && amount * 5 >= limit * 4)
    }

    /// What of its resources stands in the way of `wanted`, judged at `at`.
    pub(super) fn refusals(
        &self,
        wanted: Amounts,
        at: DateTime<Utc>,
    ) -> impl Iterator<Item = QuotaRefusal> {
        let is_short = move |place: &usize| {
            let (used, held) = (self.used.0[*place], self.leased.0[*place]);
            let wanted = wanted.0[*place];
            wanted > 0 && self.maximum.0[*place].is_some_and(|limit| used + held + wanted > limit)
        };
        let places = (0..RESOURCES.len()).filter(is_short);
        places.filter_map(move |place| self.describe(place, self.leased, wanted, at))
    }

    fn describe(
        &self,
        place: usize,
        held: Amounts,
        wanted: Amounts,
        at: DateTime<Utc>,
    ) -> Option<QuotaRefusal> {
        Some(QuotaRefusal {
            scope: self.scope.clone(),
            resource: (*RESOURCES.get(place)?).to_owned(),
            maximum: in_decimal(place, self.maximum.0[place]?),
            used: in_decimal(place, self.used.0[place]),
            reserved: in_decimal(place, held.0[place]),
            wanted: in_decimal(place, wanted.0[place]),
            ends_at: self.ends_at,
            ends_on: self.ends_at_home(),
            timezone: self.timezone.clone(),
            judged_at: at,
        })
    }

    /// The first day of the next month.
    fn ends_at_home(&self) -> NaiveDate {
        self.month.checked_add_months(chrono::Months::new(1)).unwrap_or(self.month)
    }
}

impl State {
    /// What calls hold, here and, as far as is known, elsewhere.
    fn held(&self) -> Amounts {
        let mut held = self.standing.leased;
        held += self.running;
        held
    }

    /// Takes `wanted` of what is free, or nothing. What it took is without what is not limited.
    pub(super) fn take(
        &mut self,
        holder: i64,
        wanted: Amounts,
        at: DateTime<Utc>,
    ) -> Option<Amounts> {
        let wanted = self.standing.maximum.mask(wanted);
        let fits = self.free.0.iter().zip(wanted.0).all(|(free, wanted)| *free >= wanted);
        let is_current = self.holder == holder && !self.is_stale && at < self.standing.ends_at;
        if !is_current || !fits {
            return None;
        }
        self.free -= wanted;
        self.running += wanted;
        self.is_idle = false;
        Some(wanted)
    }

    /// A call is over that reserved `held` under `holder`; of it `spent` is in the ledger.
    pub(super) fn settle(&mut self, holder: i64, held: Amounts, spent: Amounts) {
        // With another lock the lease is gone, and what it held with it.
        if self.holder != holder {
            return;
        }
        let spent = held.least(spent);
        self.running -= held;
        self.spent += spent;
        self.free += held;
        self.free -= spent;
    }

    /// What `holder` can give back; it is not held any more.
    pub(super) fn give_back(&mut self, holder: i64) -> Amounts {
        let mut all = std::mem::take(&mut self.free);
        all += std::mem::take(&mut self.spent);
        if self.holder == holder {
            return all;
        }
        self.holder = holder;
        self.running = Amounts::default();
        Amounts::default()
    }

    /// What was to be given back is still leased.
    pub(super) fn keep(&mut self, holder: i64, amounts: Amounts) {
        if self.holder == holder {
            self.spent += amounts;
        }
    }

    /// The ledger has so much more. Answers the resources that crossed four fifths by it.
    pub(super) fn count(&mut self, month: NaiveDate, amounts: Amounts) -> Vec<&'static str> {
        if self.standing.month != month {
            return Vec::new();
        }
        self.standing.used += amounts;
        let mut crossed = Vec::new();
        for (place, resource) in RESOURCES.into_iter().enumerate() {
            let is_near = self.standing.is_near(place, self.standing.used.0[place]);
            if is_near && !std::mem::replace(&mut self.warned[place], true) {
                crossed.push(resource);
            }
        }
        crossed
    }

    /// Learns how the quota stands, and that `times` as much as `wanted` was leased, of which one
    /// call takes its part at once. What it took is without what is not limited.
    pub(super) fn learn(&mut self, mut standing: Standing, times: i64, wanted: Amounts) -> Amounts {
        if standing.month != self.standing.month {
            self.warned = [false; 4];
        }
        let wanted = standing.maximum.mask(wanted);
        let taken = wanted.times(times.min(1));
        self.free += wanted.times(times);
        self.free -= taken;
        self.running += taken;
        self.is_idle = false;
        // From here on what others hold.
        for own in [self.free, self.running, self.spent] {
            standing.leased -= own;
        }
        standing.leased = Amounts(standing.leased.0.map(|amount| amount.max(0)));
        self.standing = standing;
        self.is_stale = false;
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn standing(maximum: [Option<i128>; 4]) -> Standing {
        let at = DateTime::<Utc>::MIN_UTC;
        Standing {
            quota_id: Uuid::nil(),
            scope: "user".to_owned(),
            subject_id: Uuid::nil(),
            timezone: "UTC".to_owned(),
            month: NaiveDate::MIN,
            begins_at: at,
            ends_at: DateTime::<Utc>::MAX_UTC,
            maximum: Maximum(maximum),
            used: Amounts::default(),
            leased: Amounts::default(),
        }
    }

    proptest! {
        /// Whatever calls do, what is free, running and spent is what was leased.
        #[test]
        fn nothing_leased_is_lost_or_made(
            steps in prop::collection::vec((0..4_u8, 0..50_i128, 0..80_i128), 1..200),
            limited in prop::array::uniform4(any::<bool>()),
        ) {
            let account = Account::new(standing(limited.map(|limited| limited.then_some(1_000_000))));
            let mut state = account.state();
            let (mut leased, mut calls) = (Amounts::default(), Vec::new());
            for (step, amount, spent) in steps {
                let wanted = Amounts([1, amount, amount * 7, amount / 3]);
                match step {
                    0 => {
                        leased -= state.give_back(5);
                        let now = state.standing.clone();
                        let mut standing = now.clone();
                        standing.leased = leased;
                        standing.leased += now.maximum.mask(wanted.times(8));
                        leased = standing.leased;
                        calls.push(state.learn(standing, 8, wanted));
                    }
                    1 => calls.extend(state.take(5, wanted, DateTime::<Utc>::MIN_UTC)),
                    _ => {
                        if let Some(held) = calls.pop() {
                            state.settle(5, held, Amounts([1, spent, spent, spent]));
                        }
                    }
                }
                let mut sum = state.free;
                sum += state.running;
                sum += state.spent;
                prop_assert_eq!(sum, leased);
                prop_assert!([state.free, state.running, state.spent].iter().all(|a| a.0.iter().all(|v| *v >= 0)));
                prop_assert!(state.standing.leased.is_zero(), "nobody else leases");
            }
        }
    }
}
