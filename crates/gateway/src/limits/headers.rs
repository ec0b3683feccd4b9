use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::RateStanding;

/// Says how the rate limits stand, as clients of OpenAI's protocol expect it.
pub(crate) fn describe_rates(headers: &mut HeaderMap, rates: &RateStanding) {
    let units = [
        (
            rates.requests,
            [
                "x-ratelimit-limit-requests",
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
            ],
        ),
        (
            rates.tokens,
            [
                "x-ratelimit-limit-tokens",
                "x-ratelimit-remaining-tokens",
                "x-ratelimit-reset-tokens",
            ],
        ),
    ];
    for (standing, names) in units {
        let Some(standing) = standing else { continue };
        let values = [
            format!("{:.0}", standing.limit),
            format!("{:.0}", standing.remaining.floor()),
            span(standing.reset),
        ];
        for (name, value) in names.into_iter().zip(values) {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

/// A span as OpenAI writes it: `1m0.5s`, `12s`, `250ms`.
fn span(span: Duration) -> String {
    let millis = span.as_millis();
    match (millis / 60_000, millis % 60_000) {
        (0, rest) if rest < 1000 => format!("{rest}ms"),
        (0, rest) => format!("{}s", seconds(rest)),
        (minutes, rest) => format!("{minutes}m{}s", seconds(rest)),
    }
}

fn seconds(millis: u128) -> String {
    match millis % 1000 {
        0 => (millis / 1000).to_string(),
        rest => format!("{}.{rest:03}", millis / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_openai_does() {
        for (millis, text) in [(0, "0ms"), (250, "250ms"), (12_000, "12s"), (60_500, "1m0.500s")] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }
}
