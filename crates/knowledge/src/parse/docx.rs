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
    Ok(Outcome { title: None, page_count: Some(pages.finish()?) })
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
    row: Vec<String>,
    cell: String,
    tables: usize,
    first_row: bool,
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
            cell: String::new(),
            tables: 0,
            first_row: false,
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
                    "lastRenderedPageBreak" => return self.page_break(pages),
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
                self.paragraph.push_str(text);
                Ok(())
            }
            Node::Text(_) => Ok(()),
            Node::Close(name) => self.close(name, pages),
        })
    }

    /// A break in the middle of a paragraph takes effect after it, so that no sentence is torn.
    fn page_break(&mut self, pages: &mut Pages<'_>) -> Result<(), ParseError> {
        if self.tables == 0 && self.paragraph.trim().is_empty() {
            pages.page_break()
        } else {
            Ok(())
        }
    }

    fn close(&mut self, name: &str, pages: &mut Pages<'_>) -> Result<(), ParseError> {
        match name {
            "t" => self.in_text = false,
            "p" if self.tables > 0 => {
                if !self.cell.is_empty() {
                    self.cell.push(' ');
                }
                self.cell.push_str(&single_line(&std::mem::take(&mut self.paragraph)));
                (self.level, self.listed) = (None, false);
            }
            "p" => return self.paragraph(pages),
            "tc" if self.tables == 1 => self.row.push(std::mem::take(&mut self.cell)),
            "tr" if self.tables == 1 => {
                let row = std::mem::take(&mut self.row).join(" | ");
                let first = std::mem::replace(&mut self.first_row, false);
                return if first { pages.block(&row) } else { pages.line(&row) };
            }
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
