use std::collections::HashMap;

use crate::words::quote;

/// How much each word of a question tells: a rare one more than a common one, and one that stands
/// nowhere the most.
pub(super) type Weights = HashMap<String, f32>;

/// Words of a question that are looked for.
pub(super) const MAX_WORDS: usize = 24;
/// Chunks that are ranked by words at most.
const RANKED: i64 = 1_000;
/// Up to so many chunks, each is looked at.
const NARROW: i64 = 5_000;

/// How vectors are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Every permitted vector.
    Exact,
    /// Through the index, going on until enough permitted ones are found.
    Index,
}

/// Exact where that is cheaper. The index walks through 1/permitted share more rows the fewer are
/// permitted, at about ten times the cost of comparing one vector: measured by
/// `cargo bench -p lyceum-knowledge`.
pub(super) fn way(permitted: i64, all: i64) -> Way {
    let (permitted, all) = (permitted as f64, all.max(permitted) as f64);
    let exact = permitted;
    let index = 1_000.0 + 400.0 * all / permitted.max(1.0);
    if exact <= index.max(2_500.0) { Way::Exact } else { Way::Index }
}

/// A search by words, as texts of `tsquery`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WordPlan {
    /// Finds the chunks to rank.
    pub candidates: String,
    /// Whether all chunks are few enough to look at each.
    pub narrow: bool,
    /// Chunks to rank at most.
    pub limit: i32,
    /// The words.
    pub terms: Vec<String>,
    /// Their weights.
    pub weights: Vec<f32>,
}

/// Chooses by which words chunks are found: by the rare ones, until they are many; the common ones
/// only order what the rare ones found. Two common words must both be there.
pub(super) fn plan(mut counts: Vec<(String, i64)>, chunks: i64) -> Option<WordPlan> {
    counts.retain(|(_, count)| *count > 0);
    counts.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    let (first, rest) = counts.split_first()?;
    let mut candidates = quote(&first.0);
    let mut sum = first.1;
    if sum > RANKED {
        if let Some((second, _)) = rest.first() {
            candidates = format!("{candidates} & {}", quote(second));
        }
    } else {
        for (word, count) in rest.iter().take_while(|(_, count)| {
            sum += count;
            sum <= RANKED
        }) {
            debug_assert!(*count > 0, "words that stand nowhere were dropped");
            candidates = format!("{candidates} | {}", quote(word));
        }
    }
    Some(WordPlan {
        candidates,
        narrow: chunks <= NARROW,
        limit: i32::try_from(RANKED).unwrap_or(i32::MAX),
        terms: counts.iter().map(|(word, _)| quote(word)).collect(),
        weights: counts.iter().map(|(_, count)| weight(*count, chunks)).collect(),
    })
}

/// The weights of all these words, of which `counts` tells those that stand in some chunk.
pub(super) fn weights(words: Vec<String>, counts: &[(String, i64)], chunks: i64) -> Weights {
    let known: HashMap<&str, i64> = counts.iter().map(|(w, n)| (w.as_str(), *n)).collect();
    let of = |word: &str| weight(known.get(word).copied().unwrap_or(0), chunks);
    words.into_iter().map(|word| (of(&word), word)).map(|(weight, word)| (word, weight)).collect()
}

/// What a word tells that stands in `count` of so many chunks (inverse document frequency).
fn weight(count: i64, chunks: i64) -> f32 {
    let chunks = chunks.max(1) as f64;
    let count = (count as f64).min(chunks);
    (1.0 + (chunks - count + 0.5) / (count + 0.5)).ln() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_shares_are_searched_exactly() {
        assert_eq!(way(1_000, 100_000), Way::Exact);
        assert_eq!(way(100_000, 100_000), Way::Index);
        assert_eq!(way(10, 10), Way::Exact);
        assert_eq!(way(10_000, 1_000_000), Way::Exact);
        assert_eq!(way(500_000, 1_000_000), Way::Index);
    }

    #[test]
    fn rare_words_find_and_all_words_rank() {
        let counts =
            |list: &[(&str, i64)]| list.iter().map(|(w, n)| ((*w).to_owned(), *n)).collect();
        let found = plan(counts(&[("common", 90_000), ("rare", 3), ("none", 0)]), 100_000).unwrap();
        assert_eq!(found.candidates, "'rare'");
        assert_eq!(found.terms, ["'rare'", "'common'"]);
        assert!(found.weights[0] > 10.0 * found.weights[1]);
        let both = plan(counts(&[("a", 50_000), ("b", 60_000)]), 100_000).unwrap();
        assert_eq!(both.candidates, "'a' & 'b'");
        assert!(plan(counts(&[("none", 0)]), 10).is_none());
    }
}
