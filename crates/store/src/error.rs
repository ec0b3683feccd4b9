use lyceum_core::{ErrorKind, Problem};

/// The database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("the database failed")]
pub struct StoreError(#[from] pub sqlx::Error);

/// The name of the constraint that the statement ran against, to be turned into a domain error.
pub fn constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error().and_then(|error| error.constraint())
}

impl StoreError {
    fn sqlstate(&self) -> Option<String> {
        self.0.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
    }
}

impl Problem for StoreError {
    fn kind(&self) -> ErrorKind {
        match (&self.0, self.sqlstate().as_deref()) {
            (_, Some("53100")) => ErrorKind::StorageFull,
            // Shutting down, starting up, out of connections, serialization failure, deadlock.
            (_, Some("57P01" | "57P03" | "53300" | "40001" | "40P01")) => ErrorKind::Unavailable,
            (sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::PoolClosed, _) => {
                ErrorKind::Unavailable
            }
            _ => ErrorKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self.kind() {
            ErrorKind::StorageFull => "storage_full",
            ErrorKind::Unavailable => "database_unavailable",
            _ => "internal",
        }
    }

    fn detail(&self) -> String {
        match self.kind() {
            ErrorKind::StorageFull => "The disk is full; nothing was changed.".to_owned(),
            ErrorKind::Unavailable => "The database is not reachable; try again soon.".to_owned(),
            _ => "Something went wrong on our side; the log has the cause.".to_owned(),
        }
    }
}
