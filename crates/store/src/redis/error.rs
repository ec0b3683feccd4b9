use std::path::PathBuf;

use ::redis::{ErrorKind, RedisError as Cause, ServerErrorKind};

/// Redis cannot be used as it is configured. No text holds the password.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// The address is none.
    #[error(
        "redis.url is not an address like redis://:password@host:6379/0, rediss://… for TLS or \
         unix:///path"
    )]
    Address,
    /// The address asks for certificates not to be checked.
    #[error(
        "redis.url ends with #insecure, but a server's certificate is always checked: take that \
         away, and name who issued the certificate in redis.ca_file"
    )]
    Insecure,
    /// The authorities that are to be trusted cannot be.
    #[error("redis.ca_file {}: {reason}", path.display())]
    Authorities {
        /// Where they are.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It answers, but not to us.
    #[error("the Redis at {address} cannot be used: {reason}")]
    Refused {
        /// Where it is.
        address: String,
        /// Why.
        reason: String,
    },
}

/// Why a question had no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// It has to be configured in another way.
    Refused(String),
    /// It answers, and will not do this one thing.
    Denied(String),
    /// It may answer later.
    Away(String),
}

impl Failure {
    pub(super) fn reason(self) -> String {
        match self {
            Self::Refused(reason) | Self::Denied(reason) | Self::Away(reason) => reason,
        }
    }

    /// The same with more behind its reason.
    pub(super) fn with(self, more: &str) -> Self {
        match self {
            Self::Refused(reason) => Self::Refused(reason + more),
            Self::Denied(reason) => Self::Denied(reason + more),
            Self::Away(reason) => Self::Away(reason + more),
        }
    }
}

impl From<Cause> for Failure {
    fn from(error: Cause) -> Self {
        let text = error.to_string();
        if is_about_the_command(&error, &text) {
            return Self::Denied(text);
        }
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS")) => {
                Self::Refused("it does not accept the user name and password".to_owned())
            }
            (_, Some("NOAUTH")) => Self::Refused("it asks for a password".to_owned()),
            (ErrorKind::Parse, _) => {
                Self::Refused("what answers there does not speak Redis' protocol".to_owned())
            }
            (
                ErrorKind::Server(
                    ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::CrossSlot,
                ),
                _,
            ) => Self::Refused(CLUSTER.to_owned()),
            (ErrorKind::InvalidClientConfig, _) => Self::Refused(text),
            _ if error.is_timeout() => Self::Away("it did not answer in time".to_owned()),
            _ => Self::Away(text),
        }
    }
}

/// Whether the server answers, and only this question has no answer. What is true of the server as a
/// whole is not: scripts of Redis 6 wrap that into an error of their own.
fn is_about_the_command(error: &Cause, text: &str) -> bool {
    const OF_THE_SERVER: [&str; 5] = ["LOADING", "MASTERDOWN", "MISCONF", "OOM ", "READONLY"];
    let about = match error.kind() {
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::ExecAbort
                | ServerErrorKind::NoPerm
                | ServerErrorKind::NoScript
                | ServerErrorKind::ResponseError
        ),
        // A key that holds something else; of several commands at once only the words say it.
        ErrorKind::Extension => text.contains("WRONGTYPE"),
        ErrorKind::UnexpectedReturnType => true,
        _ => false,
    };
    about && !OF_THE_SERVER.iter().any(|word| text.contains(word))
}

/// Keys of one script lie together only on a single server.
pub(super) const CLUSTER: &str =
    "it is a node of a cluster; a single server, with replicas or not, is needed";
