//! A place for one sequence in the context, and how places and cache cells are given out.

use super::Token;

/// What a slot keeps in the context's cache.
#[derive(Debug, Default)]
pub(super) struct Cached {
    /// The tokens whose keys and values are there, from position 0.
    pub(super) tokens: Vec<Token>,
    /// Whose they are: a prefix is reused for the same user only, so that timing tells nobody what
    /// others asked.
    pub(super) user: String,
    /// When it was used last, in decodings.
    pub(super) used_at: u64,
}

/// One idle slot, as the choice sees it.
pub(super) struct Idle<'a> {
    pub(super) index: usize,
    pub(super) cached: &'a Cached,
}

/// The idle slot to use for a prompt of `user`, and how many tokens of its cache to keep: the one
/// with the longest common beginning, else an empty one, else the one unused for longest.
pub(super) fn choose(idle: &[Idle<'_>], user: &str, prompt: &[Token]) -> Option<(usize, usize)> {
    let common = |cached: &Cached| {
        let same = cached.tokens.iter().zip(prompt).take_while(|(left, right)| left == right);
        // The last token of the prompt is always decoded, for its logits.
        let reusable = if cached.user == user { same.count() } else { 0 };
        reusable.min(prompt.len().saturating_sub(1))
    };
    let rank = |slot: &&Idle<'_>| {
        let cached = slot.cached;
        (common(cached), cached.tokens.is_empty(), std::cmp::Reverse(cached.used_at))
    };
    let best = idle.iter().max_by_key(rank)?;
    Some((best.index, common(best.cached)))
}

/// Which idle slots to empty, oldest first, so that `need` cells are free beside `occupied`; `None`
/// if even all of them are not enough.
pub(super) fn evict(
    idle: &[Idle<'_>],
    occupied: usize,
    need: usize,
    capacity: usize,
) -> Option<Vec<usize>> {
    let mut cached: usize = idle.iter().map(|slot| slot.cached.tokens.len()).sum();
    let mut oldest: Vec<_> = idle.iter().filter(|slot| !slot.cached.tokens.is_empty()).collect();
    oldest.sort_by_key(|slot| slot.cached.used_at);
    let mut victims = Vec::new();
    for slot in oldest {
        if occupied + cached + need <= capacity {
            break;
        }
        cached -= slot.cached.tokens.len();
        victims.push(slot.index);
    }
    (occupied + cached + need <= capacity).then_some(victims)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cached(tokens: &[Token], user: &str, used_at: u64) -> Cached {
        Cached { tokens: tokens.to_vec(), user: user.to_owned(), used_at }
    }

    #[test]
    fn the_longest_common_beginning_of_the_same_user_wins() {
        let slots = [
            cached(&[1, 2, 9], "ann", 3),
            cached(&[1, 2, 3, 4], "ann", 1),
            cached(&[1, 2, 3, 4, 5], "bob", 2),
        ];
        let idle: Vec<_> =
            slots.iter().enumerate().map(|(index, cached)| Idle { index, cached }).collect();
        assert_eq!(choose(&idle, "ann", &[1, 2, 3, 4, 5, 6]), Some((1, 4)));
        assert_eq!(choose(&idle, "ann", &[1, 2, 3, 4]), Some((1, 3)), "the last is decoded anew");
        assert_eq!(choose(&idle, "cid", &[1, 2, 3]), Some((1, 0)), "nobody else's; the oldest");
        let empty = cached(&[], "", 9);
        let idle: Vec<_> = slots
            .iter()
            .chain([&empty])
            .enumerate()
            .map(|(index, cached)| Idle { index, cached })
            .collect();
        assert_eq!(choose(&idle, "cid", &[1, 2, 3]), Some((3, 0)), "an empty one before any other");
        assert_eq!(choose(&[], "ann", &[1]), None);
    }

    #[test]
    fn the_oldest_caches_make_room_and_no_more_than_needed() {
        let slots = [cached(&[1; 40], "a", 5), cached(&[1; 30], "b", 2), cached(&[1; 20], "c", 9)];
        let idle: Vec<_> =
            slots.iter().enumerate().map(|(index, cached)| Idle { index, cached }).collect();
        assert_eq!(evict(&idle, 0, 10, 100), Some(vec![]));
        assert_eq!(evict(&idle, 0, 35, 100), Some(vec![1]));
        assert_eq!(evict(&idle, 20, 80, 100), Some(vec![1, 0, 2]));
        assert_eq!(evict(&idle, 50, 60, 100), None);
    }
}
