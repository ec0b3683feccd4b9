use std::io::Read;

use super::pages::{Pages, single_line};
use super::{Outcome, ParseError, ParsedPage};
use crate::parse::text::read_to_string;

/// Turns the rows of a table into lines. The first row that has text in at least half of its cells
/// names the columns.
#[derive(Default)]
pub(super) struct Rows {
    header: Option<Vec<String>>,
    used: bool,
}

impl Rows {
    /// The line for a row; `None` for an empty row and for the header.
    pub fn line(&mut self, cells: &[String]) -> Option<String> {
        let filled = cells.iter().filter(|cell| !cell.is_empty()).count();
        if filled == 0 {
            return None;
        }
        let Some(header) = &self.header else {
            if cells.len() == 1 || filled * 2 < cells.len() {
                return Some(join(cells));
            }
            self.header = Some(cells.to_vec());
            return None;
        };
        self.used = true;
        let named =
            cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()).map(|(at, cell)| {
                match header.get(at).filter(|name| !name.is_empty()) {
                    Some(name) => format!("{name}: {cell}"),
                    None => cell.clone(),
                }
            });
        Some(named.collect::<Vec<_>>().join("; "))
    }

    /// The header itself where no row followed it.
    pub fn finish(self) -> Option<String> {
        self.header.filter(|_| !self.used).map(|header| join(&header))
    }
}

fn join(cells: &[String]) -> String {
    cells.iter().filter(|cell| !cell.is_empty()).cloned().collect::<Vec<_>>().join(" | ")
}

/// CSV with comma, semicolon, tab or bar, whichever the first lines agree on.
pub(super) fn read(
    mut file: impl Read,
    sink: &mut dyn FnMut(ParsedPage) -> Result<(), ParseError>,
) -> Result<Outcome, ParseError> {
    let text = read_to_string(&mut file)?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(&text))
        .from_reader(text.as_bytes());
    let mut pages = Pages::flowing(sink);
    let mut rows = Rows::default();
    for record in reader.records() {
        let record = record.map_err(ParseError::damaged)?;
        let cells: Vec<String> = record.iter().map(single_line).collect();
        if let Some(line) = rows.line(&cells) {
            pages.line(&line)?;
        }
    }
    if let Some(line) = rows.finish() {
        pages.line(&line)?;
    }
    Ok(Outcome { page_count: Some(pages.finish()?), ..Outcome::default() })
}

fn delimiter(text: &str) -> u8 {
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).take(20).collect();
    let score = |delimiter: &u8| {
        let counts = lines.iter().map(|l| l.bytes().filter(|b| b == delimiter).count());
        counts.min().unwrap_or(0)
    };
    let candidates = [b',', b';', b'\t', b'|'];
    let best = candidates.into_iter().rev().max_by_key(score);
    best.filter(|found| score(found) > 0).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> String {
        let mut all = String::new();
        read(text.as_bytes(), &mut |page| {
            all.push_str(&page.text);
            Ok(())
        })
        .unwrap();
        all
    }

    #[test]
    fn rows_carry_their_headers() {
        assert_eq!(
            lines("name;city\nAda;London\n\"Li; Wei\";北京\n;\n"),
            "name: Ada; city: London\nname: Li; Wei; city: 北京"
        );
        assert_eq!(lines("a,b\n1,2,3\n"), "a: 1; b: 2; 3");
    }

    #[test]
    fn a_header_without_rows_is_still_text() {
        assert_eq!(lines("name,city\n"), "name | city");
    }
}
