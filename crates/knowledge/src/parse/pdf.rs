use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pdf_oxide::PdfDocument;
use pdf_oxide::converters::ConversionOptions;

use super::pages::{Pages, single_line};
use super::{Outcome, ParseError, ParsedPage};

/// Columns of a line that fills the width of a usual page.
const FULL_LINE: usize = 85;

/// PDF, page by page.
pub(super) fn read(
    mut file: impl Read,
    sink: &mut dyn FnMut(ParsedPage) -> Result<(), ParseError>,
) -> Result<Outcome, ParseError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(ParseError::unreadable)?;
    let document = PdfDocument::from_bytes(bytes).map_err(|error| match error {
        pdf_oxide::Error::EncryptedPdf => ParseError::EncryptedPdf,
        error => ParseError::damaged(error),
    })?;
    // Many files are encrypted with an empty password, only to forbid printing.
    if document.is_encrypted() && !document.authenticate(b"").unwrap_or(false) {
        return Err(ParseError::EncryptedPdf);
    }
    let count = document.page_count().map_err(ParseError::damaged)?;
    if count == 0 {
        return Err(ParseError::Damaged("it has no pages".to_owned()));
    }
    let mut pages = Pages::fixed(sink);
    let mut unread = Vec::new();
    for index in 0..count {
        if index > 0 {
            pages.page_break()?;
        }
        let Some(text) = page_text(&document, index) else {
            unread.push(index + 1);
            continue;
        };
        for paragraph in paragraphs(&text) {
            pages.block(&paragraph)?;
        }
    }
    pages.finish().map_err(|error| match error {
        ParseError::NoText => ParseError::OcrNeeded,
        error => error,
    })?;
    Ok(Outcome { title: None, page_count: u32::try_from(count).ok(), unread: ranges(&unread) })
}

/// The page's text; `None` where the page is broken or only a picture, so that one bad page does not
/// cost the others.
fn page_text(document: &PdfDocument, index: usize) -> Option<String> {
    let options = ConversionOptions { extract_tables: false, ..Default::default() };
    let text = catch_unwind(AssertUnwindSafe(|| {
        if has_columns(document, index) {
            document.extract_text(index)
        } else {
            document.to_plain_text(index, &options)
        }
    }));
    let Ok(Ok(text)) = text else { return None };
    // Fonts that do not say what their glyphs mean come out as replacement characters.
    let unknown = text.chars().filter(|c| *c == '\u{fffd}').count();
    let letters = text.chars().filter(|c| !c.is_whitespace()).count();
    let unread = unknown * 2 > letters || letters == 0 && has_picture(document, index);
    (!unread).then_some(text)
}

/// Whether there is a picture on the page, or what cannot be told from one.
fn has_picture(document: &PdfDocument, index: usize) -> bool {
    let pictures = catch_unwind(AssertUnwindSafe(|| document.page_image_handles(index)));
    !matches!(pictures, Ok(Ok(pictures)) if pictures.is_empty())
}

/// Pages as people write them down: 3, 7–9.
fn ranges(pages: &[usize]) -> Vec<String> {
    let runs = pages.chunk_by(|page, next| page + 1 == *next);
    runs.map(|run| match run {
        [page] => page.to_string(),
        [first, .., last] => format!("{first}–{last}"),
        [] => String::new(),
    })
    .collect()
}

