use axum::Json;
use axum::extract::State;
use lyceum_http::{Allow, ApiError, ApiQuery, ProblemDocument};
use serde::Deserialize;
use uuid::Uuid;

use super::{AccessExplanation, Subject};
use crate::{AccessExplain, Identity, IdentityError, Rule};

/// What to explain.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExplainQuery {
    /// Id, username or e-mail address of a person.
    user: String,
    /// A right like `document:write`, also about an API key; about another object `view`, `use`,
    /// `edit` or `own`.
    action: String,
    /// `knowledge_base`, `provider` or `api_key`.
    object_type: Option<String>,
    /// The object's id.
    object_id: Option<Uuid>,
}

/// Says step by step why somebody may or may not do something. Where `object_type` and `object_id`
/// are given, it is about that object, else about a right.
#[utoipa::path(get, path = "/access/explain", tag = "access", params(ExplainQuery),
    responses(
        (status = 200, body = AccessExplanation),
        (status = 404, body = ProblemDocument, description = "No such person"),
        (status = 422, body = ProblemDocument, description = "`invalid_field`"),
    ))]
pub(crate) async fn explain_access(
    State(identity): State<Identity>,
    _: Allow<AccessExplain>,
    ApiQuery(query): ApiQuery<ExplainQuery>,
) -> Result<Json<AccessExplanation>, ApiError> {
    let object = match (query.object_type.as_deref(), query.object_id) {
        (None, None) => None,
        (Some(kind), Some(id)) => Some((kind, id)),
        _ => {
            return Err(IdentityError::field(
                "object_id",
                Rule::AllOrNone { fields: &["object_type", "object_id"] },
            )
            .into());
        }
    };
    let subject = Subject { user: &query.user, action: &query.action, object };
    Ok(Json(super::explain(identity.db(), &subject).await?))
}
