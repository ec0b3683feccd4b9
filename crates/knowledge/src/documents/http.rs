#![expect(unused_qualifications, reason = "the macro that describes parameters writes them")]

use axum::Json;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use lyceum_core::{ErrorKind, PageRequest};
use lyceum_http::{Allow, ApiError, ApiPath, ApiQuery, PageQuery, ProblemDocument};
use lyceum_store::ObjectError;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{Chunk, ChunkPage, Document, DocumentPage, DocumentText, label, store};
use crate::{DocumentDelete, DocumentRead, DocumentWrite, Knowledge, KnowledgeError};

/// What a form has beside the file.
const FORM_BYTES: u64 = 64 * 1024;

/// The routes of a base's documents. Uploads are limited by the setting alone.
pub(crate) fn upload_router() -> OpenApiRouter<Knowledge> {
    OpenApiRouter::new()
        .routes(routes!(list_documents, upload_document))
        .layer(DefaultBodyLimit::disable())
}

/// Lists the documents of a knowledge base, the newest first.
#[utoipa::path(
    get, path = "/knowledge-bases/{id}/documents", tag = "documents",
    params(PageQuery, ("id" = Uuid, Path)),
    responses(
        (status = 200, body = DocumentPage),
        (status = 400, body = ProblemDocument, description = "`invalid_cursor`"),
        (status = 404, body = ProblemDocument),
    )
)]
pub(crate) async fn list_documents(
    State(knowledge): State<Knowledge>,
    allowed: Allow<DocumentRead>,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<DocumentPage>, ApiError> {
    let page = knowledge.list_documents(&allowed.caller, id, query.request()?).await?;
    Ok(Json(DocumentPage { items: page.items, next_cursor: page.next_cursor }))
}

/// The form of an upload.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only describes the form; the file is never in memory")]
pub(crate) struct UploadForm {
    /// The file: PDF, DOCX, XLSX, PPTX, HTML, Markdown, CSV or text.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Uploads a document. What it is is judged by its content. The same bytes again in the same
/// knowledge base answer 200 with the document that is there.
#[utoipa::path(
    post, path = "/knowledge-bases/{id}/documents", tag = "documents",
    params(("id" = Uuid, Path)),
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 202, body = Document),
        (status = 200, body = Document, description = "Was there already"),
        (status = 400, body = ProblemDocument, description = "`no_file`, `malformed_form`, `upload_interrupted`"),
        (status = 403, body = ProblemDocument, description = "`read_only`"),
        (status = 404, body = ProblemDocument),
        (status = 413, body = ProblemDocument, description = "`file_too_large`"),
        (status = 415, body = ProblemDocument, description = "`unsupported_type`, with what is supported"),
        (status = 422, body = ProblemDocument, description = "`empty_file`"),
        (status = 507, body = ProblemDocument, description = "`storage_full`"),
    )
)]
pub(crate) async fn upload_document(
    State(knowledge): State<Knowledge>,
    allowed: Allow<DocumentWrite>,
    ApiPath(id): ApiPath<Uuid>,
    request: Request,
) -> Result<(StatusCode, Json<Document>), ApiError> {
    let limit = knowledge.settings().max_file_bytes;
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length: Option<u64> = length.and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    if length.is_some_and(|length| length > limit + FORM_BYTES) {
        return Err(KnowledgeError::from(ObjectError::TooLarge { limit }).into());
    }
    let form = Multipart::from_request(request, &()).await.map_err(|error| {
        ApiError::new(ErrorKind::BadRequest, "malformed_form", error.body_text())
    })?;
    let uploaded = knowledge.upload_form(&allowed.caller, id, form).await?;
    let status = if uploaded.new { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(uploaded.document)))
}

