//! Which right each operation of the document asks for (`x-right`), told by the handlers themselves:
//! each is called by somebody who has none, and refuses before it does anything.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use lyceum_http::{AllowedModels, ApiError, Authenticator, Caller, ClientInfo, Credential};
use serde_json::Value;
use tower::ServiceExt as _;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{OpenApi, PathItem, path::Operation};
use uuid::Uuid;

/// Bytes of a refusal at most.
const REFUSAL_MAX: usize = 64 * 1024;

/// Lets everybody in, with no right at all.
struct Powerless;

#[async_trait]
impl Authenticator for Powerless {
    async fn authenticate(&self, _: &Parts) -> Result<Caller, ApiError> {
        Ok(Caller {
            user_id: Uuid::nil(),
            permissions: Arc::default(),
            models: AllowedModels::default(),
            credential: Credential::Session(Uuid::nil()),
            client: ClientInfo::default(),
        })
    }
}

/// Writes the rights into the document. `routes` are those of the document, best with no database
/// behind them. Public operations are not called.
pub async fn state(routes: &Router, document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            if is_public(operation) {
                continue;
            }
            if let Some(right) = asked_for(routes, method, path).await {
                let extensions = operation.extensions.get_or_insert_default();
                extensions.insert("x-right".to_owned(), Value::from(right));
            }
        }
    }
}

/// The operations of a path.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let all = [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Whether an operation says that it needs no credential.
fn is_public(operation: &Operation) -> bool {
    let none = SecurityRequirement::default();
    operation.security.as_ref().is_some_and(|all| all.contains(&none))
}

/// The right for want of which a handler refuses.
async fn asked_for(routes: &Router, method: Method, path: &str) -> Option<String> {
    let authenticator: Arc<dyn Authenticator> = Arc::new(Powerless);
    let id = Uuid::nil().to_string();
    let parts = path.split('/').map(|part| if part.starts_with('{') { id.as_str() } else { part });
    let path = parts.collect::<Vec<_>>().join("/");
    let request = Request::builder().method(method).uri(path).extension(authenticator);
    let answer = routes.clone().oneshot(request.body(Body::empty()).ok()?).await.ok()?;
    if answer.status() != StatusCode::FORBIDDEN {
        return None;
    }
    let body = to_bytes(answer.into_body(), REFUSAL_MAX).await.ok()?;
    ApiError::missing_right(std::str::from_utf8(&body).ok()?).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use lyceum_http::Allow;
    use utoipa_axum::router::OpenApiRouter;
    use utoipa_axum::routes;

    use super::*;

    lyceum_http::rights! {
        ThingRead = "thing", "read";
    }

    /// Reads a thing.
    #[utoipa::path(get, path = "/things/{id}", responses((status = 200)))]
    async fn read_thing(_: Allow<ThingRead>) {}

    /// Whoever calls this while the document is made breaks it.
    #[utoipa::path(post, path = "/things/{id}", security(()), responses((status = 200)))]
    async fn open_to_all() {
        panic!("a public operation was called");
    }

    #[tokio::test]
    async fn handlers_tell_their_right_and_public_ones_are_left_alone() {
        let (routes, mut document) =
            OpenApiRouter::new().routes(routes!(read_thing, open_to_all)).split_for_parts();
        state(&routes, &mut document).await;
        let document = serde_json::to_value(&document).unwrap();
        let thing = &document["paths"]["/things/{id}"];
        assert_eq!(thing["get"]["x-right"], "thing:read");
        assert!(thing["post"].get("x-right").is_none(), "{thing}");
    }
}
