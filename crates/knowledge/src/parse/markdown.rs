use std::io::Read;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::pages::{Pages, single_line};
use super::text::read_to_string;
use super::{Outcome, ParseError, ParsedPage, html};

/// Markdown: headings, paragraphs, lists, tables and code, without the marks; HTML in it as HTML.
pub(super) fn read(
    mut file: impl Read,
    sink: &mut dyn FnMut(ParsedPage) -> Result<(), ParseError>,
) -> Result<Outcome, ParseError> {
    let source = read_to_string(&mut file)?;
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut reader = Writer {
        pages: Pages::flowing(sink),
        text: String::new(),
        row: Vec::new(),
        lists: Vec::new(),
        first: true,
        hidden: false,
        title: None,
    };
    for event in Parser::new_ext(&source, options) {
        reader.event(event)?;
    }
    reader.flush_block()?;
    let title = reader.title;
    Ok(Outcome { title, page_count: Some(reader.pages.finish()?), ..Outcome::default() })
}

struct Writer<'a> {
    pages: Pages<'a>,
    text: String,
    row: Vec<String>,
    /// The next number of each open list; `None` for bullets.
    lists: Vec<Option<u64>>,
    first: bool,
    hidden: bool,
    title: Option<String>,
}

impl Writer<'_> {
    fn event(&mut self, event: Event<'_>) -> Result<(), ParseError> {
        match event {
            Event::Start(tag) => return self.start(&tag),
            Event::End(tag) => return self.end(tag),
            Event::Text(_) if self.hidden => {}
            Event::Text(text)
            | Event::Code(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            // Read as HTML at the end of its block.
            | Event::Html(text) => self.text.push_str(&text),
            Event::InlineHtml(tag) if is_line_break(&tag) => self.text.push('\n'),
            Event::SoftBreak | Event::HardBreak => self.text.push('\n'),
            Event::TaskListMarker(done) => self.text.push_str(if done { "[x] " } else { "[ ] " }),
            Event::Rule => return self.flush_block(),
            Event::InlineHtml(_) | Event::FootnoteReference(_) => {}
        }
        Ok(())
    }

    fn start(&mut self, tag: &Tag<'_>) -> Result<(), ParseError> {
        match tag {
            Tag::List(first) => {
                // Text of the item above this list.
                self.flush_item()?;
                self.first = self.lists.is_empty();
                self.lists.push(*first);
            }
            Tag::Item => {
                let depth = self.lists.len().saturating_sub(1);
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "- ".to_owned(),
                };
                self.text.push_str(&"  ".repeat(depth));
                self.text.push_str(&mark);
            }
            Tag::Table(_) => self.first = true,
            Tag::MetadataBlock(_) => self.hidden = true,
            Tag::HtmlBlock => self.flush_item()?,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, tag: TagEnd) -> Result<(), ParseError> {
        match tag {
            TagEnd::Heading(level) => {
                let text = std::mem::take(&mut self.text);
                if level == HeadingLevel::H1 && self.title.is_none() {
                    self.title = Some(single_line(&text));
                }
                self.pages.heading(level as u8, &text)
            }
            TagEnd::Paragraph | TagEnd::CodeBlock | TagEnd::BlockQuote(_) => {
                if self.lists.is_empty() { self.flush_block() } else { self.flush_item() }
            }
            TagEnd::Item => self.flush_item(),
            TagEnd::List(_) => {
                self.lists.pop();
                Ok(())
            }
            TagEnd::TableCell => {
                self.row.push(single_line(&std::mem::take(&mut self.text)));
                Ok(())
            }
            TagEnd::TableHead | TagEnd::TableRow => {
                self.text = std::mem::take(&mut self.row).join(" | ");
                self.flush_item()
            }
            TagEnd::HtmlBlock => html::piece(&std::mem::take(&mut self.text), &mut self.pages),
            TagEnd::MetadataBlock(_) => {
                self.hidden = false;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn flush_block(&mut self) -> Result<(), ParseError> {
        self.pages.block(&std::mem::take(&mut self.text))
    }

    fn flush_item(&mut self) -> Result<(), ParseError> {
        let text = std::mem::take(&mut self.text);
        if matches!(text.trim(), "" | "-") {
            return Ok(());
        }
        if std::mem::replace(&mut self.first, false) {
            self.pages.block(&text)
        } else {
            self.pages.line(&text)
        }
    }
}

fn is_line_break(tag: &str) -> bool {
    tag.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("<br"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_read_as_such() {
        let source = "<h1 align=\"center\">Tool</h1>\n<!-- no -->\n\nText with<br/>two <b>lines</b>.\n\n\
                      - an item\n  <div>of the <i>list</i></div>\n\n\
                      <table><tr><th>Port</th><td>8443</td></tr>\n<tr><th>Host</th><td>北京</td></tr></table>\n\n\
                      <script>\nalert(1)\n\n</script>\n\n<details>\n\n**Hidden** part.\n\n</details>\n";
        let mut pages = Vec::new();
        read(source.as_bytes(), &mut |page| {
            pages.push(page);
            Ok(())
        })
        .unwrap();
        assert_eq!(
            pages[0].text,
            "Tool\n\nText with\ntwo lines.\n\n- an item\n\nof the list\n\n\
             Port | 8443\nHost | 北京\n\nHidden part."
        );
        assert_eq!(pages[0].headings[0].text, "Tool");
    }

    #[test]
    fn a_table_in_html_goes_on_after_a_blank_line() {
        let source = "<table>\n<tr><th>Year</th><th>Days</th></tr>\n\n\
                      <TR><td>2023</td><td>15</td></TR>\n\n<td>2024</td><td>16</td>\n</table>\n";
        let mut pages = Vec::new();
        read(source.as_bytes(), &mut |page| {
            pages.push(page);
            Ok(())
        })
        .unwrap();
        assert_eq!(pages[0].text, "Year | Days\n\n2023 | 15\n\n2024 | 16");
    }

    #[test]
    fn structure_stays_and_marks_go() {
        let source = "---\nauthor: x\n---\n# Guide\n\nSome *bold* text\nhere.\n\n- one\n- two\n  1. in\n\n\
                      | a | b |\n|---|---|\n| 1 | 2 |\n\n## 第二节\n\n```\nlet x;\n```\n";
        let mut pages = Vec::new();
        let outcome = read(source.as_bytes(), &mut |page| {
            pages.push(page);
            Ok(())
        })
        .unwrap();
        assert_eq!(outcome.title.as_deref(), Some("Guide"));
        assert_eq!(
            pages[0].text,
            "Guide\n\nSome bold text\nhere.\n\n- one\n- two\n1. in\n\na | b\n1 | 2\n\n第二节\n\nlet x;"
        );
        let levels: Vec<u8> = pages[0].headings.iter().map(|h| h.level).collect();
        assert_eq!(levels, [1, 2]);
    }
}
