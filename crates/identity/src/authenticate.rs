//! From the headers of a request to its caller.

use std::sync::Arc;

use async_trait::async_trait;
use axum_extra::extract::cookie::CookieJar;
use chrono::{DateTime, Utc};
use http::header;
use http::request::Parts;
use lyceum_core::{Permission, PermissionSet};
use lyceum_http::{AllowedModels, ApiError, Authenticator, Caller, Credential};
use lyceum_store::StoreError;
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::ipnet::IpNet;
use uuid::Uuid;

use crate::client::{ACCESS_COOKIE, client_info, require_client_header};
use crate::credentials::Standing;
use crate::token::{API_KEY_PREFIX, sha256};
use crate::{Identity, IdentityError};

#[async_trait]
impl Authenticator for Identity {
    async fn authenticate(&self, parts: &Parts) -> Result<Caller, ApiError> {
        let now = self.clock().now();
        let (standing, credential) = match token(parts) {
            Some(token) if token.starts_with(API_KEY_PREFIX) => {
                let standing = self.api_key(token).await?;
                standing.map(|standing| (standing.clone(), Credential::ApiKey(standing.id)))
            }
            Some(token) => self.session(token, now).await?,
            None => {
                let cookies = CookieJar::from_headers(&parts.headers);
                let Some(cookie) = cookies.get(ACCESS_COOKIE).filter(|c| !c.value().is_empty())
                else {
                    return Err(ApiError::unauthenticated("Sign in or send an API key."));
                };
                require_client_header(&parts.method, &parts.headers)?;
                self.session(cookie.value(), now).await?
            }
        }
        .filter(|(standing, _)| standing.expires_at.is_none_or(|end| now < end))
        .ok_or_else(|| self.refusal(token(parts)))?;
        let client = client_info(parts, self.config().trust_proxy);
        if !standing.admits(client.ip) {
            return Err(IdentityError::AddressNotAllowed.into());
        }
        Ok(Caller {
            user_id: standing.user_id,
            permissions: standing.permissions,
            models: standing.models,
            credential,
            client,
        })
    }
}

/// The token of an `Authorization: Bearer` header. Other schemes are a proxy's affair.
pub(crate) fn bearer(parts: &Parts) -> Option<&str> {
    let text = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The token of [`bearer`], or of `x-api-key`, as Anthropic's clients send theirs.
fn token(parts: &Parts) -> Option<&str> {
    let header = || parts.headers.get(API_KEY)?.to_str().ok().map(str::trim);
    bearer(parts).or_else(header)
}

const API_KEY: header::HeaderName = header::HeaderName::from_static("x-api-key");

/// What is said of a key that opens nothing. The same whatever the cause: which it is, only the key's
/// owner is told.
const NO_KEY: &str = "The API key is not valid, or not any more: it may have been revoked or have run \
                      out. The page 'API keys' makes a new one.";
/// The same of a session.
const NO_SESSION: &str = "The session is not valid, or not any more; sign in again.";

impl Identity {
    /// The refusal of a credential: the token of a header or, without one, a cookie. What is no token
    /// of a session was meant as a key.
    fn refusal(&self, token: Option<&str>) -> ApiError {
        let is_session =
            token.is_none_or(|token| self.tokens().read_access_even_expired(token).is_some());
        ApiError::unauthenticated(if is_session { NO_SESSION } else { NO_KEY })
    }

    async fn session(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<(Standing, Credential)>, IdentityError> {
        let Some(claims) = self.tokens().read_access(token, now) else { return Ok(None) };
        let (identity, session) = (self.clone(), claims.sid);
        let load = move || {
            let identity = identity.clone();
            async move {
                let mut tx = identity.db().begin_maintenance().await?;
                let found = find_session(&mut tx, session).await?;
                identity.note_use(found.as_ref(), Credential::Session);
                Ok(found)
            }
        };
        let found = self.credentials().sessions.get(session, load).await?;
        Ok(found
            .filter(|standing| standing.user_id == claims.sub)
            .map(|standing| (standing, Credential::Session(session))))
    }

    /// The rights of a session that has just begun.
    pub(crate) async fn rights_of_session(
        &self,
        session: Uuid,
    ) -> Result<Option<Arc<PermissionSet>>, IdentityError> {
        let mut tx = self.db().begin_maintenance().await?;
        let found = find_session(&mut tx, session).await?;
        Ok(found.map(|standing| standing.permissions))
    }

    async fn api_key(&self, token: &str) -> Result<Option<Standing>, IdentityError> {
        let hash = sha256(token.as_bytes());
        let identity = self.clone();
        let load = move || {
            let identity = identity.clone();
            async move {
                let mut tx = identity.db().begin_maintenance().await?;
                let found = find_api_key(&mut tx, &hash).await?;
                identity.note_use(found.as_ref(), Credential::ApiKey);
                Ok(found)
            }
        };
        Ok(self.credentials().api_keys.get(hash, load).await?)
    }

    /// Notes a use whenever the state is looked up, which is often enough.
    fn note_use(&self, found: Option<&Standing>, kind: fn(Uuid) -> Credential) {
        if let Some(standing) = found {
            self.credentials().touch(kind(standing.id), self.clock().now());
        }
    }
}

/// A session that was not revoked, of an active user.
async fn find_session(
    connection: &mut PgConnection,
    session: Uuid,
) -> Result<Option<Standing>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT s.user_id, s.expires_at,
                  CASE WHEN identity.second_factor_counts(s.user_id, s.second_factor,
                                                          s.oidc_provider_id)
                       THEN false
                       ELSE identity.requires_second_factor(s.user_id) END AS "limited!",
                  ARRAY(SELECT r.permissions FROM identity.user_roles ur
                        JOIN identity.roles r ON r.id = ur.role_id
                        WHERE ur.user_id = s.user_id) AS "permissions!"
           FROM identity.user_sessions s JOIN identity.users u ON u.id = s.user_id
           WHERE s.id = $1 AND s.revoked_at IS NULL
             AND u.status = 'active' AND u.deleted_at IS NULL"#,
        session,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| {
        let all = permission_set(&row.permissions);
        let permissions = match row.limited {
            true => all.restricted_to(&enrolment_rights()),
            false => all,
        };
        Standing {
            id: session,
            user_id: row.user_id,
            permissions: Arc::new(permissions),
            expires_at: Some(row.expires_at),
            allowed_addresses: Arc::default(),
            models: AllowedModels::default(),
        }
    }))
}

