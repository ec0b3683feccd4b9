use std::io::{Read, Seek};

use calamine::{Data, Range, Reader, Xlsx, XlsxError};

use super::archive::Archive;
use super::pages::{Pages, single_line};
use super::table::Rows;
use super::{Outcome, ParseError, ParsedPage};

/// Excel: a sheet is a page, each row reads `header: value; header: value`, so that a row found
/// alone still says what its figures are.
pub(super) fn read(
    file: impl Read + Seek,
    sink: &mut dyn FnMut(ParsedPage) -> Result<(), ParseError>,
) -> Result<Outcome, ParseError> {
    let mut file = Archive::open(file)?.check()?;
    file.rewind().map_err(ParseError::damaged)?;
    let mut book: Xlsx<_> = Xlsx::new(file).map_err(|error| match error {
        XlsxError::Password => ParseError::EncryptedOffice,
        XlsxError::FileNotFound(_) => ParseError::UnsupportedType,
        error => ParseError::damaged(error),
    })?;
    let names = book.sheet_names();
    let mut pages = Pages::sheets(sink);
    let mut unread = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            pages.page_break()?;
        }
        // One damaged sheet does not cost the others. Of charts and macros the range is empty.
        let Ok(range) = book.worksheet_range(name) else {
            unread.push(single_line(name));
            continue;
        };
        if !range.is_empty() {
            pages.heading(1, name)?;
            sheet(&range, &mut pages)?;
        }
    }
    let count = pages.finish()?.max(u32::try_from(names.len()).unwrap_or(u32::MAX));
    Ok(Outcome { title: None, page_count: Some(count), unread })
}

fn sheet(range: &Range<Data>, pages: &mut Pages<'_>) -> Result<(), ParseError> {
    let mut rows = Rows::default();
    for row in range.rows() {
        let cells: Vec<String> = row.iter().map(cell).collect();
        if let Some(line) = rows.line(&cells) {
            pages.line(&line)?;
        }
    }
    rows.finish().map_or(Ok(()), |line| pages.line(&line))
}

fn cell(value: &Data) -> String {
    match value {
        Data::DateTime(when) if when.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = when.to_ymd_hms_milli();
            let date = format!("{year:04}-{month:02}-{day:02}");
            if (hour, minute, second) == (0, 0, 0) {
                date
            } else {
                format!("{date} {hour:02}:{minute:02}:{second:02}")
            }
        }
        Data::Error(_) => String::new(),
        other => single_line(&other.to_string()),
    }
}
