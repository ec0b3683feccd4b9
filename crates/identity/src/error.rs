use std::time::Duration;

use lyceum_core::{ErrorKind, Problem};
use lyceum_http::{OutgoingError, SessionRequired};
use lyceum_store::{CryptoError, StoreError};
use serde_json::{Map, Value};

use crate::oidc::OidcError;
use crate::passkey::Refused;
use crate::people::PeopleError;
use crate::rule::Rule;

/// Why an act of the identity domain was refused.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The database did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An act about coming, proving an address, showing a face or leaving.
    #[error(transparent)]
    People(#[from] PeopleError),
    /// A fault of ours that no caller can mend.
    #[error("{0}")]
    Internal(&'static str),
    /// More sign-ins at once than the machine can check.
    #[error("too many sign-ins at the same time")]
    Busy,
    /// Unknown account or wrong password; which of the two is not told.
    #[error("wrong account or password")]
    InvalidCredentials,
    /// Too many failed attempts.
    #[error("too many failed attempts")]
    TooManyAttempts {
        /// When the next attempt is looked at.
        after: Duration,
    },
    /// The password is right, but the account may not be used.
    #[error("the account is not active")]
    AccountNotActive,
    /// The platform has its first account already.
    #[error("the set-up is done")]
    SetupDone,
    /// Not the token that the server printed.
    #[error("wrong set-up token")]
    SetupTokenInvalid,
    /// The right token, too late.
    #[error("the set-up token has expired")]
    SetupTokenExpired,
    /// A field is not acceptable.
    #[error("field {field} is not acceptable")]
    Field {
        /// Its name in the request.
        field: &'static str,
        /// What is wrong and what is allowed.
        rule: Rule,
    },
    /// Another account has the username or e-mail address.
    #[error("{field} is taken")]
    Taken {
        /// `username` or `email`.
        field: &'static str,
    },
    /// The present password, asked for to change it, is wrong.
    #[error("the present password is wrong")]
    WrongPassword,
    /// The refresh token is not valid, or not any more.
    #[error("the session has ended")]
    SessionEnded,
    /// A refresh token was used a second time; the session was revoked.
    #[error("a refresh token was used twice")]
    TokenReused,
    /// A request that changes something came by cookie without the header that no foreign page can
    /// send.
    #[error("the client header is missing")]
    ClientHeaderMissing,
    /// No such object for this caller.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The change would leave nobody to administer the platform.
    #[error("an active administrator must remain")]
    LastAdministrator,
    /// Rights that the caller does not have cannot be given away.
    #[error("the caller lacks {0}")]
    PermissionNotHeld(String),
    /// The database lets only administrators do this; the caller is none, or is none any more.
    #[error("only an administrator may do this")]
    AdministratorsOnly,
    /// Only a person who signed in may do this, not an API key.
    #[error(transparent)]
    SessionRequired(#[from] SessionRequired),
    /// The API key may be used from other addresses only.
    #[error("the API key may not be used from this address")]
    AddressNotAllowed,
    /// A right that the program does not know.
    #[error("{pattern} matches no right")]
    UnknownRight {
        /// What was asked for.
        pattern: String,
        /// All that there are.
        known: Vec<String>,
    },
    /// The roles that come with the platform stay as they are.
    #[error("a preset role does not change")]
    PresetRole,
    /// Another role or group has the name.
    #[error("another {0} has the name")]
    NameTaken(&'static str),
    /// A step of signing in has ended, or never began.
    #[error("the step of signing in has ended")]
    ChallengeEnded,
    /// Wrong second factor at sign-in.
    #[error("wrong second factor")]
    InvalidSecondFactor,
    /// Wrong code of somebody who is signed in.
    #[error("wrong code")]
    WrongCode,
    /// The session has not lately seen a proof of who its person is.
    #[error("a fresh proof of identity is needed")]
    ReauthenticationRequired,
    /// An authenticator app is on already.
    #[error("an authenticator app is on")]
    TotpOn,
    /// No authenticator app is on or waits to be confirmed.
    #[error("no authenticator app is on")]
    TotpOff,
    /// Recovery codes are for those who have a second factor.
    #[error("no second factor is on")]
    NoSecondFactor,
    /// The person must keep a second factor.
    #[error("a second factor is required")]
    SecondFactorRequired,
    /// The person would not get in any more.
    #[error("the last way to sign in")]
    LastWayIn,
    /// A passkey cannot be registered.
    #[error("a passkey was refused: {}", .0.name())]
    PasskeyRefused(Refused),
    /// A passkey does not sign anybody in.
    #[error("a passkey does not sign in: {}", .0.name())]
    InvalidPasskey(Refused),
    /// The passkey belongs to an account already.
    #[error("the passkey is registered")]
    PasskeyTaken,
    /// The platform does not know the address that people open.
    #[error("the public address is not set")]
    NoPublicUrl,
    /// Signing in through an issuer failed.
    #[error(transparent)]
    Oidc(#[from] OidcError),
    /// The address of an issuer may not be reached.
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    /// A secret could not be sealed or opened.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The caller has as many as are allowed.
    #[error("the limit of {limit} {what} is reached")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: i64,
    },
}

/// The header that every state-changing request with a cookie must carry.
pub(crate) const CLIENT_HEADER: &str = "x-lyceum-client";

impl From<sqlx::Error> for IdentityError {
    fn from(error: sqlx::Error) -> Self {
        match lyceum_store::constraint(&error) {
            Some("users_username_key") => IdentityError::Taken { field: "username" },
            Some("users_provisioned_name_key") => IdentityError::Taken { field: "username" },
            Some("scim_tokens_oidc_provider_id_fkey") => {
                IdentityError::field("oidc_provider_id", Rule::UnknownId { what: "issuer" })
            }
            Some("users_email_key") => IdentityError::Taken { field: "email" },
            Some("users_username_normalized") => crate::rules::not_normalized(),
            Some("data_exports_one_at_a_time") => PeopleError::ExportRunning.into(),
            Some("passkeys_credential_id_key") => IdentityError::PasskeyTaken,
            Some("oidc_providers_name_key") => IdentityError::field("name", Rule::NameTaken),
            Some("oidc_accounts_subject_key") => OidcError::LinkedElsewhere.into(),
            Some("timezone_known" | "users_timezone_check") => {
                IdentityError::field("timezone", Rule::Timezone)
            }
            Some("last_administrator") => IdentityError::LastAdministrator,
            Some("roles_name_key") => IdentityError::NameTaken("role"),
            Some("groups_name_key") => IdentityError::NameTaken("group"),
            _ if refused_by_policy(&error) => IdentityError::AdministratorsOnly,
            _ => IdentityError::Store(error.into()),
        }
    }
}

/// Whether row-level security refused a row.
fn refused_by_policy(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).as_deref() == Some("42501")
}

impl IdentityError {
    /// An unacceptable field.
    pub(crate) fn field(field: &'static str, rule: Rule) -> Self {
        IdentityError::Field { field, rule }
    }
}

impl Problem for IdentityError {
    fn kind(&self) -> ErrorKind {
        match self {
            IdentityError::Store(error) => error.kind(),
            IdentityError::People(error) => error.kind(),
            IdentityError::SessionRequired(error) => error.kind(),
            IdentityError::Internal(_) => ErrorKind::Internal,
            IdentityError::Busy => ErrorKind::Unavailable,
            IdentityError::Oidc(error) => error.kind(),
            IdentityError::Outgoing(error) => error.kind(),
            IdentityError::Crypto(_) => ErrorKind::Internal,
            IdentityError::ChallengeEnded => ErrorKind::Gone,
            IdentityError::WrongCode | IdentityError::PasskeyRefused(_) => ErrorKind::Invalid,
            IdentityError::ReauthenticationRequired => ErrorKind::Forbidden,
            IdentityError::TotpOn
            | IdentityError::TotpOff
            | IdentityError::NoSecondFactor
            | IdentityError::SecondFactorRequired
            | IdentityError::LastWayIn
            | IdentityError::PasskeyTaken
            | IdentityError::NoPublicUrl => ErrorKind::Conflict,
            IdentityError::InvalidCredentials
            | IdentityError::InvalidSecondFactor
            | IdentityError::InvalidPasskey(_)
            | IdentityError::SessionEnded
            | IdentityError::TokenReused => ErrorKind::Unauthenticated,
            IdentityError::TooManyAttempts { .. } => ErrorKind::TooManyRequests,
            IdentityError::AccountNotActive
            | IdentityError::SetupTokenInvalid
            | IdentityError::ClientHeaderMissing
            | IdentityError::PermissionNotHeld(_)
            | IdentityError::AdministratorsOnly
            | IdentityError::AddressNotAllowed => ErrorKind::Forbidden,
            IdentityError::SetupDone | IdentityError::SetupTokenExpired => ErrorKind::Gone,
            IdentityError::Field { .. }
            | IdentityError::UnknownRight { .. }
            | IdentityError::WrongPassword => ErrorKind::Invalid,
            IdentityError::Taken { .. }
            | IdentityError::NameTaken(_)
            | IdentityError::PresetRole
            | IdentityError::LastAdministrator
            | IdentityError::TooMany { .. } => ErrorKind::Conflict,
            IdentityError::NotFound(_) => ErrorKind::NotFound,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            IdentityError::Store(error) => error.code(),
            IdentityError::People(error) => error.code(),
            IdentityError::Internal(_) => "internal",
            IdentityError::Busy => "sign_in_busy",
            IdentityError::InvalidCredentials => "invalid_credentials",
            IdentityError::TooManyAttempts { .. } => "too_many_attempts",
            IdentityError::AccountNotActive => "account_not_active",
            IdentityError::SetupDone => "setup_done",
            IdentityError::SetupTokenInvalid => "setup_token_invalid",
            IdentityError::SetupTokenExpired => "setup_token_expired",
            IdentityError::Field { .. } => "invalid_field",
            IdentityError::Taken { field: "email" } => "email_taken",
            IdentityError::Taken { .. } => "username_taken",
            IdentityError::WrongPassword => "wrong_password",
            IdentityError::SessionEnded => "session_ended",
            IdentityError::TokenReused => "token_reused",
            IdentityError::ClientHeaderMissing => "client_header_missing",
            IdentityError::NotFound(_) => "not_found",
            IdentityError::LastAdministrator => "last_administrator",
            IdentityError::PermissionNotHeld(_) => "permission_not_held",
            IdentityError::AdministratorsOnly => "administrators_only",
            IdentityError::SessionRequired(error) => error.code(),
            IdentityError::AddressNotAllowed => "address_not_allowed",
            IdentityError::UnknownRight { .. } => "unknown_right",
            IdentityError::PresetRole => "preset_role",
            IdentityError::NameTaken(_) => "name_taken",
            IdentityError::TooMany { .. } => "too_many",
            IdentityError::ChallengeEnded => "challenge_ended",
            IdentityError::InvalidSecondFactor => "invalid_second_factor",
            IdentityError::WrongCode => "wrong_code",
            IdentityError::ReauthenticationRequired => "reauthentication_required",
            IdentityError::TotpOn => "totp_on",
            IdentityError::TotpOff => "totp_off",
            IdentityError::NoSecondFactor => "no_second_factor",
            IdentityError::SecondFactorRequired => "second_factor_required",
            IdentityError::LastWayIn => "last_way_in",
            IdentityError::PasskeyRefused(_) => "passkey_refused",
            IdentityError::InvalidPasskey(_) => "invalid_passkey",
            IdentityError::PasskeyTaken => "passkey_taken",
            IdentityError::NoPublicUrl => "no_public_url",
            IdentityError::Oidc(error) => error.code(),
            IdentityError::Outgoing(error) => error.code(),
            IdentityError::Crypto(_) => "internal",
        }
    }

    fn detail(&self) -> String {
        match self {
            IdentityError::Store(error) => error.detail(),
            IdentityError::People(error) => error.detail(),
            IdentityError::Oidc(error) => error.detail(),
            IdentityError::Outgoing(error) => error.detail(),
            IdentityError::ChallengeEnded => {
                "This step has taken too long or is done already; begin again.".to_owned()
            }
            IdentityError::InvalidSecondFactor => {
                "The code or passkey is wrong, or was used already.".to_owned()
            }
            IdentityError::WrongCode => "The code is wrong, or was used already.".to_owned(),
            IdentityError::ReauthenticationRequired => {
                "Confirm who you are first: with your password or a code, or by signing in again."
                    .to_owned()
            }
            IdentityError::TotpOn => "An authenticator app is on; switch it off first.".to_owned(),
            IdentityError::TotpOff => "There is no authenticator app.".to_owned(),
            IdentityError::NoSecondFactor => "Set up a second factor first.".to_owned(),
            IdentityError::SecondFactorRequired => {
                "A second factor is required here; set up another one first.".to_owned()
            }
            IdentityError::LastWayIn => {
                "You could not sign in any more; set a password or another way first.".to_owned()
            }
            IdentityError::PasskeyRefused(_) => {
                "This passkey cannot be used here; try another one.".to_owned()
            }
            IdentityError::InvalidPasskey(_) => {
                "This passkey does not sign in here; try another way.".to_owned()
            }
            IdentityError::PasskeyTaken => "This passkey is registered already.".to_owned(),
            IdentityError::NoPublicUrl => {
                "This needs the address that people open; an administrator sets server.public_url."
                    .to_owned()
            }
            IdentityError::Internal(_) | IdentityError::Crypto(_) => {
                "Something went wrong on our side; the log has the cause.".to_owned()
            }
            IdentityError::Busy => "Many people are signing in; try again in a moment.".to_owned(),
            IdentityError::InvalidCredentials => "The account or the password is wrong.".to_owned(),
            IdentityError::TooManyAttempts { after } => {
                format!(
                    "Too many failed attempts; try again in {} seconds.",
                    after.as_secs().max(1)
                )
            }
            IdentityError::AccountNotActive => {
                "This account is not active; ask an administrator.".to_owned()
            }
            IdentityError::SetupDone => "The platform is set up already; sign in.".to_owned(),
            IdentityError::SetupTokenInvalid => {
                "This is not the set-up token that the server printed when it started.".to_owned()
            }
            IdentityError::SetupTokenExpired => {
                "The set-up token has expired; start the server again to get a new one.".to_owned()
            }
            IdentityError::Field { rule, .. } => rule.to_string(),
            IdentityError::Taken { field: "email" } => {
                "Another account has this e-mail address.".to_owned()
            }
            IdentityError::Taken { .. } => "Another account has this username.".to_owned(),
            IdentityError::WrongPassword => "The present password is wrong.".to_owned(),
            IdentityError::SessionEnded => "The session has ended; sign in again.".to_owned(),
            IdentityError::TokenReused => {
                "This session was ended for safety, since one of its tokens was used twice; sign \
                 in again."
                    .to_owned()
            }
            IdentityError::ClientHeaderMissing => {
                "Requests with a cookie that change something need the header X-Lyceum-Client."
                    .to_owned()
            }
            IdentityError::NotFound(what) => format!("There is no such {what}."),
            IdentityError::LastAdministrator => {
                "This is the last active administrator; make another one first.".to_owned()
            }
            IdentityError::PermissionNotHeld(permission) => {
                format!("You do not have the right {permission}, so you cannot give it.")
            }
            IdentityError::AdministratorsOnly => "Only an administrator may do this.".to_owned(),
            IdentityError::SessionRequired(error) => error.detail(),
            IdentityError::AddressNotAllowed => {
                "This API key may not be used from this address; its owner lists from where."
                    .to_owned()
            }
            IdentityError::UnknownRight { pattern, .. } => {
                format!("No right is named '{pattern}'; `known` lists those that there are.")
            }
            IdentityError::PresetRole => {
                "The roles that come with the platform stay as they are; make one of your own."
                    .to_owned()
            }
            IdentityError::NameTaken(what) => format!("Another {what} has this name."),
            IdentityError::TooMany { what, limit } => {
                format!("You have {limit} {what}, which is the limit; remove one first.")
            }
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            IdentityError::TooManyAttempts { after } => Some(*after),
            IdentityError::Busy => Some(Duration::from_secs(2)),
            _ => None,
        }
    }

    fn extensions(&self) -> Map<String, Value> {
        let field = match self {
            IdentityError::Field { field, rule } => {
                let mut members = match serde_json::to_value(rule) {
                    Ok(Value::Object(members)) => members,
                    _ => Map::new(),
                };
                members.insert("field".to_owned(), Value::from(*field));
                return members;
            }
            IdentityError::Taken { field } => field,
            IdentityError::WrongPassword => "current",
            IdentityError::WrongCode => "code",
            IdentityError::PermissionNotHeld(_) => "permissions",
            IdentityError::NameTaken(_) => "name",
            IdentityError::UnknownRight { known, .. } => {
                return Map::from_iter([
                    ("field".to_owned(), Value::from("permissions")),
                    ("known".to_owned(), Value::from(known.clone())),
                ]);
            }
            _ => return Map::new(),
        };
        Map::from_iter([("field".to_owned(), Value::from(field))])
    }
}
