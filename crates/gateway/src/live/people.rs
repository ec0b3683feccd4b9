use std::collections::HashMap;

use uuid::Uuid;

/// Who was seen within so many seconds is there.
const THERE: u64 = 300;
/// Above this many, those who left are forgotten.
const MANY: usize = 10_000;

/// Who was seen when, in seconds since the start.
#[derive(Default)]
pub(super) struct People {
    seen: HashMap<Uuid, u64>,
    /// From when on nobody else was told yet.
    untold: u64,
}

impl People {
    pub(super) fn saw(&mut self, person: Uuid, now: u64) {
        if self.seen.len() > MANY {
            self.seen.retain(|_, seen| *seen + THERE > now);
        }
        self.seen.insert(person, now);
    }

    /// How many are there.
    pub(super) fn count(&self, now: u64) -> usize {
        self.seen.values().filter(|seen| **seen + THERE > now).count()
    }

    /// Those of whom nobody was told yet.
    pub(super) fn untold(&self) -> Vec<Uuid> {
        let new = self.seen.iter().filter(|(_, seen)| **seen >= self.untold);
        new.map(|(person, _)| *person).collect()
    }

    /// Others were told of all who were seen before.
    pub(super) fn told(&mut self, before: u64) {
        self.untold = before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_there_for_a_while_and_told_once() {
        let [ada, bob] = [1, 2].map(Uuid::from_u128);
        let mut people = People::default();
        people.saw(ada, 0);
        people.saw(bob, 100);
        assert_eq!(people.count(100), 2);
        assert_eq!(people.count(300), 1);
        assert_eq!(people.count(400), 0);
        let mut all = people.untold();
        all.sort_unstable();
        assert_eq!(all, [ada, bob]);
        people.told(101);
        assert!(people.untold().is_empty());
        people.saw(ada, 102);
        assert_eq!(people.untold(), [ada]);
    }
}
