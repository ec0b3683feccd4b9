use chrono::{DateTime, NaiveDate, Utc};

use super::columns::{Mapping, Places};
use super::compare::Figures;
use super::{FileError, values};

/// When something was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// A day of the provider's.
    Day(NaiveDate),
    /// Its day depends on the time zone.
    Moment(DateTime<Utc>),
}

/// One line of a file.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) when: When,
    pub(super) model: String,
    pub(super) figures: Figures,
}

/// Reads a file with a head line. Lines without a model and without usage are days on which there
/// was none.
pub(super) fn read(file: &[u8], mappings: &[Mapping]) -> Result<Vec<Line>, FileError> {
    let text = decode(file)?;
    let separator = separator(&text);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut records = reader.records();
    let head = match records.next() {
        Some(head) => head.map_err(|error| unreadable(&error))?,
        None => return Err(FileError::at(1, "the file is empty")),
    };
    let head: Vec<&str> = head.iter().collect();
    let places = Places::find(&head, mappings)?;
    let mut lines = Vec::new();
    for record in records {
        let record = record.map_err(|error| unreadable(&error))?;
        let number = record.position().map_or(0, csv::Position::line);
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        if record.len() != head.len() {
            let reason = format!("{} columns instead of {}", record.len(), head.len());
            return Err(FileError::at(number, reason));
        }
        let row = Row { head: &head, record: &record, number, points: separator != b',' };
        lines.extend(row.line(&places)?);
    }
    Ok(lines)
}

struct Row<'a> {
    head: &'a [&'a str],
    record: &'a csv::StringRecord,
    number: u64,
    /// Whether points may set groups of digits apart.
    points: bool,
}

impl Row<'_> {
    fn line(&self, places: &Places) -> Result<Option<Line>, FileError> {
        let figures = Figures {
            prompt_tokens: self.tokens(&places.prompt)?,
            completion_tokens: self.tokens(&places.completion)?,
            cached_tokens: self.tokens(&places.cached)?,
            cost: self.sum(&places.cost, "an amount", |text| values::amount(text, self.points))?,
            ..Figures::default()
        };
        let model = self.field(places.model);
        if model.is_empty() {
            return match figures.is_nothing() {
                true => Ok(None),
                false => Err(self.wrong(places.model, "names no model, and yet there is usage")),
            };
        }
        let text = self.field(places.date);
        let when = values::when(text).ok_or_else(|| {
            self.wrong(places.date, &format!("'{text}' is no day; write days as YYYY-MM-DD"))
        })?;
        Ok(Some(Line { when, model: model.to_owned(), figures }))
    }

    fn field(&self, place: usize) -> &str {
        self.record.get(place).unwrap_or_default().trim()
    }

    fn tokens(&self, places: &[usize]) -> Result<Option<i64>, FileError> {
        self.sum(places, "a whole number", |text| values::tokens(text, self.points))
    }

    /// What the places hold together; `None` where the file does not tell it.
    fn sum<T: std::ops::Add<Output = T>>(
        &self,
        places: &[usize],
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, FileError> {
        let mut sum = None;
        for place in places {
            let text = self.field(*place);
            let short: String = text.chars().take(50).collect();
            let value = parse(text)
                .ok_or_else(|| self.wrong(*place, &format!("'{short}' is not {what}")))?;
            sum = match sum {
                Some(sum) => Some(sum + value),
                None => Some(value),
            };
        }
        Ok(sum)
    }

    fn wrong(&self, place: usize, reason: &str) -> FileError {
        let column = self.head.get(place).map(|name| name.trim().to_owned());
        FileError { line: self.number, column, reason: reason.to_owned() }
    }
}

/// The text of a file in UTF-8, or in UTF-16 as spreadsheets write it.
fn decode(file: &[u8]) -> Result<String, FileError> {
    type FromBytes = fn([u8; 2]) -> u16;
    let utf16: Option<FromBytes> = match file {
        [0xff, 0xfe, ..] => Some(u16::from_le_bytes),
        [0xfe, 0xff, ..] => Some(u16::from_be_bytes),
        _ => None,
    };
    if let Some(from_bytes) = utf16 {
        let units: Vec<u16> =
            file[2..].chunks_exact(2).map(|pair| from_bytes([pair[0], pair[1]])).collect();
        let text = String::from_utf16(&units);
        return text.map_err(|_| FileError::at(1, "the file is not in UTF-16 as it claims"));
    }
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    match std::str::from_utf8(file) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let before = &file[..error.valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            Err(FileError::at(line, "the text is not in UTF-8"))
        }
    }
}

