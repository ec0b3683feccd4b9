//! Numbers and days as they are written in exports.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use rust_decimal::Decimal;

use super::file::When;

/// More than any provider sells, and few enough to be added up.
const MOST_TOKENS: i64 = 1_000_000_000_000_000;

/// A count; empty is none. Groups of three digits may be set apart by commas, points (where another
/// mark separates the columns), spaces or apostrophes.
pub(super) fn tokens(text: &str, points: bool) -> Option<i64> {
    let text = bare(text);
    if text.is_empty() {
        return Some(0);
    }
    let plain = match () {
        () if grouped(&text, ',') => text.replace(',', ""),
        () if points && grouped(&text, '.') => text.replace('.', ""),
        () => text,
    };
    let number = Decimal::from_str_exact(&plain).or_else(|_| Decimal::from_scientific(&plain));
    let number = number.ok().filter(|number| number.is_integer())?;
    i64::try_from(number).ok().filter(|count| (0..=MOST_TOKENS).contains(count))
}

/// An amount of money, below 0 for a credit; empty is none. `points` as in [`tokens`].
pub(super) fn amount(text: &str, points: bool) -> Option<Decimal> {
    let text = bare(text);
    let text = text.trim_start_matches(['$', '€', '£', '¥']);
    let text = text.strip_prefix("USD").or_else(|| text.strip_suffix("USD")).unwrap_or(text);
    // Accountants write what is below 0 in brackets.
    let (text, negative) = match text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        Some(inside) => (inside, true),
        None => (text, false),
    };
    let text = text.replace("-$", "-");
    if text.is_empty() {
        return Some(Decimal::ZERO);
    }
    let plain = match (text.rfind(','), text.rfind('.')) {
        // The last mark is that of the fraction.
        (Some(comma), Some(point)) if comma > point => text.replace('.', "").replace(',', "."),
        (Some(_), Some(_)) => text.replace(',', ""),
        (Some(_), None) if points || !grouped(&text, ',') => text.replace(',', "."),
        (Some(_), None) => text.replace(',', ""),
        (None, _) => text,
    };
    let number = Decimal::from_str_exact(&plain).or_else(|_| Decimal::from_scientific(&plain));
    number.ok().map(|number| if negative { -number } else { number })
}

/// A day or a moment. `11/10/2026` is neither: nobody knows which of the two days is meant.
pub(super) fn when(text: &str) -> Option<When> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.len() {
            8 => NaiveDate::parse_from_str(text, "%Y%m%d").ok().map(When::Day),
            9 | 10 => DateTime::from_timestamp(text.parse().ok()?, 0).map(When::Moment),
            13 => DateTime::from_timestamp_millis(text.parse().ok()?).map(When::Moment),
            _ => None,
        };
    }
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(When::Moment(moment.with_timezone(&Utc)));
    }
    for format in ["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y"] {
        if let Ok(day) = NaiveDate::parse_from_str(text, format) {
            return Some(When::Day(day));
        }
    }
    if let Some(utc) = text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')) {
        return local(utc.trim_end()).map(|time| When::Moment(time.and_utc()));
    }
    if let Ok(moment) = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z") {
        return Some(When::Moment(moment.with_timezone(&Utc)));
    }
    local(text).map(|time| When::Day(time.date()))
}

fn local(text: &str) -> Option<NaiveDateTime> {
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
}

/// Without the spaces and apostrophes that set digits apart.
fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '\'' | '’' | '_')).collect()
}

/// Whether the mark stands before each group of three digits and nowhere else.
fn grouped(text: &str, mark: char) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let whole = text.trim_start_matches('-');
    let mut parts = whole.split(mark);
    let first = parts.next().unwrap_or_default();
    whole.contains(mark)
        && digits(first)
        && first.len() <= 3
        && parts.all(|part| digits(part) && part.len() == 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        for (text, points, count) in [
            ("1234", false, Some(1234)),
            ("", false, Some(0)),
            (" 1,234,567 ", false, Some(1_234_567)),
            ("1 234\u{a0}567", false, Some(1_234_567)),
            ("1'234", false, Some(1234)),
            ("1.234.567", true, Some(1_234_567)),
            ("1.234", true, Some(1234)),
            ("1234.0", false, Some(1234)),
            ("1.2E+06", false, Some(1_200_000)),
            ("1.234", false, None),
            ("1,23", false, None),
            ("12,345,6", false, None),
            ("-5", false, None),
            ("many", false, None),
            ("99999999999999999999", false, None),
        ] {
            assert_eq!(tokens(text, points), count, "{text:?}");
        }
    }

    #[test]
    fn amounts() {
        for (text, points, sum) in [
            ("0.8958740000000000", false, Some("0.895874")),
            ("$1,234.56", false, Some("1234.56")),
            ("1.234,56 €", true, None),
            ("1.234,56", true, Some("1234.56")),
            ("1,5", true, Some("1.5")),
            ("1,234", true, Some("1.234")),
            ("1,234", false, Some("1234")),
            ("12,5", false, Some("12.5")),
            ("USD 3.10", false, Some("3.1")),
            ("-$2.50", false, Some("-2.5")),
            ("(2.50)", false, Some("-2.5")),
            ("1e-7", false, Some("0.0000001")),
            ("", false, Some("0")),
            ("free", false, None),
            ("1.2.3", false, None),
        ] {
            let sum = sum.map(|sum| sum.parse::<Decimal>().unwrap());
            assert_eq!(amount(text, points), sum, "{text:?}");
        }
    }

    #[test]
    fn days_and_moments() {
        let day = When::Day("2026-11-01".parse().unwrap());
        for text in ["2026-11-01", "2026/11/01", "20261101", "01.11.2026", "2026-11-01 23:59:59"] {
            assert_eq!(when(text), Some(day), "{text}");
        }
        let moment = When::Moment("2026-11-01T00:00:00Z".parse().unwrap());
        for text in [
            "1793491200",
            "1793491200000",
            "2026-11-01T00:00:00+00:00",
            "2026-11-01T01:00:00+01:00",
            "2026-11-01 00:00:00 UTC",
            "2026-11-01 00:00:00+00:00",
            "2026-11-01T00:00Z",
        ] {
            assert_eq!(when(text), Some(moment), "{text}");
        }
        for text in ["", "11/10/2026", "yesterday", "2026-13-01", "123"] {
            assert_eq!(when(text), None, "{text}");
        }
    }
}
