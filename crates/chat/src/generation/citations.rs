//! Which sources an answer names.

use std::collections::BTreeSet;

use crate::RetrievedChunk;
use crate::messages::Citation;
use crate::words;

/// Sources named where the answer marks none.
const UNMARKED: usize = 3;
/// An answer of fewer distinct words says nobody's words.
const FEWEST_WORDS: usize = 3;
/// Share of the answer's words that a source must hold to count as said…
const SAID_SHARE: f64 = 0.5;
/// …and how far it may lie behind the best source.
const SAID_CLOSE: f64 = 0.1;
const SNIPPET_CHARS: usize = 240;

/// Every numbered source as a citation, before the answer is known.
pub(crate) fn all(sources: &[RetrievedChunk]) -> Vec<Citation> {
    sources.iter().zip(1..).map(|(chunk, index)| citation(index, chunk, false)).collect()
}

/// The sources that the answer marks with `[n]`; where it marks none, those whose words it says;
/// where it says no source's words, the best sources, as not cited.
pub(crate) fn of_answer(answer: &str, sources: &[RetrievedChunk]) -> Vec<Citation> {
    let mut cited = marks(answer, sources.len());
    if cited.is_empty() {
        cited = said(answer, sources);
    }
    if cited.is_empty() {
        return all(&sources[..sources.len().min(UNMARKED)]);
    }
    let cited = cited.into_iter().filter_map(|index| {
        let chunk = sources.get(usize::try_from(index).ok()?.checked_sub(1)?)?;
        Some(citation(index, chunk, true))
    });
    cited.collect()
}

/// The numbers of the sources that hold most of the answer's words: small models mark nothing, but
/// say what the source says.
fn said(answer: &str, sources: &[RetrievedChunk]) -> BTreeSet<u32> {
    let distinct = |text: &str| words::segment(text).into_iter().collect::<BTreeSet<_>>();
    let answer = distinct(answer);
    if answer.len() < FEWEST_WORDS {
        return BTreeSet::new();
    }
    let share = |source: &RetrievedChunk| {
        let common = answer.intersection(&distinct(&source.content)).count();
        common as f64 / answer.len() as f64
    };
    let shares: Vec<f64> = sources.iter().map(share).collect();
    let best = shares.iter().copied().fold(0.0, f64::max);
    let close = |share: f64| share >= SAID_SHARE && share >= best - SAID_CLOSE;
    (1..).zip(shares).filter(|(_, share)| close(*share)).map(|(number, _)| number).collect()
}

fn citation(index: u32, chunk: &RetrievedChunk, cited: bool) -> Citation {
    Citation {
        index,
        chunk_id: chunk.chunk_id,
        document_id: chunk.document_id,
        document_title: chunk.document_title.clone(),
        page: chunk.page,
        start_offset: chunk.start_offset,
        end_offset: chunk.end_offset,
        snippet: snippet(&chunk.content),
        cited,
    }
}

/// The beginning of a passage, its line breaks as spaces.
fn snippet(content: &str) -> String {
    let line = content.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SNIPPET_CHARS) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

/// The numbers 1 to `sources` that stand in brackets: `[1]`, `[1, 3]`, `【2】`, `［2、3］`.
fn marks(answer: &str, sources: usize) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut rest = answer;
    while let Some(open) = rest.find(['[', '【', '［']) {
        rest = &rest[open..];
        rest = &rest[rest.chars().next().map_or(1, char::len_utf8)..];
        let Some(close) = rest.find([']', '】', '］', '[', '【', '［', '\n']) else { break };
        let inside = &rest[..close];
        rest = &rest[close..];
        // `[1](https://…)` is a link, and `[1]` before a colon at a line's start a footnote; both
        // still name a source.
        for part in inside.split([',', '，', '、', ';', ' ', '^']) {
            if let Ok(number) = part.trim().parse::<u32>()
                && (1..=sources).contains(&(number as usize))
            {
                found.insert(number);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_in_every_form() {
        let marks = |text| marks(text, 5).into_iter().collect::<Vec<_>>();
        assert_eq!(marks("It is so [1][2]. Or not [4, 5]."), [1, 2, 4, 5]);
        assert_eq!(marks("如此【2】，也［3、4］。"), [2, 3, 4]);
        assert_eq!(marks("a[0] b[6] [x] [ 3 ] [99999999999] ["), [3]);
        assert_eq!(marks("[[2]] [^1]"), [1, 2]);
        assert_eq!(marks("no marks 1 2"), [] as [u32; 0]);
    }

    #[test]
    fn an_answer_without_marks_cites_what_it_says() {
        let source = |content: &str| RetrievedChunk {
            content: content.to_owned(),
            kept: true,
            ..RetrievedChunk::default()
        };
        let sources = [
            source("员工手册。年假：每位员工每年有十七天带薪年假。"),
            source("The canteen opens at 11:40 and closes at 14:10."),
        ];
        let cited = |answer| {
            let citations = of_answer(answer, &sources);
            citations.iter().map(|c| (c.index, c.cited)).collect::<Vec<_>>()
        };
        assert_eq!(cited("每年有十七天带薪年假。"), [(1, true)]);
        assert_eq!(cited("The canteen opens at 11:40."), [(2, true)]);
        assert_eq!(cited("Nobody knows anything about those."), [(1, false), (2, false)]);
    }

    #[test]
    fn a_snippet_is_short_and_one_line() {
        assert_eq!(snippet(" a\n\n b "), "a b");
        assert_eq!(snippet(&"知".repeat(500)).chars().count(), SNIPPET_CHARS + 1);
    }
}
