use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use http::{HeaderValue, StatusCode, header};
use lyceum_http::{Allow, ApiError, ApiPath, ApiQuery, PageQuery, ProblemDocument};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::ExportRow;
use crate::{Identity, ProfileExport, ProfileRead};

/// A person's own data, put together as one ZIP file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DataExport {
    id: Uuid,
    /// `pending`, `running`, `ready` or `failed`.
    status: String,
    /// Bytes of the file, once it is ready.
    size_bytes: Option<i64>,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    /// When the file is deleted.
    expires_at: Option<DateTime<Utc>>,
}

/// A page of exports.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DataExportPage {
    items: Vec<DataExport>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl From<ExportRow> for DataExport {
    fn from(row: ExportRow) -> Self {
        Self {
            id: row.id,
            status: row.status,
            size_bytes: row.size_bytes,
            created_at: row.created_at,
            finished_at: row.finished_at,
            expires_at: row.expires_at,
        }
    }
}

/// Has all your data put together as one file. It takes a while: `GET /me/exports/{id}` tells when
/// it is `ready` to be downloaded at `/me/exports/{id}/file`.
#[utoipa::path(post, path = "/me/exports", tag = "me",
    responses(
        (status = 202, body = DataExport),
        (status = 403, body = ProblemDocument, description = "An API key may not do this."),
        (status = 409, body = ProblemDocument, description = "`export_running`, `too_many`"),
    ))]
pub(crate) async fn create_data_export(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ProfileExport>,
) -> Result<(StatusCode, Json<DataExport>), ApiError> {
    let made = identity.request_export(&caller).await?;
    Ok((StatusCode::ACCEPTED, Json(made.into())))
}

/// Lists your exports, newest first.
#[utoipa::path(get, path = "/me/exports", tag = "me", params(PageQuery),
    responses((status = 200, body = DataExportPage)))]
pub(crate) async fn list_data_exports(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ProfileRead>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<DataExportPage>, ApiError> {
    let page = identity.exports(&caller, query.request()?).await?.map(DataExport::from);
    Ok(Json(DataExportPage { items: page.items, next_cursor: page.next_cursor }))
}

/// Shows where one of your exports stands. Its file is there once `status` is `ready`.
#[utoipa::path(get, path = "/me/exports/{id}", tag = "me",
    params(("id" = Uuid, Path, description = "The export.")),
    responses((status = 200, body = DataExport), (status = 404, body = ProblemDocument)))]
pub(crate) async fn get_data_export(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ProfileRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<DataExport>, ApiError> {
    Ok(Json(identity.export(&caller, id).await?.into()))
}

/// Downloads one of your exports, which is kept for seven days.
#[utoipa::path(get, path = "/me/exports/{id}/file", tag = "me",
    params(("id" = Uuid, Path, description = "The export.")),
    responses(
        (status = 200, content_type = "application/zip", body = Vec<u8>),
        (status = 403, body = ProblemDocument, description = "An API key may not do this."),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "`export_not_ready`"),
    ))]
pub(crate) async fn download_data_export(
    State(identity): State<Identity>,
    Allow { caller, .. }: Allow<ProfileExport>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Response, ApiError> {
    let (bytes, size) = identity.export_file(&caller, id).await?;
    let mut response = Body::from_stream(bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    if let Some(size) = size {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    }
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"lyceum-export.zip\""),
    );
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}
