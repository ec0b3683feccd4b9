use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use lyceum_http::{Allow, ApiError, ApiPath, ProblemDocument};
use lyceum_store::ObjectError;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::MAX_BYTES;
use crate::people::PeopleError;
use crate::{Identity, ProfileWrite};

/// Where the picture is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Avatar {
    /// Its address on this platform; another one after each upload.
    avatar_url: String,
}

/// Uploads your picture: the file itself as the body, PNG, JPEG, WebP or GIF of at most 5 MB. Its
/// middle square is kept, 256 by 256 pixels.
#[utoipa::path(put, path = "/me/avatar", tag = "me",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, body = Avatar),
        (status = 413, body = ProblemDocument, description = "`file_too_large`"),
        (status = 415, body = ProblemDocument, description = "`picture_unsupported`"),
        (status = 422, body = ProblemDocument,
            description = "`picture_too_large` (pixels), `picture_damaged`"),
    ))]
pub(crate) async fn put_avatar(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ProfileWrite>,
    request: Request,
) -> Result<Json<Avatar>, ApiError> {
    let limit = MAX_BYTES as u64;
    let upload = to_bytes(request.into_body(), MAX_BYTES).await;
    let upload = upload.map_err(|_| PeopleError::Object(ObjectError::TooLarge { limit }))?;
    Ok(Json(Avatar { avatar_url: identity.set_avatar(&caller, upload).await? }))
}

/// Removes your picture.
#[utoipa::path(delete, path = "/me/avatar", tag = "me",
    responses((status = 204, description = "Removed.")))]
pub(crate) async fn delete_avatar(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ProfileWrite>,
) -> Result<StatusCode, ApiError> {
    identity.remove_avatar(&caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows a picture. Its address cannot be guessed and never shows another one.
#[utoipa::path(get, path = "/avatars/{user_id}/{version}", tag = "users", security(()),
    params(
        ("user_id" = Uuid, Path, description = "The user."),
        ("version" = Uuid, Path, description = "Which picture."),
    ),
    responses(
        (status = 200, content_type = "image/webp", body = Vec<u8>),
        (status = 404, body = ProblemDocument),
    ))]
pub(crate) async fn get_avatar(
    State(identity): State<Identity>,
    ApiPath((user, version)): ApiPath<(Uuid, Uuid)>,
) -> Result<Response, ApiError> {
    let bytes = identity.avatar(user, version).await?;
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/webp")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ];
    Ok((headers, Body::from_stream(bytes)).into_response())
}
