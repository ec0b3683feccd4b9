use lyceum_core::{BoxError, ErrorKind, Problem};
use lyceum_store::StoreError;

/// What can go wrong in this domain.
#[derive(Debug, thiserror::Error)]
pub enum OpsError {
    /// There is no such thing for this caller.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The value of a setting is not one that it takes.
    #[error("the value {0}")]
    InvalidValue(String),
    /// The audit log is being verified already.
    #[error("the audit log is being verified already")]
    Verifying,
    /// A part of an export cannot be written.
    #[error("an export cannot be written")]
    Unwritable(#[source] BoxError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpsError {
    pub(crate) fn unwritable(cause: impl Into<BoxError>) -> Self {
        Self::Unwritable(cause.into())
    }
}

impl From<sqlx::Error> for OpsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(StoreError(error))
    }
}

impl Problem for OpsError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::InvalidValue(_) => ErrorKind::Invalid,
            Self::Verifying => ErrorKind::Conflict,
            Self::Unwritable(_) => ErrorKind::Internal,
            Self::Store(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not_found",
            Self::InvalidValue(_) => "invalid_value",
            Self::Verifying => "verification_running",
            Self::Unwritable(_) => "internal",
            Self::Store(error) => error.code(),
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::NotFound(what) => format!("There is no such {what}."),
            Self::InvalidValue(why) => format!("The value {why}."),
            Self::Verifying => {
                "The audit log is being verified already; wait for that to end.".to_owned()
            }
            Self::Unwritable(_) => {
                "Something went wrong on our side; the log has the cause.".to_owned()
            }
            Self::Store(error) => error.detail(),
        }
    }
}
