use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use lyceum_core::Secret;
use lyceum_http::{ApiError, ApiJson, ProblemDocument};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::Identity;
use crate::client::Sender;
use crate::me::Me;

/// Who wants to sign in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// Username or e-mail address.
    login: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// Signs in; the tokens come as two HttpOnly cookies.
#[utoipa::path(post, path = "/auth/sign-in", tag = "auth", security(()),
    request_body = SignIn,
    responses(
        (status = 200, body = Me, description = "Signed in; two cookies are set."),
        (status = 401, body = ProblemDocument, description = "Wrong account or password."),
        (status = 403, body = ProblemDocument, description = "The account is not active."),
        (status = 429, body = ProblemDocument, description = "Too many failed attempts."),
    ))]
pub(crate) async fn sign_in(
    State(identity): State<Identity>,
    sender: Sender,
    ApiJson(body): ApiJson<SignIn>,
) -> Result<impl IntoResponse, ApiError> {
    let issued = identity.sign_in(&body.login, &body.password, &sender.client).await?;
    let me = identity.me(issued.user_id, None).await?;
    Ok((sender.with_tokens(&issued, identity.clock().now()), Json(me)))
}
