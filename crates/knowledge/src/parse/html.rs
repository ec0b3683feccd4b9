use std::io::Read;

use html5ever::tendril::TendrilSink as _;
use scraper::node::Node;
use scraper::{ElementRef, Html, HtmlTreeSink};

use super::pages::{Pages, single_line};
use super::text::read_to_string;
use super::{Outcome, ParseError, ParsedPage};

/// Of the elements that hold text.
const MAX_DEPTH: usize = 512;
/// Of all elements that are open at the end of a piece.
const MAX_OPEN: usize = 4 * MAX_DEPTH;
/// Bytes that are parsed at once.
const PIECE: usize = 16 << 10;

/// HTML: the readable text of `main` or `body` with its headings; scripts, styles, forms and what
/// is marked hidden are dropped.
pub(super) fn read(
    mut file: impl Read,
    sink: &mut dyn FnMut(ParsedPage) -> Result<(), ParseError>,
) -> Result<Outcome, ParseError> {
    let source = read_to_string(&mut file)?;
    let html = parse(&source)?;
    drop(source);
    let root = html.root_element();
    let find =
        |name: &str| root.descendent_elements().find(|element| element.value().name() == name);
    let title = find("title").map(|e| single_line(&e.text().collect::<String>()));
    // A page with several articles has no single main part.
    let main = root.descendent_elements().filter(|e| e.value().name() == "main").count();
    let start = if main == 1 { find("main") } else { find("body") };
    let mut pages = Pages::flowing(sink);
    write(start.unwrap_or(root), &mut pages)?;
    let page_count = Some(pages.finish()?);
    let title = title.filter(|title| !title.is_empty());
    Ok(Outcome { title, page_count, ..Outcome::default() })
}

/// The readable text of a piece of HTML that stands in another text.
pub(super) fn piece(source: &str, pages: &mut Pages<'_>) -> Result<(), ParseError> {
    // A blank line ends a piece in Markdown also within a table, whose rows are none without it.
    let html = match is_in_table(source) {
        true => parse(&format!("<table>{source}"))?,
        false => parse(source)?,
    };
    write(html.root_element(), pages)
}

fn is_in_table(source: &str) -> bool {
    let Some(tag) = source.trim_start().strip_prefix('<') else { return false };
    let name = tag.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    ["tr", "td", "th", "tbody", "thead", "tfoot"].iter().any(|part| name.eq_ignore_ascii_case(part))
}

fn write(start: ElementRef<'_>, pages: &mut Pages<'_>) -> Result<(), ParseError> {
    let mut writer = Writer { pages, text: String::new(), joined: false };
    writer.children(start, 0, false)?;
    writer.flush()
}

/// Each tag searches the elements that are open, so a file that only opens some would take the
/// square of its length: it is parsed in pieces, and not to its end.
fn parse(mut rest: &str) -> Result<Html, ParseError> {
    let sink = HtmlTreeSink::new(Html::new_document());
    let mut parser = html5ever::parse_document(sink, html5ever::ParseOpts::default());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE));
        parser.process(piece.into());
        let html = parser.tokenizer.sink.sink.0.borrow();
        let deep = html.tree.nodes().next_back().map_or(0, |last| last.ancestors().count());
        if deep > MAX_OPEN {
            return Err(ParseError::TooDeep);
        }
        rest = after;
    }
    Ok(parser.finish())
}

struct Writer<'w, 'p> {
    pages: &'w mut Pages<'p>,
    text: String,
    /// Whether the next block follows the one before on the next line.
    joined: bool,
}

