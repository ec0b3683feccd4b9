//! Which sources an answer names.

use std::collections::BTreeSet;

use crate::RetrievedChunk;
use crate::messages::Citation;

/// Sources named where the answer marks none.
const UNMARKED: usize = 3;
const SNIPPET_CHARS: usize = 240;

/// Every numbered source as a citation, before the answer is known.
pub(crate) fn all(sources: &[RetrievedChunk]) -> Vec<Citation> {
    sources.iter().zip(1..).map(|(chunk, index)| citation(index, chunk, false)).collect()
}

/// The sources that the answer marks with `[n]`. Small models often forget the marks: then the
/// best sources are named, as not cited.
pub(crate) fn of_answer(answer: &str, sources: &[RetrievedChunk]) -> Vec<Citation> {
    let marked = marks(answer, sources.len());
    if marked.is_empty() {
        return all(&sources[..sources.len().min(UNMARKED)]);
    }
    let cited = marked.into_iter().filter_map(|index| {
        let chunk = sources.get(usize::try_from(index).ok()?.checked_sub(1)?)?;
        Some(citation(index, chunk, true))
    });
    cited.collect()
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
    fn a_snippet_is_short_and_one_line() {
        assert_eq!(snippet(" a\n\n b "), "a b");
        assert_eq!(snippet(&"知".repeat(500)).chars().count(), SNIPPET_CHARS + 1);
    }
}
