use std::collections::HashMap;
use std::io::{Read, Seek};

use super::archive::Archive;
use super::pages::{Pages, single_line};
use super::xml::{Node, attribute, walk};
use super::{Outcome, ParseError, ParsedPage};

/// Word: headings, paragraphs, lists, tables row by row, notes at the end. Pages are those that
/// Word itself marked when it last laid the document out.
pub(super) fn read(
    file: impl Read + Seek,
    sink: &mut dyn FnMut(ParsedPage) -> Result<(), ParseError>,
) -> Result<Outcome, ParseError> {
    let mut archive = Archive::open(file)?;
    let body = archive.read("word/document.xml")?.ok_or(ParseError::UnsupportedType)?;
    let styles = match archive.read("word/styles.xml")? {
        Some(xml) => heading_styles(&xml)?,
        None => HashMap::new(),
    };
    let mut pages = Pages::flowing(sink);
    Body::new(&styles).read(&body, &mut pages)?;
    for part in ["word/footnotes.xml", "word/endnotes.xml"] {
        if let Some(xml) = archive.read(part)? {
            Body::new(&styles).read(&xml, &mut pages)?;
        }
    }
    Ok(Outcome { page_count: Some(pages.finish()?), ..Outcome::default() })
}

/// Styles that are headings, with their level: by outline level, by name, or by the style that
/// they are based on.
fn heading_styles(xml: &[u8]) -> Result<HashMap<String, u8>, ParseError> {
    let mut levels: HashMap<String, u8> = HashMap::new();
    let mut parents: HashMap<String, String> = HashMap::new();
    let mut style = String::new();
    walk(xml, |node| {
        if let Node::Open(name, start) = node {
            let value = || attribute(start, "val");
            match name {
                "style" => style = attribute(start, "styleId").unwrap_or_default(),
                "name" => {
                    let name = value().unwrap_or_default().to_lowercase();
                    let level = name.strip_prefix("heading ").and_then(|n| n.parse().ok());
                    if let Some(level) = level.or((name == "title").then_some(1)) {
                        levels.insert(style.clone(), level);
                    }
                }
                "basedOn" => {
                    parents.insert(style.clone(), value().unwrap_or_default());
                }
                "outlineLvl" => {
                    if let Some(level) = value().and_then(|v| v.parse::<u8>().ok())
                        && level < 6
                    {
                        levels.insert(style.clone(), level + 1);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    })?;
    for style in parents.keys() {
        let mut at = style;
        for _ in 0..8 {
            if let Some(level) = levels.get(at).copied() {
                levels.insert(style.clone(), level);
                break;
            }
            let Some(parent) = parents.get(at) else { break };
            at = parent;
        }
    }
    Ok(levels)
}

/// Where in the body the reader is.
struct Body<'a> {
    styles: &'a HashMap<String, u8>,
    paragraph: String,
    level: Option<u8>,
    listed: bool,
    after_list: bool,
    skipping: usize,
    in_text: bool,
    /// The cells of a row, each page by page.
    row: Vec<Vec<String>>,
    cell: Vec<String>,
    tables: usize,
    first_row: bool,
    /// Whether this row is the first thing on its page.
    row_at_top: bool,
    /// Whether nothing stands on the page yet since its break.
    at_top: bool,
}

impl<'a> Body<'a> {
    fn new(styles: &'a HashMap<String, u8>) -> Self {
        Self {
            styles,
            paragraph: String::new(),
            level: None,
            listed: false,
            after_list: false,
            skipping: 0,
            in_text: false,
            row: Vec::new(),
            cell: Vec::new(),
            tables: 0,
            first_row: false,
            row_at_top: false,
            at_top: false,
        }
    }

    fn read(mut self, xml: &[u8], pages: &mut Pages<'_>) -> Result<(), ParseError> {
        walk(xml, |node| match node {
            // The older twin of a drawing, kept by Word for older programs.
            Node::Open("Fallback" | "del" | "moveFrom", _) => {
                self.skipping += 1;
                Ok(())
            }
            Node::Close("Fallback" | "del" | "moveFrom") => {
                self.skipping = self.skipping.saturating_sub(1);
                Ok(())
            }
            _ if self.skipping > 0 => Ok(()),
            Node::Open(name, start) => {
                let value = || attribute(start, "val");
                match name {
                    "pStyle" => {
                        self.level = value().and_then(|style| self.styles.get(&style).copied());
                    }
                    "outlineLvl" => {
                        self.level = value().and_then(|v| v.parse::<u8>().ok()).map(|v| v + 1);
                    }
                    "numPr" => self.listed = true,
                    "t" => self.in_text = true,
                    "tab" if !self.paragraph.is_empty() => self.paragraph.push('\t'),
                    "br" if attribute(start, "type").as_deref() == Some("page") => {
                        return self.page_break(pages);
                    }
                    // Where the author broke the page, Word notes, too, where the next one begins.
                    "lastRenderedPageBreak" if self.at_top => self.row_at_top |= self.tables > 0,
                    "lastRenderedPageBreak" => return self.page_break(pages),
                    "drawing" | "pict" | "object" => self.at_top = false,
                    "br" | "cr" => self.paragraph.push('\n'),
                    "noBreakHyphen" => self.paragraph.push('-'),
                    "tbl" => {
                        self.tables += 1;
                        self.first_row = true;
                    }
                    _ => {}
                }
                Ok(())
            }
            Node::Text(text) if self.in_text => {
                self.at_top &= text.trim().is_empty();
                self.paragraph.push_str(text);
                Ok(())
            }
            Node::Text(_) => Ok(()),
            Node::Close(name) => self.close(name, pages),
        })
    }

    /// A break in the middle of a paragraph or a cell ends its text on this page; the rest is on the
    /// next.
    fn page_break(&mut self, pages: &mut Pages<'_>) -> Result<(), ParseError> {
        self.at_top = true;
        if self.tables > 0 {
            return self.break_in_row(pages);
        }
        if !self.paragraph.trim().is_empty() {
            self.paragraph(pages)?;
        }
        pages.page_break()
    }

    /// Of a row that goes over a page's end, each cell notes the same break.
    fn break_in_row(&mut self, pages: &mut Pages<'_>) -> Result<(), ParseError> {
        self.add_to_cell();
        let begun = |cell: &Vec<String>| cell.iter().any(|text| !text.is_empty());
        if begun(&self.cell) || (!self.row_at_top && self.row.iter().any(begun)) {
            self.cell.push(String::new());
        } else if !self.row_at_top {
            self.row_at_top = true;
            return pages.page_break();
        }
        Ok(())
    }

    /// Ends a paragraph in a cell, where lines mean nothing.
    fn add_to_cell(&mut self) {
        let text = single_line(&std::mem::take(&mut self.paragraph));
        match self.cell.last_mut() {
            Some(last) => {
                if !last.is_empty() && !text.is_empty() {
                    last.push(' ');
                }
                last.push_str(&text);
            }
            None => self.cell.push(text),
        }
    }

    fn row(&mut self, pages: &mut Pages<'_>) -> Result<(), ParseError> {
        let row = std::mem::take(&mut self.row);
        self.row_at_top = false;
        for page in 0..row.iter().map(Vec::len).max().unwrap_or(0) {
            if page > 0 {
                pages.page_break()?;
            }
            let texts = row.iter().map(|cell| cell.get(page).map_or("", String::as_str));
            // Of what goes on, only the cells that do.
            let line: Vec<&str> = texts.filter(|text| page == 0 || !text.is_empty()).collect();
            let line = line.join(" | ");
            match std::mem::replace(&mut self.first_row, false) {
                true => pages.block(&line)?,
                false => pages.line(&line)?,
            }
        }
        Ok(())
    }

    fn close(&mut self, name: &str, pages: &mut Pages<'_>) -> Result<(), ParseError> {
        match name {
            "t" => self.in_text = false,
            "p" if self.tables > 0 => {
                self.add_to_cell();
                (self.level, self.listed) = (None, false);
            }
            "p" => return self.paragraph(pages),
            "tc" if self.tables == 1 => self.row.push(std::mem::take(&mut self.cell)),
            "tr" if self.tables == 1 => return self.row(pages),
            "tbl" => self.tables = self.tables.saturating_sub(1),
            _ => {}
        }
        Ok(())
    }

    fn paragraph(&mut self, pages: &mut Pages<'_>) -> Result<(), ParseError> {
        let text = std::mem::take(&mut self.paragraph);
        let listed = std::mem::take(&mut self.listed);
        let level = self.level.take();
        if text.trim().is_empty() {
            return Ok(());
        }
        let after_list = std::mem::replace(&mut self.after_list, listed && level.is_none());
        match level {
            Some(level) => pages.heading(level, &text),
            None if listed && after_list => pages.line(&format!("- {}", text.trim())),
            None if listed => pages.block(&format!("- {}", text.trim())),
            None => pages.block(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of the pages of a document with this body.
    fn pages(body: &str) -> Vec<(u32, String)> {
        let xml = format!(r#"<w:document xmlns:w="w"><w:body>{body}</w:body></w:document>"#);
        let mut found = Vec::new();
        let mut sink = |page: ParsedPage| {
            found.push((page.number, page.text));
            Ok(())
        };
        let mut pages = Pages::flowing(&mut sink);
        Body::new(&HashMap::new()).read(xml.as_bytes(), &mut pages).unwrap();
        pages.finish().unwrap();
        found
    }

    fn page(number: u32, text: &str) -> (u32, String) {
        (number, text.to_owned())
    }

    #[test]
    fn a_paragraph_that_goes_over_a_page_is_on_both() {
        let found = pages(
            r#"<w:p><w:r><w:t>Before.</w:t></w:r></w:p>
            <w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t xml:space="preserve">An item that begins here </w:t></w:r>
            <w:r><w:rPr><w:b/></w:rPr><w:lastRenderedPageBreak/><w:t>and ends there.</w:t></w:r></w:p>
            <w:p><w:r><w:t>After.</w:t></w:r></w:p>"#,
        );
        let expected = [
            page(1, "Before.\n\n- An item that begins here"),
            page(2, "and ends there.\n\nAfter."),
        ];
        assert_eq!(found, expected);
        let found = pages(
            "<w:p><w:r><w:t>One</w:t><w:lastRenderedPageBreak/><w:t>two</w:t>
            <w:lastRenderedPageBreak/><w:t>three.</w:t></w:r></w:p>",
        );
        assert_eq!(found, [page(1, "One"), page(2, "two"), page(3, "three.")]);
    }

    #[test]
    fn a_break_of_the_author_and_its_place_in_the_layout_count_once() {
        let br = r#"<w:r><w:br w:type="page"/></w:r>"#;
        let found = pages(&format!(
            r#"<w:p><w:r><w:t>One.</w:t></w:r>{br}</w:p>
            <w:p><w:r><w:lastRenderedPageBreak/><w:t>Two.</w:t></w:r></w:p><w:p>{br}</w:p>
            <w:p><w:r><w:t xml:space="preserve"> </w:t></w:r></w:p>
            <w:p><w:r><w:lastRenderedPageBreak/><w:t>Three.</w:t></w:r></w:p>
            <w:p>{br}{br}<w:r><w:lastRenderedPageBreak/><w:t>Five.</w:t></w:r></w:p>
            <w:p>{br}</w:p><w:p><w:r><w:lastRenderedPageBreak/><w:drawing/></w:r></w:p>
            <w:p><w:r><w:lastRenderedPageBreak/><w:t>Seven.</w:t></w:r></w:p>"#
        ));
        let expected = [
            page(1, "One."),
            page(2, "Two."),
            page(3, "Three."),
            page(5, "Five."),
            page(7, "Seven."),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn rows_begin_and_go_on_where_they_stand() {
        let cell = |text: &str| format!("<w:tc><w:p><w:r>{text}</w:r></w:p></w:tc>");
        let row = |cells: [&str; 3]| format!("<w:tr>{}</w:tr>", cells.map(cell).concat());
        let rendered = "<w:lastRenderedPageBreak/>";
        let found = pages(&format!(
            "<w:tbl>{}{}{}</w:tbl>",
            row(["<w:t>a</w:t>", "<w:t>b</w:t>", "<w:t>c</w:t>"]),
            // Goes over the page in two of its cells.
            row([
                "<w:t>d</w:t>",
                &format!("<w:t>long e</w:t>{rendered}<w:t>goes on</w:t>"),
                &format!("<w:t>long f</w:t>{rendered}<w:t>does, too</w:t>"),
            ]),
            // Begins on the next page, as each of its cells notes.
            row([
                &format!("{rendered}<w:t>g</w:t>"),
                &format!("{rendered}<w:t>h</w:t>"),
                "<w:t>i</w:t>",
            ]),
        ));
        let expected = [
            page(1, "a | b | c\nd | long e | long f"),
            page(2, "goes on | does, too"),
            page(3, "g | h | i"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_break_before_a_row_counts_once() {
        let cell = |text: &str| {
            format!("<w:tc><w:p><w:r><w:lastRenderedPageBreak/>{text}</w:r></w:p></w:tc>")
        };
        let table =
            |a: &str, b: &str| format!("<w:tbl><w:tr>{}{}</w:tr></w:tbl>", cell(a), cell(b));
        let found = pages(&format!(
            r#"<w:p><w:r><w:t>One.</w:t></w:r></w:p>{}
            <w:p><w:r><w:br w:type="page"/></w:r></w:p>{}"#,
            table("<w:drawing/>", "<w:t>two</w:t>"),
            table("<w:t>three</w:t>", "<w:t>too</w:t>"),
        ));
        assert_eq!(found, [page(1, "One."), page(2, "| two"), page(3, "three | too")]);
    }
}
