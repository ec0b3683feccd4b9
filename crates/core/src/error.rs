use std::time::Duration;

/// A boxed error, as the cause of another.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// An error, then what caused it, down to the first cause.
pub fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// An error and its causes on one line, for a log or a job's record.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What kind of failure an error is; decides the HTTP status and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is malformed (400).
    BadRequest,
    /// No valid credential (401).
    Unauthenticated,
    /// The credential lacks the right (403).
    Forbidden,
    /// The object does not exist, or its existence is none of the caller's business (404).
    NotFound,
    /// The address does not take that method (405).
    MethodNotAllowed,
    /// Collides with the present state (409).
    Conflict,
    /// Gone for good, such as a used one-time token (410).
    Gone,
    /// Larger than the limit (413).
    TooLarge,
    /// A kind of content that is not understood (415).
    UnsupportedMedia,
    /// Well-formed but not acceptable (422).
    Invalid,
    /// A limit or quota is used up (429).
    TooManyRequests,
    /// A fault of ours (500).
    Internal,
    /// The peer that we depend on failed (502).
    Upstream,
    /// Not able to serve just now (503).
    Unavailable,
    /// The peer that we depend on did not answer in time (504).
    UpstreamTimeout,
    /// No room left to store (507).
    StorageFull,
}

/// An error that can be told to the caller.
///
/// Each domain has one `thiserror` enum that implements this. The `Display` text and the sources
/// go to the log; only [`code`](Problem::code) and [`detail`](Problem::detail) leave the program.
pub trait Problem: std::error::Error + Send + Sync + 'static {
    /// The kind, from which the HTTP status follows.
    fn kind(&self) -> ErrorKind;

    /// A stable, documented name in `snake_case`, prefixed by nothing; clients match on it.
    fn code(&self) -> &'static str;

    /// One sentence in English for a person: what is wrong and what to do. Never a secret, a query
    /// or a cause.
    fn detail(&self) -> String;

    /// When trying again makes sense.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    /// Further members of the `problem+json` document, as a JSON object.
    fn extensions(&self) -> serde_json::Map<String, serde_json::Value> {
        serde_json::Map::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the answer broke off")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_are_told_in_order_and_found_by_type() {
        let error = Outer(std::io::Error::other("reset by peer"));
        assert_eq!(chain(&error), "the answer broke off: reset by peer");
        assert!(causes(&error).any(|cause| cause.is::<std::io::Error>()));
    }
}
