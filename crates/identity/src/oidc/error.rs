use lyceum_core::{BoxError, ErrorKind, Problem};

/// Why signing in through an issuer failed.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// The issuer cannot be reached or answers with an error.
    #[error("the issuer did not answer")]
    Unreachable(#[source] BoxError),
    /// The issuer's answer does not follow the standard.
    #[error("the issuer's answer is not acceptable: {0}")]
    BadAnswer(&'static str),
    /// The ID token is not acceptable.
    #[error("the ID token is not acceptable: {0}")]
    BadToken(&'static str),
    /// The issuer, or the person at the issuer, refused.
    #[error("the issuer refused")]
    Denied,
    /// Not begun in this browser, too old, or answered already.
    #[error("the sign-in was not begun here, or is over")]
    StateInvalid,
    /// No account is linked, and none may be made.
    #[error("no account is linked")]
    NotLinked,
    /// An account would be made, but the issuer does not tell an address.
    #[error("the issuer tells no e-mail address")]
    NoEmail,
    /// An account would be made, but the issuer has not verified the address.
    #[error("the issuer has not verified the e-mail address")]
    EmailNotVerified,
    /// The account at the issuer is linked with another account here.
    #[error("the account is linked elsewhere")]
    LinkedElsewhere,
}

impl Problem for OidcError {
    fn kind(&self) -> ErrorKind {
        match self {
            OidcError::Unreachable(_) | OidcError::BadAnswer(_) => ErrorKind::Upstream,
            OidcError::BadToken(_) | OidcError::Denied => ErrorKind::Unauthenticated,
            OidcError::StateInvalid => ErrorKind::Gone,
            OidcError::NotLinked | OidcError::NoEmail | OidcError::EmailNotVerified => {
                ErrorKind::Forbidden
            }
            OidcError::LinkedElsewhere => ErrorKind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            OidcError::Unreachable(_) => "oidc_unreachable",
            OidcError::BadAnswer(_) => "oidc_bad_answer",
            OidcError::BadToken(_) => "oidc_bad_token",
            OidcError::Denied => "oidc_denied",
            OidcError::StateInvalid => "oidc_state_invalid",
            OidcError::NotLinked => "oidc_not_linked",
            OidcError::NoEmail => "oidc_no_email",
            OidcError::EmailNotVerified => "oidc_email_not_verified",
            OidcError::LinkedElsewhere => "oidc_linked_elsewhere",
        }
    }

    fn detail(&self) -> String {
        let text = match self {
            OidcError::Unreachable(_) => "The sign-in service cannot be reached; try again later.",
            OidcError::BadAnswer(_) => "The sign-in service gave an answer that is not acceptable.",
            OidcError::BadToken(_) => "The sign-in service's word could not be verified.",
            OidcError::Denied => "The sign-in service refused.",
            OidcError::StateInvalid => "This sign-in was not begun here or is over; begin again.",
            OidcError::NotLinked => {
                "No account here is linked with that one; sign in as usual and link it."
            }
            OidcError::NoEmail => "The sign-in service does not tell your e-mail address.",
            OidcError::EmailNotVerified => {
                "The sign-in service has not verified your e-mail address; do that there first."
            }
            OidcError::LinkedElsewhere => "That account is linked with another account here.",
        };
        text.to_owned()
    }
}