/// What stands between the columns of the head line most often.
fn separator(text: &str) -> u8 {
    let head = text.lines().next().unwrap_or_default();
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for byte in head.bytes() {
        quoted ^= byte == b'"';
        for (separator, count) in &mut counts {
            *count += usize::from(!quoted && byte == *separator);
        }
    }
    // The first of equals.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(byte, _)| byte)
}

fn unreadable(error: &csv::Error) -> FileError {
    let line = error.position().map_or(1, csv::Position::line);
    FileError::at(line, format!("this is no CSV ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(file: &[u8]) -> (i64, i64, String) {
        let lines = read(file, &[]).unwrap();
        let sum =
            lines.iter().map(|line| line.figures).fold(Figures::default(), |mut sum, more| {
                sum += more;
                sum
            });
        let cost = sum.cost.unwrap_or_default().normalize().to_string();
        (sum.prompt_tokens.unwrap_or(0), sum.completion_tokens.unwrap_or(0), cost)
    }

    #[test]
    fn an_export_of_openai() {
        let file = "start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,\
            user_id,api_key_id,model,batch,service_tier,input_tokens,output_tokens,\
            input_cached_tokens,input_uncached_tokens\n\
            1793491200,1793577600,2026-11-01T00:00:00+00:00,2026-11-02T00:00:00+00:00,proj_1,3,u,k,\
            gpt-5-mini-2025-08-07,False,default,1500,200,500,1000\n\
            1793577600,1793664000,2026-11-02T00:00:00+00:00,2026-11-03T00:00:00+00:00,,,,,,,,,,,\n";
        assert_eq!(sums(file.as_bytes()), (1500, 200, "0".to_owned()));
        assert_eq!(read(file.as_bytes(), &[]).unwrap()[0].figures.cost, None);
    }

    #[test]
    fn an_export_of_anthropic() {
        let file = "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,\
            usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,\
            usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,\
            web_search_count\r\n\
            2026-11-01 15:00,claude-haiku-4-5-20251001,key,Default,message,≤ 200k,358,581,0,5089,73,0\r\n";
        let lines = read(file.as_bytes(), &[]).unwrap();
        assert_eq!(lines[0].figures.prompt_tokens, Some(358 + 581 + 5089));
        assert_eq!(lines[0].figures.cached_tokens, Some(5089));
        assert_eq!(lines[0].figures.completion_tokens, Some(73));
    }

    #[test]
    fn files_of_spreadsheets() {
        let file = "\u{feff}Date;Model;Input tokens;Output tokens;Cost\r\n\
            2026-11-01;\"a;b\";1.234.567;\"12\";1.234,50\r\n\r\n;;;;\r\n";
        assert_eq!(sums(file.as_bytes()), (1_234_567, 12, "1234.5".to_owned()));
        let tabs = "Date\tModel\tInput tokens\tCost\n2026-11-01\tm\t1,234\t\"$1,234.50\"\n";
        assert_eq!(sums(tabs.as_bytes()), (1234, 0, "1234.5".to_owned()));
        let wide: Vec<u8> = [0xfeff_u16]
            .into_iter()
            .chain(tabs.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(sums(&wide), (1234, 0, "1234.5".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let head = "date,model,input_tokens,cost\n";
        for (rest, expected) in [
            (
                "2026-11-01,m,12,0.1\n2026-11-02,m,12x,0.1\n",
                "line 3, column input_tokens: '12x' is not a whole number",
            ),
            ("2026-11-01,m,12,a lot\n", "line 2, column cost: 'a lot' is not an amount"),
            (
                "11/10/2026,m,12,1\n",
                "line 2, column date: '11/10/2026' is no day; write days as YYYY-MM-DD",
            ),
            ("2026-11-01,,12,1\n", "line 2, column model: names no model, and yet there is usage"),
            ("2026-11-01,m,1,200,1\n", "line 2: 5 columns instead of 4"),
        ] {
            let error = read([head, rest].concat().as_bytes(), &[]).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        let quoted = "date,model,cost\n\"2026-11-01\",\"a\nb\",1\n2026-11-02,m,x\n";
        assert_eq!(read(quoted.as_bytes(), &[]).unwrap_err().line, 4, "lines of the file count");
        assert_eq!(read(b"", &[]).unwrap_err().to_string(), "line 1: the file is empty");
        let error = read(b"date,model,cost\n2026-11-01,\xff,1\n", &[]).unwrap_err();
        assert_eq!(error.to_string(), "line 2: the text is not in UTF-8");
    }
}
