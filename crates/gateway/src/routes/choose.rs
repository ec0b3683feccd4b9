//! In which order the targets are asked, and how long to wait before one is asked again. All chance
//! comes from seeds: the waits from the request's id, the order from what the turns of a conversation
//! have in common, else from that id, too.

use std::time::Duration;

use uuid::Uuid;

/// The longest wait before a retry.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// What chance is made of: the same gives the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed(pub(crate) u64);

impl From<Uuid> for Seed {
    fn from(id: Uuid) -> Self {
        let (time, random) = id.as_u64_pair();
        Self(random ^ time.rotate_left(32))
    }
}

/// Chance, as SplitMix64 makes it of a seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: Seed) -> Self {
        Self(seed.0)
    }

    /// The chance of one target, which is the same whichever others there are.
    fn of_target(seed: Seed, target: Uuid) -> Self {
        Self(seed.0 ^ Self::new(target.into()).next())
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
/// first as often as its weight says, also among those that are left once others are taken out. Of
/// one seed the targets always come in the same order, also where some are missing or new.
pub(crate) fn order(targets: impl Iterator<Item = (Uuid, Rank)>, seed: Seed) -> Vec<Uuid> {
    // Efraimidis and Spirakis: exponentially distributed with the weight as its rate. With a draw of
    // each target's own it is weighted rendezvous hashing.
    let drawn = |(id, rank): (Uuid, Rank)| {
        let unit = Dice::of_target(seed, id).unit();
        (rank.priority, -unit.ln() / f64::from(rank.weight.max(1)), id)
    };
    let mut drawn: Vec<(i16, f64, Uuid)> = targets.map(drawn).collect();
    drawn.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    drawn.into_iter().map(|(.., id)| id).collect()
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

    /// Targets by the numbers of their ids.
    fn targets(of: &[(i16, i16)]) -> Vec<(Uuid, Rank)> {
        let target = |(index, &(priority, weight)): (usize, &(i16, i16))| {
            (Uuid::from_u128(index as u128), Rank { priority, weight })
        };
        of.iter().enumerate().map(target).collect()
    }

    fn drawn(targets: &[(Uuid, Rank)], seed: u128) -> Vec<usize> {
        let order = order(targets.iter().copied(), Uuid::from_u128(seed).into());
        order.into_iter().map(|id| id.as_u128() as usize).collect()
    }

    proptest! {
        #[test]
        fn every_target_has_its_place(
            of in prop::collection::vec((1i16..5, 1i16..1000), 0..20), seed: u128,
        ) {
            let order = drawn(&targets(&of), seed);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..of.len()).collect::<Vec<_>>());
            let priorities: Vec<i16> = order.iter().map(|&index| of[index].0).collect();
            prop_assert!(priorities.is_sorted(), "{:?}", priorities);
        }

        #[test]
        fn the_same_gets_the_same_whichever_targets_are_missing(
            of in prop::collection::vec((1i16..3, 1i16..20), 2..6), missing: usize, seed: u128,
        ) {
            let mut targets = targets(&of);
            let mut order = drawn(&targets, seed);
            prop_assert_eq!(&order, &drawn(&targets, seed));
            let missing = missing % targets.len();
            targets.remove(missing);
            order.retain(|&index| index != missing);
            prop_assert_eq!(order, drawn(&targets, seed));
        }

        /// Over 4,000 requests the share of each is within five standard deviations of its weight's,
        /// as the first, and as the first of those left where the heaviest is taken out.
        #[test]
        fn weights_are_honoured(weights in prop::collection::vec(1i16..20, 2..6), seed: u64) {
            const REQUESTS: u32 = 4_000;
            let of: Vec<(i16, i16)> = weights.iter().map(|&weight| (1, weight)).collect();
            let targets = targets(&of);
            let heaviest = (0..weights.len()).max_by_key(|&index| weights[index]).unwrap();
            let mut first = vec![0u32; weights.len()];
            let mut second = vec![0u32; weights.len()];
            for request in 0..REQUESTS {
                let seed = u128::from(seed) << 64 | u128::from(request);
                let order = drawn(&targets, seed);
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
            let wait = backoff(base, retry, &mut Dice::new(Uuid::from_u128(seed).into()));
            let whole = base.saturating_mul(2u32.saturating_pow(retry)).min(LONGEST_BACKOFF);
            prop_assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
        }
    }

    #[test]
    fn ids_of_the_same_moment_do_not_get_the_same() {
        let targets = targets(&[(1, 1), (1, 1)]);
        let firsts = (0..200).map(|_| drawn(&targets, lyceum_core::new_id().as_u128())[0]);
        let zeros = firsts.filter(|&first| first == 0).count();
        assert!((50..150).contains(&zeros), "{zeros} of 200");
    }
}
