//! Refuses query parameters that an operation does not have, as its document says. The handlers cannot:
//! several of their extractors read the same query string, and none knows what is left for the others.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::map_request_with_state;
use http::Method;
use lyceum_http::ApiError;
use serde_json::Value;
use url::form_urlencoded;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};
use utoipa_axum::router::OpenApiRouter;

use crate::rights::operations;

/// What an operation says in the document that takes whatever it is sent and ignores the rest.
const OPEN: &str = "x-open-query";

/// Characters of an unknown name that are repeated at most.
const MAX_REPEATED: usize = 100;

/// The routes so far, without the parameters that their document does not name. Routes that it does
/// not know are left alone.
pub fn only_documented(mut routes: OpenApiRouter) -> OpenApiRouter {
    let known = Arc::new(Known::of(routes.get_openapi_mut()));
    routes.route_layer(map_request_with_state(known, without_unknown))
}

async fn without_unknown(
    State(known): State<Arc<Known>>,
    method: Method,
    path: MatchedPath,
    request: Request,
) -> Result<Request, ApiError> {
    if let Some(query) = request.uri().query() {
        known.check(method, path.as_str(), query)?;
    }
    Ok(request)
}

/// The names that each operation takes, by its method and path; those that take any are absent.
#[derive(Default)]
struct Known(HashMap<Method, HashMap<String, Vec<String>>>);

impl Known {
    fn of(document: &mut OpenApi) -> Self {
        let mut known = Self::default();
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                if !is_open(operation) {
                    known.0.entry(method).or_default().insert(path.clone(), names(operation));
                }
            }
        }
        known
    }

    /// Refuses the first parameter that the operation does not take.
    fn check(&self, method: Method, path: &str, query: &str) -> Result<(), ApiError> {
        // What answers GET answers HEAD, too.
        let method = if method == Method::HEAD { Method::GET } else { method };
        let Some(names) = self.0.get(&method).and_then(|paths| paths.get(path)) else {
            return Ok(());
        };
        let mut parameters = form_urlencoded::parse(query.as_bytes());
        match parameters.find(|(name, _)| !names.iter().any(|known| known.as_str() == name)) {
            Some((name, _)) => Err(unknown(&name, names)),
            None => Ok(()),
        }
    }
}

fn is_open(operation: &Operation) -> bool {
    let says = operation.extensions.as_ref().and_then(|extensions| extensions.get(OPEN));
    says == Some(&Value::Bool(true))
}

/// The names of an operation's query parameters.
fn names(operation: &Operation) -> Vec<String> {
    let parameters = operation.parameters.iter().flatten();
    let names = parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) if matches!(parameter.parameter_in, ParameterIn::Query) => {
            Some(parameter.name.clone())
        }
        _ => None,
    });
    names.collect()
}

