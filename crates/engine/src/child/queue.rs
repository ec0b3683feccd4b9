//! The bounded queue in front of a model: each user waits in a line of their own, and the lines
//! take turns, so that one user's hundred requests do not hold up another's first.

use std::collections::{HashMap, VecDeque};

/// Why a request was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueFull;

/// First in, first out within a user; round robin among users.
#[derive(Debug)]
pub(crate) struct FairQueue<T> {
    lines: HashMap<String, VecDeque<T>>,
    turns: VecDeque<String>,
    length: usize,
    limit: usize,
}

impl<T> FairQueue<T> {
    /// A queue of at most `limit` entries, of which a single user may take half as long as others
    /// wait too.
    pub(crate) fn new(limit: usize) -> Self {
        Self { lines: HashMap::new(), turns: VecDeque::new(), length: 0, limit }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Puts `entry` at the end of the line of `user`.
    pub(crate) fn push(&mut self, user: &str, entry: T) -> Result<(), QueueFull> {
        let own = self.lines.get(user).map_or(0, VecDeque::len);
        let crowded = own < self.length && own >= self.limit.div_ceil(2);
        if self.length >= self.limit || crowded {
            return Err(QueueFull);
        }
        if own == 0 {
            self.turns.push_back(user.to_owned());
        }
        self.lines.entry(user.to_owned()).or_default().push_back(entry);
        self.length += 1;
        Ok(())
    }

    /// The next entry, by turns.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let user = self.turns.pop_front()?;
        let line = self.lines.get_mut(&user)?;
        let entry = line.pop_front()?;
        self.length -= 1;
        if line.is_empty() {
            self.lines.remove(&user);
        } else {
            self.turns.push_back(user);
        }
        Some(entry)
    }

    /// Throws out every entry that `keep` refuses.
    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        for line in self.lines.values_mut() {
            line.retain(&keep);
        }
        self.lines.retain(|_, line| !line.is_empty());
        self.turns.retain(|user| self.lines.contains_key(user));
        self.length = self.lines.values().map(VecDeque::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut FairQueue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn users_take_turns() {
        let mut queue = FairQueue::new(10);
        for (user, entry) in [("a", 1), ("a", 2), ("a", 3), ("b", 10), ("c", 20), ("b", 11)] {
            queue.push(user, entry).unwrap();
        }
        assert_eq!(drain(&mut queue), [1, 10, 20, 2, 11, 3]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_full_queue_refuses_and_one_user_cannot_take_it_all_from_others() {
        let mut queue = FairQueue::new(4);
        for entry in 0..4 {
            queue.push("alone", entry).unwrap();
        }
        assert_eq!(queue.push("b", 9), Err(QueueFull));
        assert_eq!(queue.pop(), Some(0));
        queue.push("b", 9).unwrap();
        queue.pop();
        assert_eq!(queue.push("alone", 5), Err(QueueFull));
    }

    #[test]
    fn entries_thrown_out_give_their_place_to_others() {
        let mut queue = FairQueue::new(2);
        queue.push("a", 1).unwrap();
        queue.push("b", 2).unwrap();
        queue.retain(|entry| *entry != 1);
        queue.push("c", 3).unwrap();
        assert_eq!(drain(&mut queue), [2, 3]);
    }
}
