use std::time::Duration;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use lyceum_core::Problem;
use lyceum_http::{ApiError, retry_after};
use lyceum_llm::LlmError;
use lyceum_llm::surface::{Fault, Writer};

use super::request::{self, ANTHROPIC_ID};
use crate::GatewayError;
use crate::limits::{Dialect, RateRefusal, describe_rates};
use crate::routes::{Refusal, Verdict};

/// OpenAI's name for a quota that is used up.
const NO_QUOTA: &str = "insufficient_quota";
/// Tells OpenAI's and Anthropic's clients whether to ask again, whatever the status says.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// The longest wait that a program is left to sit through. Some clients sleep for as long as
/// `Retry-After` says, and be it for weeks.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// An error of a surface; in OpenAI's form unless said otherwise.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: String,
    message: String,
    /// The member of the request that is at fault.
    param: Option<Box<str>>,
    retry_after: Option<Duration>,
    /// Whether the same request fails again until somebody changes something.
    in_vain: bool,
    rate: Option<Box<RateRefusal>>,
    verdict: Verdict,
}

impl Refusal for Failure {
    fn verdict(&self) -> Verdict {
        self.verdict
    }
}

impl Failure {
    /// A request that cannot be understood.
    pub(super) fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            param: None,
            retry_after: None,
            in_vain: false,
            rate: None,
            verdict: Verdict::default(),
        }
    }

    /// The same with the member of the request that is at fault; an empty name is none.
    pub(super) fn about(self, member: &str) -> Self {
        Self { param: (!member.is_empty()).then(|| member.into()), ..self }
    }

    /// The same for whoever writes it down.
    pub(super) fn fault(&self) -> Fault<'_> {
        Fault {
            status: self.status,
            code: &self.code,
            message: &self.message,
            param: self.param.as_deref(),
        }
    }

    /// The last event of a stream that has already begun.
    pub(super) fn event(&self, writer: &mut dyn Writer) -> Bytes {
        writer.fail(&self.fault()).into()
    }

    /// The answer in the form of a dialect.
    pub(super) fn respond(self, dialect: Dialect) -> Response {
        let document = match dialect {
            Dialect::OpenAi => self.fault().openai(),
            Dialect::Anthropic(_) => self.fault().anthropic(),
        };
        let mut response = (self.status, axum::Json(document)).into_response();
        let headers = response.headers_mut();
        if let Dialect::Anthropic(_) = dialect {
            request::name(headers, ANTHROPIC_ID, request::id());
        }
        if let Some(rate) = self.rate {
            describe_rates(headers, &rate.standing, dialect);
        }
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, retry_after(after));
        }
        if self.in_vain || self.retry_after.is_some_and(|after| after > LONGEST_WAIT) {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        response
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        // OpenAI's own name, which its clients look for.
        let code = match error.status() {
            StatusCode::UNAUTHORIZED => "invalid_api_key",
            _ => error.code(),
        };
        Self::new(error.status(), code, error.detail())
    }
}

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        let (retry_after, verdict) = (error.retry_after(), error.verdict());
        let in_vain = is_in_vain(&error);
        let status = match &error {
            // The provider's own refusals keep their status where it means the same here.
            GatewayError::Llm(LlmError::ContextLength(_)) => StatusCode::BAD_REQUEST,
            _ => ApiError::new(error.kind(), error.code(), "").status(),
        };
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = &error as &dyn std::error::Error, "a call failed");
        }
        let code = match &error {
            GatewayError::QuotaExceeded(_) => NO_QUOTA,
            error => error.code(),
        };
        let detail = error.detail();
        let param = match &error {
            GatewayError::UnknownModel { .. }
            | GatewayError::ModelNotAllowed { .. }
            | GatewayError::WrongKind { .. }
            | GatewayError::NotInstalled(_) => Some("model".into()),
            GatewayError::Invalid { field, .. } => Some(field.as_str().into()),
            _ => None,
        };
        let rate = match error {
            GatewayError::Limited { rate, .. } => Some(rate),
            _ => None,
        };
        Self { param, retry_after, in_vain, rate, verdict, ..Self::new(status, code, detail) }
    }
}

impl From<LlmError> for Failure {
    fn from(error: LlmError) -> Self {
        GatewayError::Llm(error).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.respond(Dialect::OpenAi)
    }
}

/// Whether it is of no use to ask again soon, although the status may say so: key, account, address
/// or settings have to be put right first.
fn is_in_vain(error: &GatewayError) -> bool {
    match error {
        // A redirection, which is never followed. What fails there at all may be well again soon.
        GatewayError::Llm(LlmError::Provider { status, .. }) => *status < 400,
        GatewayError::Llm(error) => !error.is_retryable(),
        GatewayError::NoModel(_)
        | GatewayError::NotInstalled(_)
        | GatewayError::PriceUnknown { .. }
        | GatewayError::Address(_)
        | GatewayError::Crypto(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_where_asking_again_is_in_vain_or_takes_long() {
        let said = || "no".to_owned();
        let limited = |seconds: Option<u64>| {
            let retry_after = seconds.map(Duration::from_secs);
            LlmError::RateLimited { message: said(), retry_after }
        };
        let failed = |status| LlmError::Provider { status, message: said() };
        for (error, should_retry) in [
            (LlmError::Unauthorized(said()), Some("false")),
            (LlmError::NoCredit(said()), Some("false")),
            (LlmError::Tls(said()), Some("false")),
            (LlmError::Malformed(said()), Some("false")),
            (LlmError::Rejected(said()), Some("false")),
            (failed(302), Some("false")),
            (limited(Some(61)), Some("false")),
            (limited(Some(60)), None),
            (limited(None), None),
            (failed(500), None),
            (failed(520), None),
            (LlmError::Connect(said()), None),
            (LlmError::Timeout(Duration::from_secs(1)), None),
            (LlmError::EngineUnavailable(said()), None),
        ] {
            let (words, after) = (error.to_string(), error.retry_after());
            let response = Failure::from(error).into_response();
            let told = response.headers().get(SHOULD_RETRY).map(|value| value.to_str().unwrap());
            assert_eq!(told, should_retry, "{words}");
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), after.is_some());
        }
    }
}