fn unknown(name: &str, known: &[String]) -> ApiError {
    let name: String = name.chars().take(MAX_REPEATED).collect();
    let takes = match known {
        [] => "this takes none".to_owned(),
        known => format!("this takes: {}", known.join(", ")),
    };
    let detail = format!("There is no query parameter '{name}'; {takes}.");
    ApiError::bad_request("unknown_parameter", detail).with("parameter", name)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use http::StatusCode;
    use lyceum_http::ApiQuery;
    use serde::Deserialize;
    use tower::ServiceExt as _;
    use utoipa_axum::routes;

    use super::*;

    #[derive(Deserialize, utoipa::IntoParams)]
    #[into_params(parameter_in = Query)]
    struct Size {
        limit: Option<u8>,
    }

    #[derive(Deserialize, utoipa::IntoParams)]
    #[into_params(parameter_in = Query)]
    struct Which {
        #[serde(rename = "type")]
        kind: Option<String>,
    }

    /// Lists things.
    #[utoipa::path(get, path = "/things/{owner}", params(("owner" = u8, Path), Size, Which),
        responses((status = 200)))]
    async fn list(ApiQuery(size): ApiQuery<Size>, ApiQuery(which): ApiQuery<Which>) -> String {
        format!("{:?} {:?}", size.limit, which.kind)
    }

    /// Makes a thing.
    #[utoipa::path(post, path = "/things/{owner}", params(("owner" = u8, Path)),
        responses((status = 200)))]
    async fn make() {}

    /// Where others send people.
    #[utoipa::path(get, path = "/back", params(Which), extensions(("x-open-query" = json!(true))),
        responses((status = 200)))]
    async fn come_back(ApiQuery(which): ApiQuery<Which>) -> String {
        which.kind.unwrap_or_default()
    }

    /// Reads a thing as other products do.
    #[utoipa::path(get, path = "/things", responses((status = 200)))]
    async fn foreign() {}

    fn app() -> Router {
        let ours = OpenApiRouter::new()
            .routes(routes!(list, make))
            .routes(routes!(come_back))
            .route("/unsaid", get(|| async {}));
        let theirs = OpenApiRouter::new().routes(routes!(foreign));
        let ours = only_documented(OpenApiRouter::new().nest("/api/v1", ours));
        ours.nest("/v1", theirs).split_for_parts().0
    }

    async fn ask(method: Method, address: &str) -> (StatusCode, String) {
        let request = http::Request::builder().method(method).uri(address);
        let request = request.body(Body::empty()).unwrap();
        let answer = app().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_an_operation_does_not_take_is_named_with_what_it_takes() {
        for (method, query, told) in [
            (Method::GET, "limt=2", "parameter 'limt'; this takes: limit, type."),
            (Method::GET, "limit=2&type=a&end+us%65r=x", "parameter 'end user'; this takes"),
            // Its name in the program is none.
            (Method::GET, "kind=a", "parameter 'kind'; this takes"),
            (Method::GET, "owner=8", "parameter 'owner'; this takes"),
            (Method::GET, "=2", "parameter ''; this takes"),
            (Method::POST, "limit=2", "parameter 'limit'; this takes none."),
        ] {
            let (status, body) = ask(method, &format!("/api/v1/things/7?{query}")).await;
            let problem: Value = serde_json::from_str(&body).unwrap();
            let code = problem["code"].as_str().unwrap();
            assert_eq!((status, code), (StatusCode::BAD_REQUEST, "unknown_parameter"), "{query}");
            assert!(problem["detail"].as_str().unwrap().contains(told), "{query}: {problem}");
        }
        let (status, _) = ask(Method::HEAD, "/api/v1/things/7?limt=2").await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn a_long_name_is_not_repeated_whole() {
        let name = "名".repeat(200);
        let encoded: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let (_, body) = ask(Method::GET, &format!("/api/v1/things/7?{encoded}=1")).await;
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["parameter"].as_str().unwrap().chars().count(), MAX_REPEATED);
    }

    #[tokio::test]
    async fn what_an_operation_takes_reaches_it() {
        for (query, read) in [
            ("limit=2&type=a", "Some(2) Some(\"a\")"),
            ("l%69mit=2", "Some(2) None"),
            ("", "None None"),
            ("&&limit=2&", "Some(2) None"),
        ] {
            let answer = ask(Method::GET, &format!("/api/v1/things/7?{query}")).await;
            assert_eq!(answer, (StatusCode::OK, read.to_owned()), "{query}");
        }
        assert_eq!(ask(Method::HEAD, "/api/v1/things/7?limit=2").await.0, StatusCode::OK);
        // The handler's own refusal.
        let (status, body) = ask(Method::GET, "/api/v1/things/7?limit=1&limit=2").await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(body.contains("invalid_query"), "{body}");
    }

    #[tokio::test]
    async fn what_is_open_or_not_documented_or_elsewhere_is_left_alone() {
        for (method, address, status) in [
            (Method::GET, "/api/v1/unsaid?x=1", StatusCode::OK),
            (Method::GET, "/v1/things?x=1", StatusCode::OK),
            (Method::PUT, "/api/v1/things/7?x=1", StatusCode::METHOD_NOT_ALLOWED),
            (Method::GET, "/api/v1/nothing?x=1", StatusCode::NOT_FOUND),
        ] {
            assert_eq!(ask(method, address).await.0, status, "{address}");
        }
        let back = ask(Method::GET, "/api/v1/back?x=1&type=a").await;
        assert_eq!(back, (StatusCode::OK, "a".to_owned()));
    }
}
