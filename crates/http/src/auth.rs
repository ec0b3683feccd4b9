use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::FromRequestParts;
use http::request::Parts;
use lyceum_core::{ErrorKind, PermissionSet, Problem};
use uuid::Uuid;

use crate::ApiError;

/// How often the caller of a long answer is looked at again: who is suspended is out within a second.
const RECHECK: Duration = Duration::from_millis(500);

/// What a caller proved its identity with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A person signed in with a browser or a program of ours.
    Session(Uuid),
    /// An application with an API key.
    ApiKey(Uuid),
}

impl Credential {
    /// The API key, where there is one: its quotas and limits apply beside the person's.
    pub fn api_key_id(self) -> Option<Uuid> {
        match self {
            Credential::ApiKey(id) => Some(id),
            Credential::Session(_) => None,
        }
    }
}

/// The models that a credential may name, by their names here: all that its person may use, unless it
/// is limited to some.
#[derive(Clone, Debug, Default)]
pub struct AllowedModels(Option<Arc<[String]>>);

impl AllowedModels {
    /// Those of these names; all where there is no list.
    pub fn new(names: Option<Vec<String>>) -> Self {
        Self(names.map(Into::into))
    }

    /// Whether a model of this name is one of them.
    pub fn allows(&self, name: &str) -> bool {
        self.names().is_none_or(|names| names.iter().any(|allowed| allowed == name))
    }

    /// Their names; `None` where all are allowed.
    pub fn names(&self) -> Option<&[String]> {
        self.0.as_deref()
    }
}

/// Where a request comes from, for sessions and audit.
#[derive(Clone, Debug, Default)]
pub struct ClientInfo {
    /// The peer's address.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header, cut to 400 characters.
    pub user_agent: Option<Arc<str>>,
}

/// Who calls, with which rights.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The acting user; row-level security decides by this id.
    pub user_id: Uuid,
    /// All rights of this credential.
    pub permissions: Arc<PermissionSet>,
    /// The models that it may name.
    pub models: AllowedModels,
    /// What the identity was proved with.
    pub credential: Credential,
    /// Where the request comes from.
    pub client: ClientInfo,
}

impl Caller {
    /// Whether the caller has the right `resource:action`.
    pub fn may(&self, resource: &str, action: &str) -> bool {
        self.permissions.allows(resource, action)
    }

    /// The session of somebody who signed in; an API key has none.
    pub fn session(&self) -> Option<Uuid> {
        match self.credential {
            Credential::Session(id) => Some(id),
            Credential::ApiKey(_) => None,
        }
    }

    /// The session, where an act is refused to API keys.
    pub fn require_session(&self) -> Result<Uuid, SessionRequired> {
        self.session().ok_or(SessionRequired)
    }
}

/// Only a person who signed in may do this, not an API key.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("an API key may not do this")]
pub struct SessionRequired;

impl Problem for SessionRequired {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Forbidden
    }

    fn code(&self) -> &'static str {
        "session_required"
    }

    fn detail(&self) -> String {
        "An API key may not do this; sign in for it.".to_owned()
    }
}

/// Finds the caller of a request. The identity domain implements it; nothing else does.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// The caller, or the reason why there is none. Judges the user's state at every call.
    async fn authenticate(&self, parts: &Parts) -> Result<Caller, ApiError>;
}

/// A right that handlers can ask for by type; made by [`rights!`](crate::rights).
pub trait Right: Send + Sync + 'static {
    /// What it is about, such as `conversation`.
    const RESOURCE: &'static str;
    /// What may be done, such as `read`.
    const ACTION: &'static str;
}

/// Declares rights as types: `rights! { ConversationRead = "conversation", "read"; }`. Once a module;
/// `RIGHTS` then lists them, so that the program knows all that there are.
#[macro_export]
macro_rules! rights {
    ($($(#[$meta:meta])* $name:ident = $resource:literal, $action:literal;)+) => {
        /// The rights declared here, as resource and action.
        pub const RIGHTS: &[(&str, &str)] = &[$(($resource, $action)),+];
        $(
        $(#[$meta])*
        #[doc = concat!("The right `", $resource, ":", $action, "`.")]
        #[derive(Debug)]
        pub struct $name;
        impl $crate::Right for $name {
            const RESOURCE: &'static str = $resource;
            const ACTION: &'static str = $action;
        }
        )+
    };
}

/// The extractor that every guarded handler has in its signature: an authenticated caller that
/// has the right `R`.
pub struct Allow<R> {
    /// The caller.
    pub caller: Caller,
    right: PhantomData<R>,
}

impl<R: Right> Allow<R> {
    /// Waits until the caller of a request that was let in would not be any more: the account is
    /// suspended, the credential ended, the right taken away. What answers for long ends then.
    pub async fn ended(mut parts: Parts) {
        loop {
            tokio::time::sleep(RECHECK).await;
            if Self::from_request_parts(&mut parts, &()).await.is_err() {
                return;
            }
        }
    }
}

impl<R, S> FromRequestParts<S> for Allow<R>
where
    R: Right,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let authenticator = parts
            .extensions
            .get::<Arc<dyn Authenticator>>()
            .cloned()
            .ok_or_else(|| ApiError::internal("no authenticator is installed"))?;
        let caller = authenticator.authenticate(parts).await?;
        if !caller.may(R::RESOURCE, R::ACTION) {
            return Err(ApiError::forbidden(R::RESOURCE, R::ACTION));
        }
        Ok(Self { caller, right: PhantomData })
    }
}
