use std::time::Duration;

use lyceum_core::{BoxError, ErrorKind, Problem};

/// Why a model did not answer, in terms that a person can act on.
#[derive(Debug, thiserror::Error)]
pub enum LlmError {
    /// The provider refuses the key (401, 403).
    #[error("the provider refused the key: {0}")]
    Unauthorized(String),
    /// The provider does not know the model or the path (404).
    #[error("the provider does not know the model: {0}")]
    UnknownModel(String),
    /// The provider finds the request wrong (400, 422); its words.
    #[error("the provider refused the request: {0}")]
    Rejected(String),
    /// A local model cannot do what the request wants, or the request is wrong; what it is.
    #[error("the request does not fit the local model: {0}")]
    Unfit(String),
    /// The prompt is longer than the model's context.
    #[error("the prompt is longer than the model's context: {0}")]
    ContextLength(String),
    /// The provider refuses the prompt, or withholds the answer, for what it says.
    #[error("the provider's content policy refused it: {0}")]
    ContentPolicy(String),
    /// The account there has no plan or credit left (402, and 400, 403 or 429 in these words).
    #[error("the plan or credit at the provider is used up: {0}")]
    NoCredit(String),
    /// The provider limits the rate (429).
    #[error("the provider's limit is reached: {message}")]
    RateLimited {
        /// Its words.
        message: String,
        /// When it asks to be tried again.
        retry_after: Option<Duration>,
    },
    /// The provider failed (5xx).
    #[error("the provider failed with status {status}: {message}")]
    Provider {
        /// The HTTP status.
        status: u16,
        /// Its words, cut short.
        message: String,
    },
    /// No connection (DNS, refused, not allowed).
    #[error("no connection to the provider: {0}")]
    Connect(String),
    /// The host was reached, but no secure connection came about (its certificate, mostly).
    #[error("no secure connection to the provider: {0}")]
    Tls(String),
    /// No answer in time.
    #[error("the provider did not answer within {0:?}")]
    Timeout(Duration),
    /// The stream ended before the answer did.
    #[error("the answer broke off: {0}")]
    BrokenStream(String),
    /// The provider sent what is not its protocol.
    #[error("the provider's answer cannot be read: {0}")]
    Malformed(String),
    /// The local engine is busy, starting or gone.
    #[error("the local engine is not ready: {0}")]
    EngineUnavailable(String),
    /// A fault of ours.
    #[error("internal fault")]
    Internal(#[source] BoxError),
}

impl LlmError {
    /// The same with the name of the provider, where it was not reached.
    pub fn of_provider(self, name: &str) -> Self {
        let named = |reason: String| {
            format!("{reason} (the provider is '{name}'; 'Test connection' on its page says more)")
        };
        match self {
            LlmError::Connect(reason) => LlmError::Connect(named(reason)),
            LlmError::Tls(reason) => LlmError::Tls(named(reason)),
            other => other,
        }
    }

    /// Whether the same request may succeed if it is sent again.
    pub fn is_retryable(&self) -> bool {
        match self {
            LlmError::RateLimited { .. }
            | LlmError::Connect(_)
            | LlmError::Timeout(_)
            | LlmError::BrokenStream(_)
            | LlmError::EngineUnavailable(_) => true,
            LlmError::Provider { status, .. } => matches!(status, 500 | 502 | 503 | 504 | 529),
            _ => false,
        }
    }
}

impl Problem for LlmError {
    fn kind(&self) -> ErrorKind {
        match self {
            LlmError::Unauthorized(_)
            | LlmError::Provider { .. }
            | LlmError::Connect(_)
            | LlmError::Tls(_)
            | LlmError::BrokenStream(_)
            | LlmError::Malformed(_) => ErrorKind::Upstream,
            LlmError::UnknownModel(_) => ErrorKind::NotFound,
            LlmError::Rejected(_)
            | LlmError::Unfit(_)
            | LlmError::ContextLength(_)
            | LlmError::ContentPolicy(_) => ErrorKind::BadRequest,
            LlmError::NoCredit(_) | LlmError::RateLimited { .. } => ErrorKind::TooManyRequests,
            LlmError::Timeout(_) => ErrorKind::UpstreamTimeout,
            LlmError::EngineUnavailable(_) => ErrorKind::Unavailable,
            LlmError::Internal(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            LlmError::Unauthorized(_) => "provider_unauthorized",
            LlmError::UnknownModel(_) => "provider_unknown_model",
            LlmError::Rejected(_) => "provider_rejected",
            LlmError::Unfit(_) => "invalid_request",
            LlmError::ContextLength(_) => "context_length_exceeded",
            LlmError::ContentPolicy(_) => "content_policy",
            LlmError::NoCredit(_) => "provider_no_credit",
            LlmError::RateLimited { .. } => "provider_rate_limited",
            LlmError::Provider { .. } => "provider_failed",
            LlmError::Connect(_) => "provider_unreachable",
            LlmError::Tls(_) => "provider_tls_failed",
            LlmError::Timeout(_) => "provider_timeout",
            LlmError::BrokenStream(_) => "provider_stream_broken",
            LlmError::Malformed(_) => "provider_malformed",
            LlmError::EngineUnavailable(_) => "engine_unavailable",
            LlmError::Internal(_) => "internal",
        }
    }

    fn detail(&self) -> String {
        match self {
            LlmError::Internal(_) => "Something went wrong on our side.".to_owned(),
            other => other.to_string(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            LlmError::RateLimited { retry_after, .. } => *retry_after,
            LlmError::EngineUnavailable(_) => Some(Duration::from_secs(2)),
            _ => None,
        }
    }
}
