use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use lyceum_core::Secret;
use lyceum_http::{ApiError, ApiJson, ProblemDocument};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Identity;
use crate::client::Sender;
use crate::me::Me;
use crate::setup::FirstUser;

/// Whether the platform waits for its first account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SetupState {
    /// Whether the first account has still to be made.
    needed: bool,
    /// The version of the program.
    version: &'static str,
}

/// The first account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompleteSetup {
    /// The token that the server printed when it started.
    #[schema(value_type = String)]
    token: Secret,
    /// 2 to 64 letters or digits, inside also `.`, `_` and `-`.
    username: String,
    /// The e-mail address.
    email: String,
    /// 10 to 256 characters.
    #[schema(value_type = String, format = Password)]
    password: Secret,
    /// The name to be shown.
    display_name: Option<String>,
}

/// Tells whether the platform waits for its first account.
#[utoipa::path(get, path = "/setup", tag = "setup", security(()),
    responses((status = 200, body = SetupState)))]
pub(crate) async fn get_setup(
    State(identity): State<Identity>,
) -> Result<Json<SetupState>, ApiError> {
    let needed = identity.setup_needed().await?;
    Ok(Json(SetupState { needed, version: env!("CARGO_PKG_VERSION") }))
}

/// Makes the administrator's account with the one-time token and signs it in. The server prints the
/// token when it starts.
#[utoipa::path(post, path = "/setup", tag = "setup", security(()),
    request_body = CompleteSetup,
    responses(
        (status = 201, body = Me, description = "Signed in; two cookies are set."),
        (status = 403, body = ProblemDocument, description = "Wrong token."),
        (status = 410, body = ProblemDocument, description = "Set up already, or expired token."),
        (status = 422, body = ProblemDocument, description = "A field is not acceptable."),
    ))]
pub(crate) async fn complete_setup(
    State(identity): State<Identity>,
    sender: Sender,
    ApiJson(body): ApiJson<CompleteSetup>,
) -> Result<impl IntoResponse, ApiError> {
    let first = FirstUser {
        token: body.token,
        username: body.username,
        email: body.email,
        password: body.password,
        display_name: body.display_name,
    };
    let issued = identity.complete_setup(first, &sender.client).await?;
    let me = identity.me(issued.user_id, None).await?;
    let cookies = sender.with_tokens(&issued, identity.clock().now());
    Ok((StatusCode::CREATED, cookies, Json(me)))
}
