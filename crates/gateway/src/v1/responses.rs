use axum::extract::{Request, State};
use axum::response::Response;
use lyceum_llm::surface::responses::check;

use super::call::Ask;
use super::end_user::EndUserHeader;
use super::form::Form;
use super::{Failure, TargetHeader, answer, read_request};
use crate::Gateway;
use crate::limits::Dialect;

/// Answers an input, streamed or not, as OpenAI's Responses API does. Nothing is kept: `store` is
/// false in every answer, and `previous_response_id`, `conversation`, `prompt` and `background` are
/// refused.
#[utoipa::path(post, path = "/v1/responses", tag = "openai",
    request_body = Object,
    params(TargetHeader, EndUserHeader),
    responses((status = 200, description = "A response, or its stream as server-sent events", body = Object),
              (status = 400, description = "In OpenAI's form", body = Object),
              (status = 401, description = "In OpenAI's form", body = Object),
              (status = 403, description = "The key is limited to other models, in OpenAI's form", body = Object),
              (status = 404, description = "Unknown model, in OpenAI's form", body = Object),
              (status = 413, description = "In OpenAI's form", body = Object)))]
pub(super) async fn create_response(
    State(gateway): State<Gateway>,
    request: Request,
) -> Result<Response, Failure> {
    let (asker, body) = read_request(&gateway, Dialect::OpenAi, request).await?;
    body.model()?;
    let streamed = body.get::<bool>("stream")?.unwrap_or(false);
    check(&body.without("input")?)?;
    let said = body.raw("input").is_some_and(|input| input.trim_start().starts_with('"'));
    if !said && !body.has_items("input") {
        let message = "'input' must be a string, or a list of at least one item.";
        return Err(Failure::bad_request("invalid_field", message).about("input"));
    }
    let ask = Ask { form: Form::Responses, body, streamed, headers: Vec::new() };
    answer(&gateway, asker, Dialect::OpenAi, ask).await
}
