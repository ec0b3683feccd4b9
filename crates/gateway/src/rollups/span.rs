use chrono::{DateTime, Utc};

/// Seconds of the shortest span that is rolled up.
const QUARTER: i64 = 15 * 60;
const DAY: i64 = 24 * 60 * 60;

/// From the first moment to before the second.
pub(super) type Range = (DateTime<Utc>, DateTime<Utc>);

/// A span, taken apart into what is rolled up and what is not. None of the ranges is empty, and
/// together they are the span.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Span {
    /// Begin and end within a quarter of an hour.
    pub(super) edges: Vec<Range>,
    /// Whole quarters of an hour.
    pub(super) quarters: Option<Range>,
    /// Those of them that lie outside of the whole days.
    pub(super) around_days: Vec<Range>,
    /// Whole days in UTC.
    pub(super) days: Option<Range>,
}

impl Span {
    /// All of it as if it was within a quarter of an hour.
    pub(super) fn not_rolled_up(from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        Self { edges: some([(from, to)]), ..Self::default() }
    }

    pub(super) fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        let (first, end) = (ceil(from, QUARTER), floor(to, QUARTER));
        if first >= end {
            return Self::not_rolled_up(from, to);
        }
        let (first_day, end_day) = (ceil(first, DAY), floor(end, DAY));
        let days = (first_day < end_day).then_some((first_day, end_day));
        Self {
            edges: some([(from, first), (end, to)]),
            quarters: Some((first, end)),
            around_days: match days {
                Some((first_day, end_day)) => some([(first, first_day), (end_day, end)]),
                None => some([(first, end)]),
            },
            days,
        }
    }
}

/// The first full quarter of an hour after `moment`.
pub(crate) fn quarter_after(moment: DateTime<Utc>) -> DateTime<Utc> {
    ceil(moment + chrono::TimeDelta::nanoseconds(1), QUARTER)
}

fn some<const N: usize>(ranges: [Range; N]) -> Vec<Range> {
    ranges.into_iter().filter(|(from, to)| from < to).collect()
}

fn floor(moment: DateTime<Utc>, unit: i64) -> DateTime<Utc> {
    let seconds = moment.timestamp().div_euclid(unit) * unit;
    DateTime::from_timestamp(seconds, 0).unwrap_or(moment)
}

fn ceil(moment: DateTime<Utc>, unit: i64) -> DateTime<Utc> {
    let below = floor(moment, unit);
    match below == moment {
        true => moment,
        false => DateTime::from_timestamp(below.timestamp() + unit, 0).unwrap_or(moment),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_span_is_taken_apart() {
        let span = Span::new(at("2026-01-30T23:50:00Z"), at("2026-02-02T00:20:00.5Z"));
        let midnight = |day: &str| at(&[day, "T00:00:00Z"].concat());
        let edge = (at("2026-02-02T00:15:00Z"), at("2026-02-02T00:20:00.5Z"));
        assert_eq!(span.edges, [(at("2026-01-30T23:50:00Z"), midnight("2026-01-31")), edge]);
        assert_eq!(span.quarters, Some((midnight("2026-01-31"), edge.0)));
        assert_eq!(span.days, Some((midnight("2026-01-31"), midnight("2026-02-02"))));
        assert_eq!(span.around_days, [(midnight("2026-02-02"), edge.0)]);
    }

    #[test]
    fn the_quarter_after_is_always_later() {
        assert_eq!(quarter_after(at("2026-01-01T00:00:00Z")), at("2026-01-01T00:15:00Z"));
        assert_eq!(quarter_after(at("2025-12-31T23:59:59.9Z")), at("2026-01-01T00:00:00Z"));
    }

    proptest! {
        /// Every moment of the span is in exactly one range of either way to put it together.
        #[test]
        fn nothing_is_counted_twice_or_left_out(
            from in 0_i64..400_000, length in 0_i64..400_000, probe in -10_i64..800_010,
        ) {
            let moment = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
            let span = Span::new(moment(from), moment(from + length));
            let inside = (from..from + length).contains(&probe);
            let probe = moment(probe);
            let hits = |ranges: &[Range]| {
                ranges.iter().filter(|(from, to)| *from <= probe && probe < *to).count()
            };
            let edges = hits(&span.edges);
            let quarters = hits(span.quarters.as_slice());
            let days = hits(span.days.as_slice());
            prop_assert_eq!(edges + quarters, usize::from(inside));
            prop_assert_eq!(edges + hits(&span.around_days) + days, usize::from(inside));
        }
    }
}
