//! Whether what was found is about the question at all. A ranking always finds something; of a
//! question that the documents do not answer it is only the least bad.

use std::collections::HashSet;

use super::RetrievedChunk;
use super::rank::Weights;
use super::store::Base;
use crate::words;

/// The model whose similarities the threshold below was measured with; each model has a scale of
/// its own.
const MEASURED: &str = "multilingual-e5-small";
/// The best chunks, which are looked at.
const LOOKED_AT: usize = 3;
/// What the signs must add up to: `cargo xtask bench quality` measures it.
const SIMILARITY_WEIGHT: f32 = 10.0;
const THRESHOLD: f32 = 8.9;
/// The coverage assumed of a question whose words all stand in most texts.
const UNKNOWN_COVERAGE: f32 = 0.5;

/// What tells whether a question is answered.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Signs {
    /// The best similarity of meaning.
    similarity: f32,
    /// The share of the question's words that one chunk holds, each by its weight.
    coverage: f32,
}

impl Signs {
    fn suffice(self) -> bool {
        SIMILARITY_WEIGHT * self.similarity + self.coverage >= THRESHOLD
    }
}

/// Judges the chunks of a question with these words. Where a base has vectors of another model than
/// the measured one, only finding nothing at all tells something.
pub(super) async fn judge(bases: &[Base], words: Weights, chunks: &[RetrievedChunk]) -> bool {
    if chunks.is_empty() || bases.iter().any(|base| base.model != MEASURED) {
        return !chunks.is_empty();
    }
    let similarity = chunks.iter().filter_map(|chunk| chunk.dense_score).fold(-1.0, f32::max);
    let texts: Vec<String> =
        chunks.iter().take(LOOKED_AT).map(|chunk| chunk.content.clone()).collect();
    let coverage = tokio::task::spawn_blocking(move || coverage(&words, &texts)).await;
    let coverage = coverage.ok().flatten().unwrap_or(UNKNOWN_COVERAGE);
    let signs = Signs { similarity, coverage };
    tracing::debug!(similarity, coverage, relevant = signs.suffice(), "what a question found");
    signs.suffice()
}

/// The share of the words, each by its weight, that the best of the texts holds.
fn coverage(words: &Weights, texts: &[String]) -> Option<f32> {
    let all: f32 = words.values().sum();
    let held = |text: &String| -> f32 {
        let found: HashSet<String> = words::words(text).into_iter().collect();
        words.iter().filter(|(word, _)| found.contains(*word)).map(|(_, weight)| weight).sum()
    };
    (all > 0.0).then(|| texts.iter().map(held).fold(0.0, f32::max) / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_counts_words_by_what_they_tell() {
        let words: Weights =
            [("mirror", 1.0), ("telescope", 1.0), ("mongolia", 6.0)].map(owned).into();
        let texts = ["The mirrors of the telescope".to_owned(), "a mirror".to_owned()];
        assert_eq!(coverage(&words, &texts), Some(0.25));
        assert_eq!(coverage(&words, &[]), Some(0.0));
        assert_eq!(coverage(&Weights::new(), &texts), None);
    }

    #[test]
    fn likeness_alone_suffices_only_where_it_is_great() {
        assert!(Signs { similarity: 0.90, coverage: 0.0 }.suffice());
        assert!(Signs { similarity: 0.84, coverage: 0.9 }.suffice());
        assert!(!Signs { similarity: 0.84, coverage: 0.2 }.suffice());
    }

    fn owned((word, weight): (&str, f32)) -> (String, f32) {
        (word.to_owned(), weight)
    }
}
