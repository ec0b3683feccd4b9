use super::{Heading, ParseError, ParsedPage};

/// Characters of text that one document may have.
const MAX_CHARS: usize = 40_000_000;
/// Where a format knows no pages, a new section begins at the next block after this many.
const SECTION_CHARS: usize = 24_000;
/// A page of a format that knows them has no more than this and one block: the server holds a
/// whole page in memory.
const PAGE_CHARS: usize = 500_000;
/// Stands where the rest of such a page is left out.
const LEFT_OUT: &str = "[The rest of this page is left out: it is too long.]";
/// A heading longer than this is a paragraph.
const HEADING_CHARS: usize = 1_000;
/// A single block longer than this is cut.
const BLOCK_CHARS: usize = 100_000;

/// Collects blocks of text into pages and hands each page out as soon as it is complete, so that
/// only one is in memory.
pub(super) struct Pages<'a> {
    sink: &'a mut dyn FnMut(ParsedPage) -> Result<(), ParseError>,
    text: String,
    chars: usize,
    headings: Vec<Heading>,
    number: u32,
    total: usize,
    limit: usize,
    /// Whether the page ends where it reaches the limit, because the next number is taken.
    cut: bool,
    /// Whether the rest of this page is left out.
    full: bool,
}

impl<'a> Pages<'a> {
    /// For a format whose pages are numbered: only [`Pages::page_break`] begins a new one, and one
    /// that is far too long loses its end.
    pub fn fixed(sink: &'a mut dyn FnMut(ParsedPage) -> Result<(), ParseError>) -> Self {
        Self {
            sink,
            text: String::new(),
            chars: 0,
            headings: Vec::new(),
            number: 1,
            total: 0,
            limit: PAGE_CHARS,
            cut: true,
            full: false,
        }
    }

    /// For sheets, which have names and no numbers: one that is far too long goes on as another.
    pub fn sheets(sink: &'a mut dyn FnMut(ParsedPage) -> Result<(), ParseError>) -> Self {
        Self { cut: false, ..Self::fixed(sink) }
    }

    /// For a format without pages: long texts are cut into sections.
    pub fn flowing(sink: &'a mut dyn FnMut(ParsedPage) -> Result<(), ParseError>) -> Self {
        Self { limit: SECTION_CHARS, cut: false, ..Self::fixed(sink) }
    }

    /// A paragraph, list item, row or the like.
    pub fn block(&mut self, text: &str) -> Result<(), ParseError> {
        self.push(text, "\n\n")
    }

    /// A line that belongs to the one before: rows of a table, items of a list.
    pub fn line(&mut self, text: &str) -> Result<(), ParseError> {
        self.push(text, "\n")
    }

    /// A heading; level 1 is the highest.
    pub fn heading(&mut self, level: u8, text: &str) -> Result<(), ParseError> {
        let text = single_line(&clean(text));
        if text.is_empty() {
            return Ok(());
        }
        if text.chars().nth(HEADING_CHARS).is_some() {
            return self.block(&text);
        }
        if !self.has_room()? {
            return Ok(());
        }
        self.separate("\n\n");
        let offset = u32::try_from(self.chars).unwrap_or(u32::MAX);
        self.headings.push(Heading { offset, level: level.clamp(1, 6), text: text.clone() });
        self.append(&text)
    }

    /// Ends the page, also an empty one.
    pub fn page_break(&mut self) -> Result<(), ParseError> {
        let page = ParsedPage {
            number: self.number,
            text: std::mem::take(&mut self.text),
            headings: std::mem::take(&mut self.headings),
        };
        self.number += 1;
        self.chars = 0;
        self.full = false;
        if page.text.is_empty() { Ok(()) } else { (self.sink)(page) }
    }

    /// Ends the last page. Answers the number of pages.
    pub fn finish(mut self) -> Result<u32, ParseError> {
        if !self.text.is_empty() {
            self.page_break()?;
        }
        if self.total == 0 {
            return Err(ParseError::NoText);
        }
        Ok(self.number - 1)
    }

