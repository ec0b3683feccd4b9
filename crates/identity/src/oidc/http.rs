use axum::Json;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use http::{StatusCode, header};
use lyceum_core::{Problem as _, Secret};
use lyceum_http::{Allow, ApiError, ApiJson, ApiPath, ApiQuery, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::flow::{Answer, Arrived, Started};
use super::store::AccountRow;
use crate::client::{OIDC_COOKIE, Sender};
use crate::session::http::Redirect;
use crate::{Identity, IdentityError, ProfileRead, SecondFactorWrite};

/// How long a browser keeps the secret of a flow.
const COOKIE_SECONDS: i64 = 900;

/// A sign-in to begin.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartOidcSignIn {
    /// The page of the web app to come back to; `/` where absent.
    return_to: Option<String>,
}

/// An account to be linked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartOidcLink {
    /// Where the account is.
    provider_id: Uuid,
    /// The page of the web app to come back to; `/` where absent.
    return_to: Option<String>,
}

/// A link to be confirmed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmOidcLink {
    /// The token `link` that the sign-in page got.
    #[schema(value_type = String)]
    token: Secret,
}

/// An account at an issuer that signs in here.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OidcAccount {
    id: Uuid,
    provider_id: Uuid,
    /// The issuer's name here.
    provider: String,
    /// What the issuer last said.
    email: Option<String>,
    last_used_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

/// The caller's linked accounts, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OidcAccountList {
    items: Vec<OidcAccount>,
}

impl From<AccountRow> for OidcAccount {
    fn from(row: AccountRow) -> Self {
        Self {
            id: row.id,
            provider_id: row.provider_id,
            provider: row.provider,
            email: row.email,
            last_used_at: row.last_used_at,
            created_at: row.created_at,
        }
    }
}

/// Begins to sign in through an issuer: open the address in this window. The answer sets a cookie
/// that binds the sign-in to this browser.
#[utoipa::path(post, path = "/auth/oidc/{id}/start", tag = "auth", security(()),
    params(("id" = Uuid, Path, description = "The issuer, from the list of ways to sign in.")),
    request_body = StartOidcSignIn,
    responses(
        (status = 200, body = Redirect),
        (status = 404, body = ProblemDocument),
        (status = 429, body = ProblemDocument, description = "`too_many_attempts`"),
        (status = 502, body = ProblemDocument, description = "The issuer cannot be reached."),
    ))]
pub(crate) async fn start_oidc_sign_in(
    State(identity): State<Identity>,
    sender: Sender,
    ApiPath(id): ApiPath<Uuid>,
    ApiJson(body): ApiJson<StartOidcSignIn>,
) -> Result<Response, ApiError> {
    identity.count_start(&sender.client).await?;
    let started = identity.start_oidc(id, body.return_to.as_deref(), None).await?;
    Ok(begun(&sender, started))
}

fn begun(sender: &Sender, started: Started) -> Response {
    let cookie = AppendHeaders([sender.with_oidc(&started.binding, COOKIE_SECONDS)]);
    (cookie, Json(Redirect { redirect_to: started.redirect_to })).into_response()
}

/// Where issuers send people back to. Always leads on to a page of the web app: with a session to
/// the page wished for, else to `/sign-in` with `?error=<code>`, `#challenge=<token>` where a second
/// factor is asked for, or `#link=<token>` where an account has the same address. Parameters that
/// an issuer adds are ignored (RFC 6749, 4.1.2).
#[utoipa::path(get, path = "/auth/oidc/callback", tag = "auth", security(()), params(Answer),
    extensions(("x-open-query" = json!(true))),
    responses((status = 303, description = "Leads to a page of the web app.")))]
pub(crate) async fn finish_oidc_sign_in(
    State(identity): State<Identity>,
    sender: Sender,
    ApiQuery(answer): ApiQuery<Answer>,
) -> Response {
    let arrived = identity.finish_oidc(&answer, sender.cookie(OIDC_COOKIE), &sender.client).await;
    let page = match &arrived {
        Ok(Arrived::SignedIn(_, page) | Arrived::Linked(page)) => page.clone(),
        Ok(Arrived::SecondFactor(token)) => format!("/sign-in#challenge={}", token.expose()),
        Ok(Arrived::MayLink(token)) => format!("/sign-in#link={}", token.expose()),
        Err(error) => {
            log(error);
            format!("/sign-in?error={}", error.code())
        }
    };
    let forget = AppendHeaders([sender.with_oidc(&Secret::default(), 0)]);
    let location = [(header::LOCATION, page)];
    match arrived {
        Ok(Arrived::SignedIn(issued, _)) => {
            let cookies = sender.with_tokens(&issued, identity.clock().now());
            (StatusCode::SEE_OTHER, forget, cookies, location).into_response()
        }
        _ => (StatusCode::SEE_OTHER, forget, location).into_response(),
    }
}

/// The page shows the code alone; the causes are for whoever runs the platform.
fn log(error: &IdentityError) {
    let cause = lyceum_core::chain(error);
    tracing::warn!(code = error.code(), cause, "a sign-in through an issuer failed");
}

/// Lists the accounts at issuers that sign the caller in.
#[utoipa::path(get, path = "/me/oidc-accounts", tag = "me",
    responses((status = 200, body = OidcAccountList)))]
pub(crate) async fn list_oidc_accounts(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ProfileRead>,
) -> Result<Json<OidcAccountList>, ApiError> {
    let rows = identity.oidc_accounts(&caller).await?;
    Ok(Json(OidcAccountList { items: rows.into_iter().map(OidcAccount::from).collect() }))
}

/// Begins to link an account at an issuer with the caller's: open the address in this window. The
/// answer sets a cookie that binds it to this browser.
#[utoipa::path(post, path = "/me/oidc-accounts", tag = "me", request_body = StartOidcLink,
    responses(
        (status = 200, body = Redirect),
        (status = 403, body = ProblemDocument, description = "Confirm who you are first."),
        (status = 404, body = ProblemDocument),
        (status = 502, body = ProblemDocument, description = "The issuer cannot be reached."),
    ))]
pub(crate) async fn start_oidc_link(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<SecondFactorWrite>,
    sender: Sender,
    ApiJson(body): ApiJson<StartOidcLink>,
) -> Result<Response, ApiError> {
    let page = body.return_to.as_deref();
    let started = identity.start_oidc(body.provider_id, page, Some(&caller)).await?;
    Ok(begun(&sender, started))
}

/// Links the account whose address is the caller's, after they have signed in here.
#[utoipa::path(post, path = "/me/oidc-accounts/confirm", tag = "me",
    request_body = ConfirmOidcLink,
    responses(
        (status = 204, description = "Linked."),
        (status = 409, body = ProblemDocument, description = "It is linked with another account."),
        (status = 410, body = ProblemDocument, description = "Not the caller's, or over."),
    ))]
pub(crate) async fn confirm_oidc_link(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<SecondFactorWrite>,
    ApiJson(body): ApiJson<ConfirmOidcLink>,
) -> Result<StatusCode, ApiError> {
    identity.confirm_oidc_link(&caller, &body.token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Unlinks an account at an issuer.
#[utoipa::path(delete, path = "/me/oidc-accounts/{id}", tag = "me",
    params(("id" = Uuid, Path, description = "The linked account.")),
    responses(
        (status = 204, description = "Unlinked."),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "It is the last way in."),
    ))]
pub(crate) async fn unlink_oidc_account(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<SecondFactorWrite>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    identity.unlink_oidc(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