/// Whether the page is set in two columns: most lines have the same gap near the middle. The two
/// ways of extracting text are each better at one of the layouts.
fn has_columns(document: &PdfDocument, index: usize) -> bool {
    let Ok(spans) = document.extract_spans(index) else { return false };
    let mut lines: std::collections::BTreeMap<i64, Vec<(f32, f32)>> = Default::default();
    for span in spans.iter().filter(|span| !span.text.trim().is_empty()) {
        let extent = (span.bbox.x, span.bbox.x + span.bbox.width);
        lines.entry((span.bbox.y / 3.0) as i64).or_default().push(extent);
    }
    let left = lines.values().flatten().map(|s| s.0).fold(f32::MAX, f32::min);
    let right = lines.values().flatten().map(|s| s.1).fold(f32::MIN, f32::max);
    (0..=12).any(|step| {
        let gutter = left + (right - left) * (0.4 + 0.2 * step as f32 / 12.0);
        let (mut split, mut both) = (0, 0);
        for line in lines.values() {
            let before = line.iter().map(|s| s.1).filter(|end| *end <= gutter + 1.0);
            let after = line.iter().map(|s| s.0).filter(|start| *start >= gutter - 1.0);
            let (before, after) = (before.fold(f32::MIN, f32::max), after.fold(f32::MAX, f32::min));
            let crossed = line.iter().any(|s| s.0 < gutter - 1.0 && s.1 > gutter + 1.0);
            if crossed || before > f32::MIN && after < f32::MAX {
                both += 1;
                split += usize::from(!crossed && after - before >= 9.0);
            }
        }
        both >= 10 && split * 10 >= both * 7
    })
}

/// Puts lines that were broken only to fit the page together again.
fn paragraphs(text: &str) -> Vec<String> {
    let lines: Vec<String> = text.lines().map(single_line).collect();
    let mut widths: Vec<usize> = lines.iter().map(|line| width(line)).filter(|w| *w > 0).collect();
    widths.sort_unstable();
    // A full line, not the longest: neither a wide row of a table nor lines that were joined before
    // may make all others look short.
    let full = widths.get(widths.len() * 9 / 10).copied().unwrap_or(0).min(FULL_LINE);
    let mut out: Vec<String> = Vec::new();
    let (mut gap, mut last_width) = (true, 0);
    for line in &lines {
        if line.is_empty() {
            gap = true;
            continue;
        }
        let joined = out.last_mut().filter(|previous| {
            last_width * 10 >= full * 7 && continues(previous, line, std::mem::take(&mut gap))
        });
        match joined {
            Some(previous) => join(previous, line),
            None => out.push(line.clone()),
        }
        gap = false;
        last_width = width(line);
    }
    out
}

/// Whether `line` goes on with the sentence that `previous` ends in.
fn continues(previous: &str, line: &str, gap: bool) -> bool {
    let Some(first) = line.chars().next() else { return false };
    let ended = previous.ends_with(['.', '!', '?', ':', ';', '。', '！', '？', '：', '；', '”']);
    let listed = matches!(first, '•' | '·' | '▪' | '●' | '○' | '–' | '—' | '*' | '■' | '□');
    if listed {
        return false;
    }
    if gap { !ended && (first.is_lowercase() || is_wide(first)) } else { true }
}

fn join(previous: &mut String, line: &str) {
    let (last, first) = (previous.chars().last(), line.chars().next());
    let hyphenated = last == Some('-')
        && first.is_some_and(char::is_lowercase)
        && previous.chars().rev().nth(1).is_some_and(char::is_alphabetic);
    if hyphenated {
        previous.pop();
    } else if !(last.is_some_and(is_wide) && first.is_some_and(is_wide)) {
        previous.push(' ');
    }
    previous.push_str(line);
}

/// Columns that the text takes; Chinese characters take two.
fn width(text: &str) -> usize {
    text.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum()
}

fn is_wide(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ff60}' | '\u{20000}'..='\u{3fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_in_a_row_are_one_range() {
        assert_eq!(ranges(&[1, 3, 4, 5, 9, 10]), ["1", "3–5", "9–10"]);
        assert!(ranges(&[]).is_empty());
    }

    #[test]
    fn wrapped_lines_are_joined_and_items_are_not() {
        let text = "The default size of a chunk is five hund-\nred tokens, which suits most of the\n\
                    models. A short end.\n\n• one item of the list that is rather long\n\
                    • two\n\n知识库的默认分块大小是五百一十二个词\n元，重叠五十个。";
        assert_eq!(
            paragraphs(text),
            [
                "The default size of a chunk is five hundred tokens, which suits most of the \
                 models. A short end.",
                "• one item of the list that is rather long",
                "• two",
                "知识库的默认分块大小是五百一十二个词元，重叠五十个。"
            ]
        );
    }
}
