use axum::extract::{Request, State};
use axum::response::Response;

use super::call::Ask;
use super::chat::with_usage;
use super::end_user::EndUserHeader;
use super::form::Form;
use super::{Failure, TargetHeader, answer, read_request};
use crate::Gateway;
use crate::limits::Dialect;

/// Goes on with a text, streamed or not, as OpenAI's older completions do. Passed on where the
/// provider has them; otherwise the text is a message of the user.
#[utoipa::path(post, path = "/v1/completions", tag = "openai",
    request_body = Object,
    params(TargetHeader, EndUserHeader),
    responses((status = 200, description = "A completion, or its stream as server-sent events", body = Object),
              (status = 400, description = "In OpenAI's form", body = Object),
              (status = 401, description = "In OpenAI's form", body = Object),
              (status = 403, description = "The key is limited to other models, in OpenAI's form", body = Object),
              (status = 404, description = "Unknown model, in OpenAI's form", body = Object),
              (status = 413, description = "In OpenAI's form", body = Object)))]
pub(super) async fn create_completion(
    State(gateway): State<Gateway>,
    request: Request,
) -> Result<Response, Failure> {
    let (asker, body) = read_request(&gateway, Dialect::OpenAi, request).await?;
    body.model()?;
    let streamed = body.get::<bool>("stream")?.unwrap_or(false);
    let form = Form::Completions { with_usage: with_usage(&body)? };
    if !body.has("prompt") {
        let missing = Failure::bad_request("missing_field", "'prompt' is required.");
        return Err(missing.about("prompt"));
    }
    let ask = Ask { form, body, streamed, headers: Vec::new() };
    answer(&gateway, asker, Dialect::OpenAi, ask).await
}
