//! What people and groups have in common: how they are asked for, sent and answered.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use lyceum_http::misread_query;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::{MEDIA_TYPE, ScimError};
use super::filter::{Filter, normal};
use super::schemas;

/// Resources of one page: where nothing is said, and at most.
const COUNT: i64 = 100;
pub(super) const COUNT_MAX: i64 = 200;

/// When something was made and changed, and where it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScimMeta {
    pub(super) resource_type: &'static str,
    pub(super) created: DateTime<Utc>,
    pub(super) last_modified: DateTime<Utc>,
    pub(super) location: String,
}

/// A reference from a person to a group, or the other way.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ScimReference {
    /// Its id.
    pub(super) value: Uuid,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display: Option<String>,
    /// Its address.
    #[serde(rename = "$ref", default, skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<String>,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScimList {
    schemas: [&'static str; 1],
    /// How many there are on all pages.
    total_results: i64,
    /// The number of the first one of this page, from 1.
    start_index: i64,
    items_per_page: usize,
    #[serde(rename = "Resources")]
    #[schema(value_type = Vec<Object>)]
    resources: Vec<Value>,
}

/// Which resources are wanted, and what of them.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct ScimQuery {
    /// Such as `userName eq "ada"`; `eq`, `ne`, `co`, `sw`, `ew`, `pr`, `and`, `or`, `not`.
    filter: Option<String>,
    /// The number of the first one wanted, from 1.
    start_index: Option<i64>,
    /// How many are wanted, up to 200; 100 by default.
    count: Option<i64>,
    /// The attributes wanted, with commas between.
    attributes: Option<String>,
    /// The attributes that are not wanted, with commas between.
    excluded_attributes: Option<String>,
}

/// A page that is asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) filter: Option<Filter>,
    pub(super) start_index: i64,
    pub(super) count: i64,
}

impl<S: Send + Sync> FromRequestParts<S> for ScimQuery {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ScimError> {
        let found: Result<Query<Self>, _> = Query::from_request_parts(parts, state).await;
        found.map(|Query(query)| query).map_err(|rejection| {
            ScimError::invalid_value(misread_query(&rejection).sentence("The query"))
        })
    }
}

impl ScimQuery {
    pub(super) fn wanted(&self) -> Result<Wanted, ScimError> {
        let filter = self.filter.as_deref().map(str::trim).filter(|text| !text.is_empty());
        Ok(Wanted {
            filter: filter.map(Filter::parse).transpose()?,
            start_index: self.start_index.unwrap_or(1).max(1),
            count: self.count.unwrap_or(COUNT).clamp(0, COUNT_MAX),
        })
    }

    /// Whether an attribute, in lower case, is part of the answer.
    pub(super) fn includes(&self, attribute: &str) -> bool {
        let listed = |list: &Option<String>| {
            list.as_ref().map(|list| {
                // What is asked for of an attribute asks for the attribute.
                list.split(',').map(normal).any(|name| {
                    name == attribute || name.split('.').next().is_some_and(|n| n == attribute)
                })
            })
        };
        listed(&self.attributes).unwrap_or(true)
            && !listed(&self.excluded_attributes).unwrap_or(false)
    }

    /// A resource with the attributes wanted. Its id and its schemas always are.
    pub(super) fn select(&self, resource: impl Serialize) -> Result<Value, ScimError> {
        let value = serde_json::to_value(resource)
            .map_err(|_| ScimError::from(crate::IdentityError::Internal("no JSON")))?;
        let Value::Object(members) = value else { return Ok(value) };
        let kept = members.into_iter().filter(|(name, _)| {
            matches!(name.as_str(), "id" | "schemas") || self.includes(&normal(name))
        });
        Ok(Value::Object(kept.collect::<Map<_, _>>()))
    }

    /// A page of such resources.
    pub(super) fn page<T: Serialize>(
        &self,
        wanted: &Wanted,
        total: i64,
        resources: Vec<T>,
    ) -> Result<ScimList, ScimError> {
        let resources = resources.into_iter().map(|resource| self.select(resource));
        let resources: Vec<Value> = resources.collect::<Result<_, _>>()?;
        Ok(ScimList {
            schemas: [schemas::LIST],
            total_results: total,
            start_index: wanted.start_index,
            items_per_page: resources.len(),
            resources,
        })
    }
}

impl ScimList {
    /// All of them on one page.
    pub(super) fn whole(resources: Vec<Value>) -> Self {
        Self {
            schemas: [schemas::LIST],
            total_results: i64::try_from(resources.len()).unwrap_or(i64::MAX),
            start_index: 1,
            items_per_page: resources.len(),
            resources,
        }
    }
}

/// The id in the path. What cannot be one is no resource of ours.
pub(crate) struct ScimId(pub(super) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for ScimId {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ScimError> {
        let found: Result<Path<Uuid>, _> = Path::from_request_parts(parts, state).await;
        found.map(|Path(id)| Self(id)).map_err(|_| ScimError::not_found("resource"))
    }
}

/// A body: a JSON object, whatever media type it is sent as.
pub(crate) struct ScimBody(pub(super) Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for ScimBody {
    type Rejection = ScimError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ScimError> {
        let bytes = Bytes::from_request(request, state).await?;
        // PostgreSQL has no NUL in a text, and JSON has it escaped only.
        let has_nul = bytes.windows(6).any(|window| window == b"\\u0000");
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(members)) if !has_nul => Ok(Self(members)),
            _ => Err(ScimError::invalid_syntax("The body must be a JSON object of plain text.")),
        }
    }
}

/// An answer of SCIM's media type.
pub(crate) struct Scim<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Scim<T> {
    fn into_response(self) -> Response {
        let mut response = axum::Json(self.0).into_response();
        let media_type = HeaderValue::from_static(MEDIA_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        response
    }
}

/// Answers that something was made, and where it is.
pub(super) fn created(location: &str, resource: Value) -> Response {
    let mut response = (StatusCode::CREATED, Scim(resource)).into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