/// Reads a document's state. `status`, `stage` and `progress` tell how far it has been read,
/// `error` why it failed.
#[utoipa::path(
    get, path = "/documents/{id}", tag = "documents", params(("id" = Uuid, Path)),
    responses((status = 200, body = Document), (status = 404, body = ProblemDocument))
)]
pub(crate) async fn get_document(
    State(knowledge): State<Knowledge>,
    allowed: Allow<DocumentRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<Document>, ApiError> {
    Ok(Json(knowledge.get_document(&allowed.caller, id).await?))
}

/// Deletes a document with its file, chunks and vectors.
#[utoipa::path(
    delete, path = "/documents/{id}", tag = "documents", params(("id" = Uuid, Path)),
    responses(
        (status = 204),
        (status = 403, body = ProblemDocument, description = "`read_only`"),
        (status = 404, body = ProblemDocument),
    )
)]
pub(crate) async fn delete_document(
    State(knowledge): State<Knowledge>,
    allowed: Allow<DocumentDelete>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<StatusCode, ApiError> {
    knowledge.delete_document(&allowed.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tries a document that failed once more.
#[utoipa::path(
    post, path = "/documents/{id}/retry", tag = "documents", params(("id" = Uuid, Path)),
    responses(
        (status = 202, body = Document),
        (status = 403, body = ProblemDocument, description = "`read_only`"),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "`not_failed`"),
    )
)]
pub(crate) async fn retry_document(
    State(knowledge): State<Knowledge>,
    allowed: Allow<DocumentWrite>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<(StatusCode, Json<Document>), ApiError> {
    Ok((StatusCode::ACCEPTED, Json(knowledge.retry_document(&allowed.caller, id).await?)))
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TextQuery {
    /// From 1; the first page that has text where absent.
    pub page: Option<i32>,
}

/// Reads the text of a document's page, to show where a citation stands.
#[utoipa::path(
    get, path = "/documents/{id}/text", tag = "documents", params(TextQuery, ("id" = Uuid, Path)),
    responses((status = 200, body = DocumentText), (status = 404, body = ProblemDocument))
)]
pub(crate) async fn get_document_text(
    State(knowledge): State<Knowledge>,
    allowed: Allow<DocumentRead>,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<TextQuery>,
) -> Result<Json<DocumentText>, ApiError> {
    Ok(Json(knowledge.document_text(&allowed.caller, id, query.page).await?))
}

/// Downloads the file as it was uploaded.
#[utoipa::path(
    get, path = "/documents/{id}/file", tag = "documents", params(("id" = Uuid, Path)),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 404, body = ProblemDocument),
    )
)]
pub(crate) async fn download_document(
    State(knowledge): State<Knowledge>,
    allowed: Allow<DocumentRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Response, ApiError> {
    let mut tx =
        knowledge.db.begin_as(allowed.caller.user_id).await.map_err(KnowledgeError::from)?;
    let file = store::file(&mut tx, id).await?.ok_or(KnowledgeError::NotFound("document"))?;
    tx.commit().await.map_err(KnowledgeError::from)?;
    let (path, filename, mime_type, size) = file;
    let bytes = knowledge.objects.get(&path).await.map_err(KnowledgeError::from)?;
    let mut response = Body::from_stream(bytes).into_response();
    let headers = response.headers_mut();
    let value = |text: &str| HeaderValue::from_str(text).map_err(ApiError::internal);
    headers.insert(header::CONTENT_TYPE, value(&mime_type)?);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(header::CONTENT_DISPOSITION, value(&label::attachment(&filename))?);
    // Whatever a browser thinks of it, the file is not a page of this site.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

/// Which chunks.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChunksQuery {
    /// Chunks wanted, 1 to 200; 50 by default.
    pub limit: Option<i64>,
    /// `next_after` of the page before.
    pub after: Option<i32>,
}

/// Lists the chunks of a document in order.
#[utoipa::path(
    get, path = "/documents/{id}/chunks", tag = "documents",
    params(ChunksQuery, ("id" = Uuid, Path)),
    responses((status = 200, body = ChunkPage), (status = 404, body = ProblemDocument))
)]
pub(crate) async fn list_chunks(
    State(knowledge): State<Knowledge>,
    allowed: Allow<DocumentRead>,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<ChunksQuery>,
) -> Result<Json<ChunkPage>, ApiError> {
    let limit = query.limit.unwrap_or(PageRequest::DEFAULT_LIMIT).clamp(1, PageRequest::MAX_LIMIT);
    Ok(Json(knowledge.list_chunks(&allowed.caller, id, query.after, limit).await?))
}

/// Reads a chunk, the target of a citation.
#[utoipa::path(
    get, path = "/chunks/{id}", tag = "documents", params(("id" = Uuid, Path)),
    responses((status = 200, body = Chunk), (status = 404, body = ProblemDocument))
)]
pub(crate) async fn get_chunk(
    State(knowledge): State<Knowledge>,
    allowed: Allow<DocumentRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<Chunk>, ApiError> {
    Ok(Json(knowledge.get_chunk(&allowed.caller, id).await?))
}
