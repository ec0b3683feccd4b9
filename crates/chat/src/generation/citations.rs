//! Which sources an answer rests on, and where it does.

use std::collections::{BTreeMap, BTreeSet};

use super::claims::Grounds;
use super::sentences::{sentences, whole_sentences};
use crate::RetrievedChunk;
use crate::messages::Citation;

/// Passages named where the answer rests on none.
const NEAREST: usize = 3;
const SNIPPET_CHARS: usize = 240;

/// Every numbered source as a citation, before the answer is known.
pub(crate) fn all(sources: &[RetrievedChunk]) -> Vec<Citation> {
    sources.iter().zip(1..).map(|(chunk, index)| citation(index, chunk, None)).collect()
}

/// The best passages, as not cited.
pub(crate) fn nearest(chunks: &[RetrievedChunk]) -> Vec<Citation> {
    all(&chunks[..chunks.len().min(NEAREST)])
}

/// The sources that the answer marks with `[n]`; where it marks none, those that say what its
/// sentences say; where there are none either, the nearest, as not cited.
pub(crate) fn of_answer(
    answer: &str,
    sources: &[RetrievedChunk],
    grounds: &Grounds,
) -> Vec<Citation> {
    let written = marks(answer, sources.len());
    let cited = match written.is_empty() {
        true => said(answer, grounds),
        false => written.into_iter().map(|number| (number, Vec::new())).collect(),
    };
    if cited.is_empty() {
        return nearest(sources);
    }
    let cited = cited.into_iter().filter_map(|(index, marks)| {
        let chunk = sources.get(usize::try_from(index).ok()?.checked_sub(1)?)?;
        Some(citation(index, chunk, Some(marks)))
    });
    cited.collect()
}

/// The sources of the sentences that are whole already, beside all others as not cited.
pub(crate) fn so_far(answer: &str, sources: &[RetrievedChunk], grounds: &Grounds) -> Vec<Citation> {
    let cited = said(whole_sentences(answer), grounds);
    let of =
        |(chunk, index): (&RetrievedChunk, u32)| citation(index, chunk, cited.get(&index).cloned());
    sources.iter().zip(1..).map(of).collect()
}

/// By the number of each source that the answer rests on: the places behind those sentences.
fn said(answer: &str, grounds: &Grounds) -> BTreeMap<u32, Vec<u32>> {
    let mut places: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let (mut bytes, mut chars) = (0, 0);
    for sentence in sentences(answer) {
        chars += answer.get(bytes..sentence.end).map_or(0, |part| part.chars().count());
        bytes = sentence.end.max(bytes);
        for at in grounds.support(&sentence.text) {
            if let (Ok(number), Ok(place)) = (u32::try_from(at + 1), u32::try_from(chars)) {
                places.entry(number).or_default().push(place);
            }
        }
    }
    places
}

fn citation(index: u32, chunk: &RetrievedChunk, marks: Option<Vec<u32>>) -> Citation {
    Citation {
        index,
        chunk_id: chunk.chunk_id,
        document_id: chunk.document_id,
        document_title: chunk.document_title.clone(),
        page: chunk.page,
        section: chunk.section,
        start_offset: chunk.start_offset,
        end_offset: chunk.end_offset,
        snippet: snippet(&chunk.content),
        cited: marks.is_some(),
        marks: marks.unwrap_or_default(),
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

    fn source(content: &str) -> RetrievedChunk {
        RetrievedChunk { content: content.to_owned(), kept: true, ..RetrievedChunk::default() }
    }

    fn sources() -> [RetrievedChunk; 2] {
        [
            source("员工手册。年假：每位员工每年有十七天带薪年假。"),
            source("The canteen opens at 11:40 and closes at 14:10."),
        ]
    }

    #[test]
    fn an_answer_without_marks_cites_what_it_says() {
        let grounds = Grounds::new("?", &sources());
        let cited = |answer| {
            let citations = of_answer(answer, &sources(), &grounds);
            citations.iter().map(|c| (c.index, c.cited)).collect::<Vec<_>>()
        };
        assert_eq!(cited("每年有十七天带薪年假。"), [(1, true)]);
        assert_eq!(cited("The canteen opens at 11:40."), [(2, true)]);
        assert_eq!(cited("The canteen opens at 09:15."), [(1, false), (2, false)]);
        assert_eq!(cited("Nobody knows anything about those."), [(1, false), (2, false)]);
    }

    #[test]
    fn each_sentence_is_marked_behind_its_end_in_characters() {
        let grounds = Grounds::new("?", &sources());
        let answer = "每年有十七天带薪年假。The canteen opens at **11:40.** It is green.";
        let citations = of_answer(answer, &sources(), &grounds);
        let places: Vec<_> = citations.iter().map(|c| (c.index, c.marks.clone())).collect();
        assert_eq!(places, [(1, vec![11]), (2, vec![42])]);
        let before: String = answer.chars().take(42).collect();
        assert!(before.ends_with("**11:40.**"), "{before}");
        // While it is written, only whole sentences count.
        let growing = so_far("每年有十七天带薪年假。The canteen opens at 11", &sources(), &grounds);
        assert_eq!(growing.iter().map(|c| c.cited).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn marks_of_the_models_own_stay_where_they_are() {
        let grounds = Grounds::new("?", &sources());
        let citations = of_answer("年假十七天[2]。", &sources(), &grounds);
        let found: Vec<_> = citations.iter().map(|c| (c.index, c.cited, c.marks.len())).collect();
        assert_eq!(found, [(2, true, 0)]);
    }

    #[test]
    fn a_snippet_is_short_and_one_line() {
        assert_eq!(snippet(" a\n\n b "), "a b");
        assert_eq!(snippet(&"知".repeat(500)).chars().count(), SNIPPET_CHARS + 1);
    }
}