impl Writer<'_, '_> {
    fn children(
        &mut self,
        element: ElementRef<'_>,
        depth: usize,
        preformatted: bool,
    ) -> Result<(), ParseError> {
        if depth > MAX_DEPTH {
            return Err(ParseError::TooDeep);
        }
        for child in element.children() {
            match child.value() {
                Node::Text(text) if preformatted => self.text.push_str(text),
                Node::Text(text) => self.flow(text),
                Node::Element(_) => {
                    if let Some(child) = ElementRef::wrap(child) {
                        self.element(child, depth + 1, preformatted)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn element(
        &mut self,
        element: ElementRef<'_>,
        depth: usize,
        preformatted: bool,
    ) -> Result<(), ParseError> {
        let value = element.value();
        if value.attr("hidden").is_some() || value.attr("aria-hidden") == Some("true") {
            return Ok(());
        }
        match value.name() {
            "script" | "style" | "noscript" | "template" | "svg" | "iframe" | "object" | "nav"
            | "button" | "select" | "input" | "textarea" | "head" | "canvas" | "video"
            | "audio" => Ok(()),
            "br" => {
                self.text.push('\n');
                Ok(())
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.flush()?;
                let level = value.name().as_bytes()[1] - b'0';
                let text: String = element.text().collect();
                self.joined = false;
                self.pages.heading(level, &text)
            }
            "td" | "th" => {
                self.children(element, depth, false)?;
                self.text.push_str(" | ");
                Ok(())
            }
            "tr" | "li" | "dt" | "dd" => {
                self.flush()?;
                if value.name() == "li" {
                    self.text.push_str("- ");
                }
                self.children(element, depth, false)?;
                let text = self.text.trim_end_matches([' ', '|']).len();
                self.text.truncate(text);
                self.flush()?;
                self.joined = true;
                Ok(())
            }
            "pre" => {
                self.flush()?;
                self.children(element, depth, true)?;
                self.flush()
            }
            name if is_block(name) => {
                self.flush()?;
                self.joined = false;
                self.children(element, depth, preformatted)?;
                self.flush()?;
                self.joined = false;
                Ok(())
            }
            _ => self.children(element, depth, preformatted),
        }
    }

    /// Text whose white space means nothing but a gap.
    fn flow(&mut self, text: &str) {
        let gap = |c: Option<char>| c.is_some_and(char::is_whitespace);
        if gap(text.chars().next()) && !self.text.is_empty() && !gap(self.text.chars().last()) {
            self.text.push(' ');
        }
        let words = single_line(text);
        self.text.push_str(&words);
        if !words.is_empty() && gap(text.chars().last()) {
            self.text.push(' ');
        }
    }

    fn flush(&mut self) -> Result<(), ParseError> {
        let text = std::mem::take(&mut self.text);
        if matches!(text.trim(), "" | "-") {
            return Ok(());
        }
        if self.joined { self.pages.line(&text) } else { self.pages.block(&text) }
    }
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div"
            | "section"
            | "article"
            | "main"
            | "header"
            | "footer"
            | "aside"
            | "blockquote"
            | "ul"
            | "ol"
            | "dl"
            | "table"
            | "thead"
            | "tbody"
            | "tfoot"
            | "figure"
            | "figcaption"
            | "address"
            | "details"
            | "summary"
            | "form"
            | "fieldset"
            | "hr"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readable_text_with_headings_and_no_scripts() {
        let source = "<html><head><title>T &amp; t</title><style>p{}</style></head><body><nav>menu</nav>\
            <h1>Top</h1><p>One <b>two</b>\n three.<script>alert(1)</script></p>\
            <ul><li>a</li><li>b</li></ul><table><tr><th>x</th><th>y</th></tr><tr><td>1</td><td>2</td>\
            </tr></table><p hidden>no</p><pre>a\n  b</pre></body></html>";
        let mut pages = Vec::new();
        let outcome = read(source.as_bytes(), &mut |page| {
            pages.push(page);
            Ok(())
        })
        .unwrap();
        assert_eq!(outcome.title.as_deref(), Some("T & t"));
        assert_eq!(pages[0].text, "Top\n\nOne two three.\n\n- a\n- b\n\nx | y\n1 | 2\n\na\n  b");
        assert_eq!(pages[0].headings[0].text, "Top");
    }
}
