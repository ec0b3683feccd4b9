//! What a failure means for the next attempt.

use std::time::Duration;

use lyceum_llm::LlmError;

use crate::GatewayError;
use crate::limits::Level;

/// Why another target may do better.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = FallbackCause)]
pub(crate) enum Cause {
    /// The target failed, cannot be reached, refuses the key or does not know the model.
    Error,
    /// It took too long.
    Timeout,
    /// A limit of its provider, or ours of that model, is reached.
    RateLimit,
    /// The prompt is longer than its context.
    ContextLength,
    /// Its provider refuses the prompt or withholds the answer for what it says.
    ContentPolicy,
}

impl Cause {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Error, Self::Timeout, Self::RateLimit, Self::ContextLength, Self::ContentPolicy];

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == name)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::RateLimit => "rate_limit",
            Self::ContextLength => "context_length",
            Self::ContentPolicy => "content_policy",
        }
    }
}

/// What a failure means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Why another target may do better; `None` where none would.
    pub(crate) cause: Option<Cause>,
    /// Whether the same target may do better after a while.
    pub(crate) again: bool,
    /// When it asks to be tried again.
    pub(crate) after: Option<Duration>,
    /// Whether it was the target's fault, and not the request's or ours.
    pub(crate) blames: bool,
    /// Whether a provider was asked at all.
    pub(crate) asked: bool,
}

impl Verdict {
    fn of_provider(error: &LlmError) -> Self {
        let asked = Self { asked: true, ..Self::default() };
        let elsewhere = |cause| Self { cause: Some(cause), ..asked };
        let broken = Self { blames: true, ..elsewhere(Cause::Error) };
        match error {
            LlmError::RateLimited { retry_after, .. } => Self {
                again: true,
                after: *retry_after,
                blames: true,
                ..elsewhere(Cause::RateLimit)
            },
            // Waiting pays for nothing.
            LlmError::NoCredit(_) => Self { blames: true, ..elsewhere(Cause::RateLimit) },
            // Who did not answer in time is not waited for once more.
            LlmError::Timeout(_) => Self { blames: true, ..elsewhere(Cause::Timeout) },
            LlmError::ContextLength(_) => elsewhere(Cause::ContextLength),
            LlmError::ContentPolicy(_) => elsewhere(Cause::ContentPolicy),
            LlmError::Rejected(_) | LlmError::Unfit(_) | LlmError::Internal(_) => asked,
            _ => Self { again: error.is_retryable(), ..broken },
        }
    }
}

/// An error of a call that a route may follow up by another.
pub(crate) trait Refusal {
    /// What it means for the next attempt.
    fn verdict(&self) -> Verdict;
}

impl Refusal for GatewayError {
    fn verdict(&self) -> Verdict {
        match self {
            GatewayError::Llm(error) => Verdict::of_provider(error),
            GatewayError::Limited { rate, .. } if rate.level == Level::Model => {
                Verdict { cause: Some(Cause::RateLimit), ..Verdict::default() }
            }
            GatewayError::NotInstalled(_) | GatewayError::PriceUnknown { .. } => {
                Verdict { cause: Some(Cause::Error), ..Verdict::default() }
            }
            _ => Verdict::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_request_is_at_fault_for_goes_nowhere_else() {
        for error in [
            LlmError::Rejected("no such parameter".into()),
            LlmError::Unfit("no tools".into()),
            LlmError::Internal("x".into()),
        ] {
            let verdict = GatewayError::from(error).verdict();
            assert_eq!((verdict.cause, verdict.again, verdict.blames), (None, false, false));
        }
        assert_eq!(GatewayError::Ledger { storage_full: true }.verdict(), Verdict::default());
    }

    #[test]
    fn what_cannot_be_asked_is_nobodys_fault_and_another_may_be() {
        let unpriced = GatewayError::PriceUnknown { model: "m".into(), scope: "user".into() };
        for error in [GatewayError::NotInstalled("m".into()), unpriced] {
            let expected = Verdict { cause: Some(Cause::Error), ..Verdict::default() };
            assert_eq!(error.verdict(), expected);
        }
    }

    #[test]
    fn each_fault_has_its_cause() {
        let provider = |status| LlmError::Provider { status, message: String::new() };
        for (error, cause, again, blames) in [
            (provider(500), Cause::Error, true, true),
            (provider(529), Cause::Error, true, true),
            (provider(302), Cause::Error, false, true),
            (LlmError::Connect("refused".into()), Cause::Error, true, true),
            (LlmError::Tls("expired".into()), Cause::Error, false, true),
            (LlmError::Unauthorized("bad key".into()), Cause::Error, false, true),
            (LlmError::UnknownModel("gone".into()), Cause::Error, false, true),
            (LlmError::NoCredit("Insufficient Balance".into()), Cause::RateLimit, false, true),
            (LlmError::Malformed("html".into()), Cause::Error, false, true),
            (LlmError::BrokenStream("cut".into()), Cause::Error, true, true),
            (LlmError::Timeout(Duration::ZERO), Cause::Timeout, false, true),
            (LlmError::ContextLength("long".into()), Cause::ContextLength, false, false),
            (LlmError::ContentPolicy("no".into()), Cause::ContentPolicy, false, false),
        ] {
            let verdict = GatewayError::from(error).verdict();
            let expected = (Some(cause), again, blames, true);
            let found = (verdict.cause, verdict.again, verdict.blames, verdict.asked);
            assert_eq!(found, expected, "{cause:?}");
        }
    }
}
