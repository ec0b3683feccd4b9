use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::RateStanding;

/// Whose clients read an answer's headers and errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    /// They are told moments instead of spans, so it says what time it is.
    Anthropic(DateTime<Utc>),
}

impl Dialect {
    /// The headers about requests, and those about tokens.
    fn names(self) -> [[&'static str; 3]; 2] {
        match self {
            Dialect::OpenAi => [
                [
                    "x-ratelimit-limit-requests",
                    "x-ratelimit-remaining-requests",
                    "x-ratelimit-reset-requests",
                ],
                [
                    "x-ratelimit-limit-tokens",
                    "x-ratelimit-remaining-tokens",
                    "x-ratelimit-reset-tokens",
                ],
            ],
            Dialect::Anthropic(_) => [
                [
                    "anthropic-ratelimit-requests-limit",
                    "anthropic-ratelimit-requests-remaining",
                    "anthropic-ratelimit-requests-reset",
                ],
                [
                    "anthropic-ratelimit-tokens-limit",
                    "anthropic-ratelimit-tokens-remaining",
                    "anthropic-ratelimit-tokens-reset",
                ],
            ],
        }
    }

    fn reset(self, after: Duration) -> String {
        match self {
            Dialect::OpenAi => span(after),
            Dialect::Anthropic(now) => {
                let full =
                    now.checked_add_signed(chrono::Duration::from_std(after).unwrap_or_default());
                full.unwrap_or(now).to_rfc3339_opts(SecondsFormat::Secs, true)
            }
        }
    }
}

/// Says how the rate limits stand, as the clients of a protocol expect it.
pub(crate) fn describe_rates(headers: &mut HeaderMap, rates: &RateStanding, dialect: Dialect) {
    for (standing, names) in [rates.requests, rates.tokens].into_iter().zip(dialect.names()) {
        let Some(standing) = standing else { continue };
        let values = [
            format!("{:.0}", standing.limit),
            format!("{:.0}", standing.remaining.floor()),
            dialect.reset(standing.reset),
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
    use super::super::bucket::Standing;
    use super::*;

    #[test]
    fn anthropics_clients_are_told_moments() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let reset = Duration::from_secs(30);
        let standing = Standing { limit: 60.0, remaining: 1.5, reset };
        let rates = RateStanding { requests: Some(standing), tokens: None };
        let mut headers = HeaderMap::new();
        describe_rates(&mut headers, &rates, Dialect::Anthropic(now));
        assert_eq!(headers["anthropic-ratelimit-requests-limit"], "60");
        assert_eq!(headers["anthropic-ratelimit-requests-remaining"], "1");
        assert_eq!(headers["anthropic-ratelimit-requests-reset"], "2023-11-14T22:13:50Z");
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn spans_are_written_as_openai_does() {
        for (millis, text) in [(0, "0ms"), (250, "250ms"), (12_000, "12s"), (60_500, "1m0.500s")] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }
}
