//! In which order the targets are asked, and how long to wait before one is asked again. The same
//! request always gets the same: all chance comes from its id.

use std::time::Duration;

use uuid::Uuid;

/// The longest wait before a retry.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// Chance, as SplitMix64 makes it of a seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: Uuid) -> Self {
        let (time, random) = seed.as_u64_pair();
        Self(random ^ time.rotate_left(32))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// More than 0 and less than 1.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }
}

/// Where a target stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rank {
    /// The lowest is asked first.
    pub(crate) priority: i16,
    /// How often it goes before others of its priority; at least 1.
    pub(crate) weight: i16,
}

/// The order in which targets are asked: by priority, within one at random, so that each is the
/// first as often as its weight says, also among those that are left once others are taken out.
pub(crate) fn order(ranks: impl Iterator<Item = Rank>, dice: &mut Dice) -> Vec<usize> {
    // Efraimidis and Spirakis: exponentially distributed with the weight as its rate.
    let drawn = |(index, rank): (usize, Rank)| {
        (rank.priority, -dice.unit().ln() / f64::from(rank.weight.max(1)), index)
    };
    let mut drawn: Vec<(i16, f64, usize)> = ranks.enumerate().map(drawn).collect();
    drawn.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    drawn.into_iter().map(|(.., index)| index).collect()
}

/// How long to wait before the retry of this number, from 0 on: twice as long each time, the second
/// half of it by chance, so that callers that failed together do not come back together.
pub(crate) fn backoff(base: Duration, retry: u32, dice: &mut Dice) -> Duration {
    let whole = base.saturating_mul(2u32.saturating_pow(retry)).min(LONGEST_BACKOFF);
    whole.mul_f64(0.5 + dice.unit() / 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranks(of: &[(i16, i16)]) -> Vec<Rank> {
        of.iter().map(|&(priority, weight)| Rank { priority, weight }).collect()
    }

    proptest! {
        #[test]
        fn every_target_has_its_place(
            of in prop::collection::vec((1i16..5, 1i16..1000), 0..20), seed: u128,
        ) {
            let ranks = ranks(&of);
            let order = order(ranks.iter().copied(), &mut Dice::new(Uuid::from_u128(seed)));
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..of.len()).collect::<Vec<_>>());
            let priorities: Vec<i16> = order.iter().map(|&index| of[index].0).collect();
            prop_assert!(priorities.is_sorted(), "{:?}", priorities);
        }

        #[test]
        fn the_same_request_gets_the_same(seed: u128) {
            let ranks = ranks(&[(1, 3), (1, 5), (2, 1), (2, 1)]);
            let draw = || order(ranks.iter().copied(), &mut Dice::new(Uuid::from_u128(seed)));
            prop_assert_eq!(draw(), draw());
        }

        /// Over 4,000 requests the share of each is within five standard deviations of its weight's,
        /// as the first, and as the first of those left where the heaviest is taken out.
        #[test]
        fn weights_are_honoured(weights in prop::collection::vec(1i16..20, 2..6), seed: u64) {
            const REQUESTS: u32 = 4_000;
            let of: Vec<(i16, i16)> = weights.iter().map(|&weight| (1, weight)).collect();
            let ranks = ranks(&of);
            let heaviest = (0..weights.len()).max_by_key(|&index| weights[index]).unwrap();
            let mut first = vec![0u32; weights.len()];
            let mut second = vec![0u32; weights.len()];
            for request in 0..REQUESTS {
                let seed = u128::from(seed) << 64 | u128::from(request);
                let order = order(ranks.iter().copied(), &mut Dice::new(Uuid::from_u128(seed)));
                first[order[0]] += 1;
                second[*order.iter().find(|&&index| index != heaviest).unwrap()] += 1;
            }
            let sum: i32 = weights.iter().map(|&weight| i32::from(weight)).sum();
            for (counts, without) in [(first, None), (second, Some(heaviest))] {
                let sum = sum - without.map_or(0, |index: usize| i32::from(weights[index]));
                for (index, &count) in counts.iter().enumerate() {
                    let weight = if Some(index) == without { 0 } else { weights[index] };
                    let share = f64::from(weight) / f64::from(sum);
                    let wanted = share * f64::from(REQUESTS);
                    let deviation = (wanted * (1.0 - share)).sqrt();
                    let off = (f64::from(count) - wanted).abs();
                    prop_assert!(off <= 5.0 * deviation + 1.0, "{weights:?} {counts:?}");
                }
            }
        }

        #[test]
        fn waits_double_and_are_spread(base in 1u64..10_000, retry in 0u32..40, seed: u128) {
            let base = Duration::from_millis(base);
            let wait = backoff(base, retry, &mut Dice::new(Uuid::from_u128(seed)));
            let whole = base.saturating_mul(2u32.saturating_pow(retry)).min(LONGEST_BACKOFF);
            prop_assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
        }
    }

    #[test]
    fn ids_of_the_same_moment_do_not_get_the_same() {
        let ranks = ranks(&[(1, 1), (1, 1)]);
        let firsts = (0..200)
            .map(|_| order(ranks.iter().copied(), &mut Dice::new(lyceum_core::new_id()))[0]);
        let zeros = firsts.filter(|&first| first == 0).count();
        assert!((50..150).contains(&zeros), "{zeros} of 200");
    }
}
