//! The web app, carried inside the binary.

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Method, StatusCode, header};
use lyceum_http::ApiError;
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Assets;

/// What the browser may load and do; no inline script, nothing from elsewhere. Styles are inline
/// because the component library writes them at run time.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; \
    connect-src 'self'; frame-src 'none'; object-src 'none'; base-uri 'none'; \
    frame-ancestors 'none'; form-action 'self'";

/// Answers everything that is not an API: a file of the web app, or its page for any of the
/// app's own addresses. Whoever does more than read there is a program that went astray.
pub async fn serve(request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let areas = match reads {
        true => ["api/", "v1/", "scim/"],
        false => ["api/v1/", "v1/", "scim/v2/"],
    };
    if areas.iter().any(|area| path.starts_with(area)) {
        return ApiError::not_found("address").into_response();
    }
    if !reads {
        return lyceum_gateway::astray(request.method(), request.uri(), request.headers());
    }
    match Assets::get(&path).filter(|_| !path.is_empty()) {
        Some(file) => answer(file, &path, &request),
        None if path.starts_with("assets/") => ApiError::not_found("file").into_response(),
        None => match Assets::get("index.html") {
            Some(page) => answer(page, "index.html", &request),
            None => (
                StatusCode::NOT_FOUND,
                "This build carries no web app. Run script/server, which builds it.\n",
            )
                .into_response(),
        },
    }
}

/// The file, or that it is known already: with the same headers, for a browser puts those in the
/// place of the ones that it has.
fn answer(file: EmbeddedFile, path: &str, request: &Request) -> Response {
    let etag = format!("\"{}\"", hex(&file.metadata.sha256_hash()[..16]));
    let known = request.headers().get(header::IF_NONE_MATCH);
    let is_known = known.is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mime = HeaderValue::from_str(file.metadata.mimetype());
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => file.data.into_owned().into_response(),
    };
    let headers = response.headers_mut();
    if !is_known {
        let mime = mime.unwrap_or(HeaderValue::from_static("application/octet-stream"));
        headers.insert(header::CONTENT_TYPE, mime);
    }
    // Files below assets/ carry a hash of their content in their name.
    let cache = match path.starts_with("assets/") {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    headers
        .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    response
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
