use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use lyceum_core::Misread;
use serde::de::DeserializeOwned;

use crate::ApiError;
use crate::problem::innermost;

/// Parameters of the path. What cannot be one of our ids is no object of ours: 404.
pub struct ApiPath<T>(pub T);

impl<T, S> FromRequestParts<S> for ApiPath<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        found.map(|Path(value)| Self(value)).map_err(|_| ApiError::not_found("object"))
    }
}

/// Parameters of the query string, refused with `problem+json`.
pub struct ApiQuery<T>(pub T);

impl<T, S> FromRequestParts<S> for ApiQuery<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        found.map(|Query(value)| Self(value)).map_err(|rejection| {
            ApiError::bad_request("invalid_query", misread_query(&rejection).sentence("The query"))
        })
    }
}

/// What is wrong with a query string, in words for a person.
pub fn misread_query(rejection: &QueryRejection) -> Misread {
    Misread::of(&innermost(rejection))
}

#[cfg(test)]
mod tests {
    use http::Request;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Filter {
        limit: Option<u32>,
        active: Option<bool>,
    }

    async fn read(query: &str) -> Result<Filter, ApiError> {
        let (mut parts, ()) = Request::get(format!("/?{query}")).body(()).unwrap().into_parts();
        let read = ApiQuery::<Filter>::from_request_parts(&mut parts, &()).await;
        read.map(|ApiQuery(filter)| filter)
    }

    #[tokio::test]
    async fn a_query_that_cannot_be_read_is_told_by_parameter_and_what_is_allowed() {
        let filter = Filter { limit: Some(7), active: Some(true) };
        assert_eq!(read("limit=7&active=true").await.unwrap(), filter);
        for (query, detail) in [
            ("limit=many", "limit: must be a whole number."),
            ("limit=99999999999", "limit: is too large a number."),
            ("active=yes", "active: must be true or false."),
            ("limits=7", "limits: is not known here; known are: limit, active."),
        ] {
            let refusal = read(query).await.unwrap_err();
            assert_eq!((refusal.code(), refusal.detail()), ("invalid_query", detail), "{query}");
        }
    }
}
