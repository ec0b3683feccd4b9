//! The sentences of an answer, and where a mark can stand behind each: never inside code, a link or
//! a heading.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Words before a full stop that ends no sentence.
const ABBREVIATIONS: &[&str] = &["mr", "mrs", "ms", "dr", "prof", "st", "vs", "no", "fig", "cf"];

/// A sentence of a Markdown text.
#[derive(Debug, PartialEq)]
pub(super) struct Sentence {
    /// Its words, without the marks of Markdown.
    pub text: String,
    /// The byte of the Markdown text behind it.
    pub end: usize,
}

/// The sentences of a Markdown text, in order.
pub(super) fn sentences(markdown: &str) -> Vec<Sentence> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_MATH;
    let mut reader = Reader { markdown, ..Reader::default() };
    for (event, range) in Parser::new_ext(markdown, options).into_offset_iter() {
        reader.event(event, range);
    }
    reader.end_sentence();
    reader.sentences
}

/// The part of a growing text that holds whole sentences only.
pub(super) fn whole_sentences(text: &str) -> &str {
    let mut end = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if c == '\n' || is_wide_end(before) || (is_end(before) && c.is_whitespace()) {
            end = at;
        }
        before = c;
    }
    if is_wide_end(before) { text } else { &text[..end] }
}

#[derive(Default)]
struct Reader<'a> {
    markdown: &'a str,
    sentences: Vec<Sentence>,
    text: String,
    /// Behind what was read of the sentence.
    end: usize,
    /// Whether the sentence may be over.
    over: bool,
    /// Depth inside of code, headings and pictures, which make no sentences.
    silent: usize,
    /// Depth inside of links, which marks must not break.
    link: usize,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(Tag::CodeBlock(_) | Tag::Heading { .. } | Tag::TableHead) => {
                self.end_sentence();
                self.silent += 1;
            }
            Event::Start(Tag::Image { .. }) => self.silent += 1,
            Event::Start(Tag::Link { .. }) => self.link += 1,
            Event::Start(Tag::Emphasis | Tag::Strong | Tag::Strikethrough) => {}
            Event::Start(Tag::TableCell) => self.space(),
            Event::Start(_) => self.end_sentence(),
            Event::End(TagEnd::CodeBlock | TagEnd::Heading(_) | TagEnd::TableHead) => {
                self.silent = self.silent.saturating_sub(1);
            }
            Event::End(TagEnd::Image) => {
                self.silent = self.silent.saturating_sub(1);
                self.end = range.end;
            }
            Event::End(TagEnd::Link) => {
                self.link = self.link.saturating_sub(1);
                self.end = range.end;
            }
            Event::End(TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough) => {
                self.end = range.end;
            }
            Event::End(TagEnd::TableCell) => {}
            Event::End(_) => self.end_sentence(),
            Event::Text(text) if self.silent == 0 => self.text(&text, range),
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text)
                if self.silent == 0 =>
            {
                self.text.push_str(&text);
                self.end = range.end;
                self.over = false;
            }
            Event::SoftBreak | Event::HardBreak => self.space(),
            Event::Rule => self.end_sentence(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str, range: Range<usize>) {
        // An escape or an entity is not the text that it stands for.
        let literal = self.markdown.get(range.clone()) == Some(text);
        for (at, c) in text.char_indices() {
            if c.is_whitespace() {
                self.space();
                continue;
            }
            if self.over && !is_closing(c) && !is_end(c) {
                match self.ends_wide() {
                    true => self.end_if_free(),
                    // As in 3.14.
                    false => self.over = false,
                }
            }
            self.text.push(c);
            self.end = if literal { range.start + at + c.len_utf8() } else { range.end };
            self.over = match c {
                '.' => !self.abbreviates(),
                c if is_closing(c) => self.over,
                c => is_end(c),
            };
        }
    }

    fn space(&mut self) {
        if self.over {
            self.end_if_free();
        }
        if !self.text.is_empty() {
            self.text.push(' ');
        }
    }

    fn end_if_free(&mut self) {
        if self.link == 0 {
            self.end_sentence();
        }
    }

    fn end_sentence(&mut self) {
        let text = std::mem::take(&mut self.text);
        self.over = false;
        if text.chars().any(char::is_alphanumeric) {
            self.sentences.push(Sentence { text: text.trim().to_owned(), end: self.end });
        }
    }

    /// Whether the sentence so far ends as Chinese ones do, which no space follows.
    fn ends_wide(&self) -> bool {
        self.text.trim_end_matches(is_closing).ends_with(is_wide_end)
    }

    /// Whether the full stop just read belongs to its word.
    fn abbreviates(&self) -> bool {
        let before = self.text.trim_end_matches('.');
        let word = before.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
        let initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
        initial || ABBREVIATIONS.contains(&word.to_lowercase().as_str())
    }
}

fn is_end(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…') || is_wide_end(c)
}

fn is_wide_end(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '；')
}

/// What may stand between the end of a sentence and the next one. Stars are here where Markdown did
/// not take them for emphasis, as behind a Chinese full stop.
fn is_closing(c: char) -> bool {
    matches!(c, '*' | '_' | '"' | '\'' | '”' | '’' | ')' | '）' | ']' | '」' | '』' | '》')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with `|` where marks can stand.
    fn marked(markdown: &str) -> String {
        let mut text = markdown.to_owned();
        for sentence in sentences(markdown).iter().rev() {
            text.insert(sentence.end, '|');
        }
        text
    }

    #[test]
    fn sentences_end_at_their_marks() {
        assert_eq!(
            marked("One is 3.14. Two? \"Three!\" Four"),
            "One is 3.14.| Two?| \"Three!\"| Four|"
        );
        assert_eq!(
            marked("台长是林若溪。她“很忙。”食堂七点开！"),
            "台长是林若溪。|她“很忙。”|食堂七点开！|"
        );
        assert_eq!(marked("Dr. J. Smith left. He ran."), "Dr. J. Smith left.| He ran.|");
    }

    #[test]
    fn emphasis_and_links_are_closed_before_a_mark() {
        assert_eq!(marked("It is **nine.** So."), "It is **nine.**| So.|");
        assert_eq!(marked("是**九。**然后*十*。"), "是**九。**|然后*十*。|");
        assert_eq!(
            marked("See [the rules. All of them](https://a.b/c.d). Then."),
            "See [the rules. All of them](https://a.b/c.d).| Then.|"
        );
        assert_eq!(
            marked("Say \\*this\\*. `let x. y` ends."),
            "Say \\*this\\*.| `let x. y` ends.|"
        );
    }

    #[test]
    fn code_headings_and_tables_are_left_whole() {
        let text = "# Rules. All\n\n- one\n- two. three\n\n```\na. b.\n```\n\n| a. | b |\n|--|--|\n| c. | d |\n";
        let expected = "# Rules. All\n\n- one|\n- two.| three|\n\n```\na. b.\n```\n\n| a. | b |\n|--|--|\n| c.| | d| |\n";
        assert_eq!(marked(text), expected);
    }

    #[test]
    fn a_growing_text_has_whole_sentences_only() {
        assert_eq!(whole_sentences("It is 3."), "");
        assert_eq!(whole_sentences("It is 3.1 m. And"), "It is 3.1 m.");
        assert_eq!(whole_sentences("一。二"), "一。");
        assert_eq!(whole_sentences("一。二。"), "一。二。");
    }
}
