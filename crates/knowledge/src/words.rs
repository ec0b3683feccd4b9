//! Words of a text, for search by words in PostgreSQL.

use std::collections::BTreeMap;

pub use lyceum_store::{content_words as words, distinct_words as distinct};

/// PostgreSQL keeps no more positions of one word, and no position beyond the last.
const MAX_POSITIONS: usize = 255;
const LAST_POSITION: usize = 16_383;

/// A text's words as the text form of a `tsvector`, and how many they are.
pub fn vector(text: &str) -> (String, usize) {
    let words = words(text);
    let count = words.len();
    let mut positions: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, word) in words.into_iter().enumerate() {
        let at_word = positions.entry(word).or_default();
        if at_word.len() < MAX_POSITIONS {
            at_word.push((at + 1).min(LAST_POSITION));
        }
    }
    let entry = |(word, mut at): (String, Vec<usize>)| {
        at.dedup();
        let places: Vec<String> = at.iter().map(ToString::to_string).collect();
        format!("{}:{}", quote(&word), places.join(","))
    };
    (positions.into_iter().map(entry).collect::<Vec<_>>().join(" "), count)
}

/// A word as an operand of a `tsvector` or `tsquery` text.
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_counts_places_and_quotes() {
        assert_eq!(vector("cat dog cats"), ("'cat':1,3 'dog':2".to_owned(), 3));
        assert_eq!(quote("it's \\"), "'it''s \\\\'");
    }
}