/// What a session may do that lacks the second factor it must have: set one up, or sign out.
fn enrolment_rights() -> PermissionSet {
    let rights = ["profile:read", "profile:second_factor", "session:read", "session:delete"];
    PermissionSet::new(rights.iter().filter_map(|right| right.parse().ok()))
}

/// An active API key of an active user, with the rights that both have. A secret that a rotation
/// replaced is good until its own end.
async fn find_api_key(
    connection: &mut PgConnection,
    hash: &[u8; 32],
) -> Result<Option<Standing>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT k.id, k.user_id, k.permissions AS scopes, k.models,
                  k.allowed_addresses AS "allowed_addresses: Vec<IpNet>",
                  CASE WHEN k.key_hash = $1 THEN k.expires_at
                       ELSE least(k.expires_at, k.previous_expires_at) END AS expires_at,
                  ARRAY(SELECT r.permissions FROM identity.user_roles ur
                        JOIN identity.roles r ON r.id = ur.role_id
                        WHERE ur.user_id = k.user_id) AS "permissions!"
           FROM identity.api_keys k JOIN identity.users u ON u.id = k.user_id
           WHERE (k.key_hash = $1 OR k.previous_hash = $1) AND k.status = 'active' AND k.deleted_at IS NULL
             AND u.status = 'active' AND u.deleted_at IS NULL"#,
        hash.as_slice(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| {
        let scopes = permission_set(std::slice::from_ref(&row.scopes));
        Standing {
            id: row.id,
            user_id: row.user_id,
            permissions: Arc::new(permission_set(&row.permissions).restricted_to(&scopes)),
            expires_at: row.expires_at,
            allowed_addresses: row.allowed_addresses.into(),
            models: AllowedModels::new(row.models),
        }
    }))
}

/// The rights in the JSON arrays of one or more rows; what is not a right gives none.
pub(crate) fn permission_set(rows: &[Value]) -> PermissionSet {
    let texts = rows.iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str);
    PermissionSet::new(texts.filter_map(|text| match text.parse::<Permission>() {
        Ok(permission) => Some(permission),
        Err(error) => {
            tracing::warn!(%error, "a stored permission is malformed");
            None
        }
    }))
}

/// Whether `set` has everything that `permission` covers.
pub(crate) fn holds(set: &PermissionSet, permission: &Permission) -> bool {
    set.iter().any(|held| held.includes(permission))
}