    fn push(&mut self, text: &str, separator: &str) -> Result<(), ParseError> {
        let text = clean(text);
        let text = text.trim_matches(|c: char| c.is_whitespace());
        if text.is_empty() {
            return Ok(());
        }
        let mut rest = text;
        while !rest.is_empty() {
            if !self.has_room()? {
                return Ok(());
            }
            let cut = rest.char_indices().nth(BLOCK_CHARS).map_or(rest.len(), |(at, _)| at);
            let (block, after) = rest.split_at(cut);
            self.separate(separator);
            self.append(block)?;
            rest = after;
        }
        Ok(())
    }

    /// Makes room where the page is too long; answers whether there is any.
    fn has_room(&mut self) -> Result<bool, ParseError> {
        if self.chars <= self.limit {
            return Ok(true);
        }
        if !self.cut {
            self.page_break()?;
            return Ok(true);
        }
        if !self.full {
            self.full = true;
            self.separate("\n\n");
            self.append(LEFT_OUT)?;
        }
        Ok(false)
    }

    fn separate(&mut self, separator: &str) {
        if !self.text.is_empty() {
            self.text.push_str(separator);
            self.chars += separator.len();
        }
    }

    fn append(&mut self, text: &str) -> Result<(), ParseError> {
        let chars = text.chars().count();
        self.text.push_str(text);
        self.chars += chars;
        self.total += chars;
        if self.total > MAX_CHARS {
            return Err(ParseError::TooMuchText(MAX_CHARS));
        }
        Ok(())
    }
}

/// Without control characters, with one kind of line end and of space.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut previous = ' ';
    for c in text.chars() {
        match c {
            '\n' if previous == '\r' => {}
            '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\n' | '\t' => out.push(c),
            '\u{a0}' | '\u{2007}' | '\u{202f}' => out.push(' '),
            '\u{ad}' | '\u{feff}' | '\u{200b}' | '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
        previous = c;
    }
    out
}

/// Runs of white space become one space.
pub(super) fn single_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_of_headings_count_characters() {
        let mut pages = Vec::new();
        let mut sink = |page| {
            pages.push(page);
            Ok(())
        };
        let mut out = Pages::flowing(&mut sink);
        out.heading(1, "一 章\u{0}").unwrap();
        out.block("正文。\r\n第二行").unwrap();
        out.heading(2, "Two").unwrap();
        assert_eq!(out.finish().unwrap(), 1);
        assert_eq!(pages[0].text, "一 章\n\n正文。\n第二行\n\nTwo");
        let offset = pages[0].headings[1].offset as usize;
        assert_eq!(pages[0].text.chars().skip(offset).collect::<String>(), "Two");
    }

    #[test]
    fn a_page_that_is_far_too_long_is_cut_and_a_sheet_goes_on() {
        let long = "word ".repeat(300_000);
        let mut pages = Vec::new();
        let mut sink = |page: ParsedPage| {
            pages.push(page);
            Ok(())
        };
        let mut out = Pages::fixed(&mut sink);
        out.block(&long).unwrap();
        out.block("never seen").unwrap();
        out.page_break().unwrap();
        out.block("second").unwrap();
        assert_eq!(out.finish().unwrap(), 2);
        assert!(pages[0].text.ends_with(LEFT_OUT) && pages[0].text.len() < 700_000);
        assert_eq!((pages[1].number, &*pages[1].text), (2, "second"));

        pages.clear();
        let mut sink = |page: ParsedPage| {
            pages.push(page);
            Ok(())
        };
        let mut out = Pages::sheets(&mut sink);
        out.block(&long).unwrap();
        out.heading(1, &long).unwrap();
        assert!(out.finish().unwrap() > 3);
        let kept: usize = pages.iter().map(|page| page.text.matches("word").count()).sum();
        assert_eq!(kept, 600_000, "nothing is lost");
        assert!(pages.iter().all(|page| page.text.len() < 700_000 && page.headings.is_empty()));
    }

    #[test]
    fn long_text_becomes_sections_and_empty_text_an_error() {
        let mut numbers = Vec::new();
        let mut sink = |page: ParsedPage| {
            numbers.push(page.number);
            Ok(())
        };
        let mut out = Pages::flowing(&mut sink);
        for _ in 0..30 {
            out.block(&"word ".repeat(1000)).unwrap();
        }
        assert!(out.finish().unwrap() > 4);
        assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>());
        let mut sink = |_| Ok(());
        assert!(matches!(Pages::flowing(&mut sink).finish(), Err(ParseError::NoText)));
    }
}
