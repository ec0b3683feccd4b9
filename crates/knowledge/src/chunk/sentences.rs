use std::sync::Arc;

use super::HEADING_CHARS;
use crate::parse::Heading;

/// A sentence, line or heading of a page.
#[derive(Clone, Debug)]
pub(super) struct Sentence {
    /// Index of the first character.
    pub start: usize,
    /// Index after the last.
    pub end: usize,
    /// 0 until counted.
    pub tokens: usize,
    /// The level, where this is a heading itself.
    pub heading: Option<u8>,
    /// The headings that it stands under.
    pub headings: Arc<[String]>,
}

impl Sentence {
    pub fn text(&self, chars: &[char]) -> String {
        chars[self.start..self.end].iter().collect()
    }

    /// In about so many pieces, cut at a space or punctuation where one is near.
    pub fn cut(&self, chars: &[char], pieces: usize) -> Vec<Sentence> {
        let length = (self.end - self.start).div_ceil(pieces.max(2)).max(1);
        let mut out = Vec::new();
        let mut start = self.start;
        while start < self.end {
            let mut end = (start + length).min(self.end);
            if end < self.end {
                let near = (start + length / 2..end).rev().find(|at| is_gap(chars[*at]));
                end = near.map_or(end, |at| at + 1);
            }
            push_trimmed(&mut out, chars, start, end, self);
            start = end;
        }
        out
    }
}

fn is_gap(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ';' | ':' | '，' | '、' | '；' | '：' | '|' | '。')
}

fn push_trimmed(
    out: &mut Vec<Sentence>,
    chars: &[char],
    start: usize,
    end: usize,
    like: &Sentence,
) {
    let first = (start..end).find(|at| !chars[*at].is_whitespace());
    let last = (start..end).rev().find(|at| !chars[*at].is_whitespace());
    if let (Some(first), Some(last)) = (first, last) {
        out.push(Sentence { start: first, end: last + 1, ..like.clone() });
    }
}

/// Splits a page. `path` holds the headings that are open, from page to page.
pub(super) fn split(
    chars: &[char],
    headings: &[Heading],
    path: &mut Vec<Heading>,
) -> Vec<Sentence> {
    let mut out = Vec::new();
    let mut coming = headings.iter().peekable();
    let mut open = names(path);
    let mut start = 0;
    while start < chars.len() {
        let mut level = None;
        let mut limit = chars.len();
        if let Some(heading) = coming.next_if(|heading| heading.offset as usize <= start) {
            path.retain(|above| above.level < heading.level);
            path.push(heading.clone());
            open = names(path);
            level = Some(heading.level);
        }
        if let Some(next) = coming.peek() {
            limit = limit.min(next.offset as usize).max(start + 1);
        }
        let end = match level {
            Some(_) => (start..limit).find(|at| chars[*at] == '\n').unwrap_or(limit),
            None => sentence_end(chars, start, limit),
        }
        .max(start + 1);
        let like = Sentence { start, end, tokens: 0, heading: level, headings: Arc::clone(&open) };
        push_trimmed(&mut out, chars, start, end, &like);
        start = end;
        // So that a heading that follows begins exactly at its offset.
        let next = coming.peek().map_or(chars.len(), |heading| heading.offset as usize);
        while start < chars.len() && start < next && chars[start].is_whitespace() {
            start += 1;
        }
    }
    out
}

fn names(path: &[Heading]) -> Arc<[String]> {
    path.iter().map(|heading| heading.text.chars().take(HEADING_CHARS).collect()).collect()
}

/// Where the sentence that begins at `start` ends.
fn sentence_end(chars: &[char], start: usize, limit: usize) -> usize {
    let mut at = start;
    while at < limit {
        let c = chars[at];
        let after = closing(chars, at + 1, limit);
        match c {
            '。' | '！' | '？' | '；' | '…' => return after,
            '!' | '?' if blank(chars, after, limit) => return after,
            '.' if blank(chars, after, limit) && ends_sentence(chars, start, at, after, limit) => {
                return after;
            }
            '\n' if !wrapped(chars, at, limit) => return at + 1,
            _ => at += 1,
        }
    }
    limit
}

/// Beyond quotation marks and brackets that close the sentence, and repeated marks.
fn closing(chars: &[char], mut at: usize, limit: usize) -> usize {
    const CLOSING: &str = "”’」』）)]\"'】》.!?。！？…";
    while at < limit && CLOSING.contains(chars[at]) {
        at += 1;
    }
    at
}

fn blank(chars: &[char], at: usize, limit: usize) -> bool {
    at >= limit || chars[at].is_whitespace()
}

/// Not after an initial or a common abbreviation, and not where the text goes on in lower case.
fn ends_sentence(chars: &[char], start: usize, dot: usize, after: usize, limit: usize) -> bool {
    const SHORT: [&str; 16] = [
        "mr", "mrs", "ms", "dr", "prof", "st", "no", "vs", "fig", "eq", "sec", "ch", "vol", "al",
        "e.g", "i.e",
    ];
    let next = (after..limit).map(|at| chars[at]).find(|c| !c.is_whitespace());
    if next.is_some_and(char::is_lowercase) {
        return false;
    }
    let word: String = chars[start..dot]
        .iter()
        .rev()
        .take_while(|c| c.is_alphanumeric() || **c == '.')
        .take(8)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .flat_map(|c| c.to_lowercase())
        .collect();
    let initial = word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
    !initial && !SHORT.contains(&word.as_str())
}

/// Whether a line end only wraps the line: the next one goes on in lower case.
fn wrapped(chars: &[char], at: usize, limit: usize) -> bool {
    at + 1 < limit && chars[at + 1].is_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(text: &str) -> Vec<String> {
        let chars: Vec<char> = text.chars().collect();
        split(&chars, &[], &mut Vec::new()).iter().map(|s| s.text(&chars)).collect()
    }

    #[test]
    fn both_languages_are_split_at_their_marks() {
        assert_eq!(
            sentences("他说：“可以。”然后走了！真的？是；不是。The end."),
            ["他说：“可以。”", "然后走了！", "真的？", "是；", "不是。", "The end."]
        );
        assert_eq!(
            sentences(
                "Dr. Smith paid 3.5 dollars, e.g. for tea. \"Really?\" Yes! J. Doe left.\nNext"
            ),
            [
                "Dr. Smith paid 3.5 dollars, e.g. for tea.",
                "\"Really?\"",
                "Yes!",
                "J. Doe left.",
                "Next"
            ]
        );
    }

    #[test]
    fn a_wrapped_line_is_one_sentence() {
        assert_eq!(
            sentences("a line that\ngoes on.\n\n- item\n- item"),
            ["a line that\ngoes on.", "- item", "- item"]
        );
    }
}
