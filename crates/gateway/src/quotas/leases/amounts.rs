use std::ops::{AddAssign, SubAssign};

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use crate::ledger::LedgerRow;

/// The resources of quotas that calls use up, in the order of [`Amounts`] and of the arrays of
/// `gateway.quota_standing`.
pub(crate) const RESOURCES: [&str; 4] = ["api_calls", "tokens", "cost", "compute_seconds"];
/// The place of the cost, which is kept in billionths of a US dollar.
pub(super) const COST: usize = 2;
const BILLION: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// So much of each resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amounts(pub(super) [i128; 4]);

impl Amounts {
    /// `cost` is in US dollars.
    pub(crate) fn new(calls: u64, tokens: u64, cost: Decimal, seconds: u64) -> Self {
        Self([calls.into(), tokens.into(), billionths(cost), seconds.into()])
    }

    /// What a call took, as the ledger has it. An answer that was kept took nothing but the call.
    pub(crate) fn of_row(row: &LedgerRow) -> Self {
        if row.cache_hit {
            return Self([i128::from(row.attempt == 1), 0, 0, 0]);
        }
        let tokens = i128::from(row.prompt_tokens) + i128::from(row.completion_tokens);
        // Our own machine's, each begun one; a provider's are its own.
        let seconds = match row.provider_config_id {
            Some(_) => 0,
            None => {
                i128::from(row.latency_ms).div_euclid(1000)
                    + i128::from(row.latency_ms.rem_euclid(1000) > 0)
            }
        };
        // Of a request only the first attempt is a call.
        Self([i128::from(row.attempt == 1), tokens, row.cost.map_or(0, billionths), seconds])
    }

    pub(super) fn from_decimals(amounts: &[Decimal]) -> Self {
        Self(std::array::from_fn(|place| {
            amounts.get(place).map_or(0, |amount| in_units(place, *amount))
        }))
    }

    pub(crate) fn to_decimals(self) -> [Decimal; 4] {
        std::array::from_fn(|place| in_decimal(place, self.0[place]))
    }

    pub(super) fn times(self, times: i64) -> Self {
        Self(self.0.map(|amount| amount.saturating_mul(times.into())))
    }

    /// The smaller of both, of each resource.
    pub(super) fn least(self, other: Self) -> Self {
        Self(std::array::from_fn(|place| self.0[place].min(other.0[place])))
    }

    pub(super) fn is_zero(self) -> bool {
        self == Self::default()
    }
}

impl AddAssign for Amounts {
    fn add_assign(&mut self, other: Self) {
        for (amount, more) in self.0.iter_mut().zip(other.0) {
            *amount = amount.saturating_add(more);
        }
    }
}

impl SubAssign for Amounts {
    fn sub_assign(&mut self, other: Self) {
        for (amount, less) in self.0.iter_mut().zip(other.0) {
            *amount = amount.saturating_sub(less);
        }
    }
}

/// The most of each resource; `None` does not limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Maximum(pub(super) [Option<i128>; 4]);

impl Maximum {
    pub(super) fn from_decimals(amounts: &[Option<Decimal>]) -> Self {
        Self(std::array::from_fn(|place| {
            amounts.get(place).copied().flatten().map(|amount| in_units(place, amount))
        }))
    }

    /// Without what is not limited.
    pub(super) fn mask(&self, amounts: Amounts) -> Amounts {
        Amounts(std::array::from_fn(|place| match self.0[place] {
            Some(_) => amounts.0[place],
            None => 0,
        }))
    }
}

pub(super) fn in_decimal(place: usize, amount: i128) -> Decimal {
    let scale = if place == COST { 9 } else { 0 };
    Decimal::try_from_i128_with_scale(amount, scale).unwrap_or(Decimal::MAX)
}

fn in_units(place: usize, amount: Decimal) -> i128 {
    if place == COST { billionths(amount) } else { whole(amount) }
}

/// Never less than it is.
fn billionths(amount: Decimal) -> i128 {
    amount.checked_mul(BILLION).map_or(i128::MAX / 4096, |scaled| whole(scaled.ceil()))
}

fn whole(amount: Decimal) -> i128 {
    amount.to_i128().unwrap_or(i128::MAX / 4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_survive_the_way_to_the_database_and_back() {
        let cost: Decimal = "0.000000001".parse().unwrap();
        let amounts = Amounts::new(3, u64::MAX, cost, 7);
        assert_eq!(amounts.0[COST], 1);
        assert_eq!(Amounts::from_decimals(&amounts.to_decimals()), amounts);
        assert_eq!(amounts.to_decimals()[COST], cost);
        // Of less than a billionth there is one, so that nothing is free.
        assert_eq!(Amounts::new(1, 1, "0.0000000001".parse().unwrap(), 0).0[COST], 1);
        assert_eq!(
            Amounts::new(1, 1, Decimal::from(999_999_999), 0).to_decimals()[COST],
            Decimal::from(999_999_999)
        );
    }
}
