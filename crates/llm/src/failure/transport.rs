//! What goes wrong on the way to a provider.

use std::error::Error;
use std::time::Duration;

use lyceum_core::{BoxError, causes};
use rustls::CertificateError;

use super::cut;
use crate::LlmError;

/// What to do about a certificate that nobody here knows the issuer of.
const UNKNOWN_ISSUER: &str = "it comes from no authority that is trusted here; whoever runs Lyceum \
                              can name further ones with the setting outgoing.ca_file \
                              (LYCEUM_OUTGOING__CA_FILE)";

/// Why a request got no answer, or the answer broke off.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The request itself cannot be made.
    #[error("the request cannot be made")]
    Request(#[source] BoxError),
    /// No connection came about.
    #[error("no connection came about")]
    Connect(#[source] BoxError),
    /// Nothing was heard for too long.
    #[error("nothing was heard for too long")]
    Timeout(#[source] BoxError),
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] BoxError),
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        // An address may hold what is nobody's business.
        let error = error.without_url();
        match (error.is_connect(), error.is_timeout(), error.is_builder()) {
            (true, ..) => Self::Connect(error.into()),
            (_, true, _) => Self::Timeout(error.into()),
            (.., true) => Self::Request(error.into()),
            _ => Self::Broken(error.into()),
        }
    }
}

/// The error of a request that got no answer.
pub(crate) fn from_transport(error: impl Into<TransportError>, waited: Duration) -> LlmError {
    let error = match error.into() {
        TransportError::Timeout(_) => return LlmError::Timeout(waited),
        TransportError::Request(error) => return LlmError::Internal(error),
        TransportError::Broken(error) => return LlmError::BrokenStream(innermost(error.as_ref())),
        TransportError::Connect(error) => error,
    };
    let reason = innermost(error.as_ref());
    match tls_fault(error.as_ref()) {
        // As of a proxy that looks into what is encrypted, and signs it anew.
        Some(rustls::Error::InvalidCertificate(
            // The latter of an authority with a known name and another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => LlmError::Tls(format!("{reason}: {UNKNOWN_ISSUER}")),
        Some(_) => LlmError::Tls(reason),
        None => LlmError::Connect(reason),
    }
}

/// The innermost cause, which is the one that says something ("Connection refused").
fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(String::new, |cause| cut(&cause.to_string()))
}

/// What TLS says where the other side was reached and the two could not agree on a secure connection.
fn tls_fault<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    // An IO error does not name what it carries as its cause.
    fn carried<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
        let inner = || error.downcast_ref::<std::io::Error>()?.get_ref();
        error.downcast_ref().or_else(|| carried(inner()?))
    }
    causes(error).find_map(carried)
}
