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
    /// It may answer later.
    Away(String),
}

impl Failure {
    pub(super) fn reason(self) -> String {
        match self {
            Self::Refused(reason) | Self::Away(reason) => reason,
        }
    }
}

impl From<Cause> for Failure {
    fn from(error: Cause) -> Self {
        let text = error.to_string();
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS")) => {
                Self::Refused("it does not accept the user name and password".to_owned())
            }
            (_, Some("NOAUTH")) => Self::Refused("it asks for a password".to_owned()),
            (ErrorKind::Parse, _) => {
                Self::Refused("what answers there does not speak Redis' protocol".to_owned())
            }
            (ErrorKind::Server(kind), _) => match kind {
                ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::CrossSlot => {
                    Self::Refused(CLUSTER.to_owned())
                }
                ServerErrorKind::NoPerm | ServerErrorKind::ResponseError => Self::Refused(text),
                _ => Self::Away(text),
            },
            (ErrorKind::InvalidClientConfig, _) => Self::Refused(text),
            _ => Self::Away(text),
        }
    }
}

/// Keys of one script lie together only on a single server.
pub(super) const CLUSTER: &str =
    "it is a node of a cluster; a single server, with replicas or not, is needed";
