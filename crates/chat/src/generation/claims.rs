//! Which passages say what a sentence says, found by the words that they share: small models name
//! no sources, and what any model names is not always what it used.

use std::collections::HashSet;

use lyceum_store::content_words;

use super::prompt::denies;
use crate::RetrievedChunk;

type Words = HashSet<String>;

/// The share of a sentence's words that its passages must hold…
const SHARE: f64 = 0.5;
/// …and the share of those that were not in the question already.
const CLAIMED_SHARE: f64 = 0.6;
/// What a further passage must add to be named beside a better one: words, and share of the claim.
const FURTHER_WORDS: usize = 2;
const FURTHER_SHARE: f64 = 0.25;
/// The passages of one sentence.
const MOST: usize = 3;

/// The passages of an answer by their words, and those of the question.
#[derive(Debug, Default)]
pub(crate) struct Grounds {
    passages: Vec<Words>,
    question: Words,
}

impl Grounds {
    /// Segments everything, which takes some milliseconds.
    pub fn new(question: &str, sources: &[RetrievedChunk]) -> Self {
        Self {
            passages: sources.iter().map(|source| words_of(&source.content)).collect(),
            question: words_of(question),
        }
    }

    /// The places of the passages that together say what the sentence says; none where they do not.
    pub fn support(&self, sentence: &str) -> Vec<usize> {
        let all = words_of(sentence);
        if all.is_empty() || denies(sentence) {
            return Vec::new();
        }
        let new: Words = all.difference(&self.question).cloned().collect();
        // A sentence that only says the question again claims just that.
        let claim = if new.is_empty() { &all } else { &new };
        // A name or a number on its own is an answer; a lone word of the question is none.
        if all.len() < 2 && new.is_empty() {
            return Vec::new();
        }
        let chosen = self.cover(&all, claim);
        let held = |words: &Words| {
            let held = |word: &&String| chosen.iter().any(|&at| self.passages[at].contains(*word));
            words.iter().filter(held).count() as f64 / words.len() as f64
        };
        let numbers: Words = claim.iter().filter(|word| is_number(word)).cloned().collect();
        let sure = held(&all) >= SHARE
            && held(claim) >= CLAIMED_SHARE
            && (numbers.is_empty() || held(&numbers) >= 1.0);
        if sure { chosen } else { Vec::new() }
    }

    /// The passage that holds most of the claim, and those that add to it what it lacks.
    fn cover(&self, all: &Words, claim: &Words) -> Vec<usize> {
        let mut open: Words = claim.clone();
        let mut chosen = Vec::new();
        while chosen.len() < MOST {
            let gain = |at: &usize| {
                let passage = &self.passages[*at];
                let further = open.intersection(passage).count();
                // Of equal ones the passage that is nearer to the sentence, then the better ranked.
                (further, all.intersection(passage).count(), std::cmp::Reverse(*at))
            };
            let rest = (0..self.passages.len()).filter(|at| !chosen.contains(at));
            let Some(best) = rest.max_by_key(gain) else { break };
            let further = gain(&best).0;
            let worth = match chosen.is_empty() {
                true => further > 0,
                false => {
                    further >= FURTHER_WORDS && further as f64 >= FURTHER_SHARE * claim.len() as f64
                }
            };
            if !worth {
                break;
            }
            open.retain(|word| !self.passages[best].contains(word));
            chosen.push(best);
        }
        chosen.sort_unstable();
        chosen
    }
}

fn words_of(text: &str) -> Words {
    content_words(text).into_iter().collect()
}

fn is_number(word: &str) -> bool {
    word.chars().any(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grounds(question: &str) -> Grounds {
        let source = |content: &str| RetrievedChunk {
            content: content.to_owned(),
            kept: true,
            ..RetrievedChunk::default()
        };
        let sources = [
            source("Tide records are kept for 42 years. Weather logs are kept for nine years."),
            source("The main telescope is named Albatross. Its mirror measures 84 centimetres."),
            source("天文台的台长是林若溪，她于二〇一八年上任。图书馆藏有三千二百册星图。"),
        ];
        Grounds::new(question, &sources)
    }

    #[test]
    fn a_sentence_rests_on_the_passage_that_says_it() {
        let found = grounds("How long are tide records kept?");
        assert_eq!(found.support("Tide records are kept for 42 years."), [0]);
        assert_eq!(found.support("42 years."), [0]);
        assert_eq!(grounds("天文台的台长是谁？").support("台长是林若溪。"), [2]);
        assert_eq!(grounds("天文台的台长是谁？").support("林若溪"), [2]);
    }

    #[test]
    fn another_number_or_name_is_another_claim() {
        let found = grounds("How long are tide records kept?");
        assert_eq!(found.support("Tide records are kept for 17 years."), [] as [usize; 0]);
        assert_eq!(
            grounds("天文台的台长是谁？").support("天文台的台长是王大明。"),
            [] as [usize; 0]
        );
        assert_eq!(found.support("They are archived by the harbour master."), [] as [usize; 0]);
        assert_eq!(found.support("The text does not say."), [] as [usize; 0]);
        assert_eq!(found.support("tide"), [] as [usize; 0]);
    }

    #[test]
    fn a_sentence_of_two_passages_names_both() {
        let found = grounds("What do you know?");
        let both = "Tide records are kept for 42 years, and the mirror of the telescope Albatross measures 84 centimetres.";
        assert_eq!(found.support(both), [0, 1]);
    }
}
