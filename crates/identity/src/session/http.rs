use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::StatusCode;
use lyceum_core::PageRequest;
use lyceum_http::{Allow, ApiError, ApiPath, ProblemDocument};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::store;
use crate::client::{ACCESS_COOKIE, REFRESH_COOKIE, Sender};
use crate::{Identity, IdentityError, SessionDelete, SessionRead};

/// One place where the caller is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    id: Uuid,
    /// The `User-Agent` of the sign-in.
    device: Option<String>,
    /// The address of the sign-in.
    ip_address: Option<String>,
    /// `password`, `passkey` or `oidc`.
    method: String,
    /// What was shown besides: `totp`, `passkey` or `recovery_code`; `issuer` where the issuer saw
    /// to it.
    second_factor: Option<String>,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    /// Whether this request came with this session.
    current: bool,
}

/// The caller's sessions, last used first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionList {
    items: Vec<Session>,
}

/// Exchanges the refresh cookie for new tokens. Needs the header `X-Lyceum-Client`. A refresh token
/// is good for one exchange: one that is used again later ends the session.
#[utoipa::path(post, path = "/auth/refresh", tag = "auth", security(()),
    responses(
        (status = 204, description = "Two new cookies are set."),
        (status = 401, body = ProblemDocument, description = "The session has ended."),
        (status = 403, body = ProblemDocument, description = "The client header is missing."),
    ))]
pub(crate) async fn refresh_session(
    State(identity): State<Identity>,
    sender: Sender,
) -> Result<Response, ApiError> {
    sender.require_client_header()?;
    let refreshed = match sender.cookie(REFRESH_COOKIE) {
        Some(token) => identity.refresh(token, &sender.client).await,
        None => Err(IdentityError::SessionEnded),
    };
    match refreshed {
        Ok(issued) => {
            let cookies = sender.with_tokens(&issued, identity.clock().now());
            Ok((StatusCode::NO_CONTENT, cookies).into_response())
        }
        Err(ended @ (IdentityError::SessionEnded | IdentityError::TokenReused)) => {
            Ok((sender.without_tokens(), ApiError::from(ended)).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

/// Where to go on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Redirect {
    /// The address to open in this window.
    pub(crate) redirect_to: String,
}

/// Signs out: ends the session and makes the browser forget it. Needs the header `X-Lyceum-Client`.
#[utoipa::path(post, path = "/auth/sign-out", tag = "auth", security(()),
    responses(
        (status = 200, body = Redirect,
         description = "Signed out here; open the address to sign out at the issuer, too."),
        (status = 204, description = "Signed out; the cookies are gone."),
        (status = 403, body = ProblemDocument, description = "The client header is missing."),
    ))]
pub(crate) async fn sign_out(
    State(identity): State<Identity>,
    sender: Sender,
) -> Result<Response, ApiError> {
    sender.require_client_header()?;
    let provider =
        identity.sign_out(sender.cookie(ACCESS_COOKIE), sender.cookie(REFRESH_COOKIE)).await?;
    let redirect_to = match provider {
        Some(provider) => identity.oidc_sign_out(provider).await,
        None => None,
    };
    let cookies = sender.without_tokens();
    Ok(match redirect_to {
        Some(redirect_to) => (cookies, Json(Redirect { redirect_to })).into_response(),
        None => (StatusCode::NO_CONTENT, cookies).into_response(),
    })
}

/// Lists where the caller is signed in, the last used first.
#[utoipa::path(get, path = "/me/sessions", tag = "me",
    responses((status = 200, body = SessionList)))]
pub(crate) async fn list_sessions(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<SessionRead>,
) -> Result<Json<SessionList>, ApiError> {
    let mut tx = identity.db().begin_as(caller.user_id).await?;
    let now = identity.clock().now();
    let rows = store::list(&mut tx, caller.user_id, now, PageRequest::MAX_LIMIT).await?;
    let current = caller.session();
    let items = rows.into_iter().map(|row| Session {
        current: Some(row.id) == current,
        id: row.id,
        device: row.device_info,
        ip_address: row.ip_address,
        method: row.method,
        second_factor: row.second_factor,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
    });
    Ok(Json(SessionList { items: items.collect() }))
}

/// Ends one of the caller's sessions.
#[utoipa::path(delete, path = "/me/sessions/{id}", tag = "me",
    params(("id" = Uuid, Path, description = "The session.")),
    responses(
        (status = 204, description = "Ended."),
        (status = 404, body = ProblemDocument),
    ))]
pub(crate) async fn revoke_session(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<SessionDelete>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    identity.revoke_session(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all of the caller's sessions but the one that asks.
#[utoipa::path(delete, path = "/me/sessions", tag = "me",
    responses(
        (status = 204, description = "Ended."),
        (status = 403, body = ProblemDocument, description = "An API key may not do this."),
    ))]
pub(crate) async fn revoke_other_sessions(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<SessionDelete>,
) -> Result<StatusCode, ApiError> {
    identity.revoke_other_sessions(&caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
