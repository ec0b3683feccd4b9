use axum::extract::{Request, State};
use axum::response::Response;
use serde::Deserialize;

use super::body::Body;
use super::call::Ask;
use super::end_user::EndUserHeader;
use super::form::Form;
use super::{Failure, TargetHeader, answer, read_request};
use crate::Gateway;
use crate::limits::Dialect;

#[derive(Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

/// Whether the usage is wanted at the end of a stream.
pub(super) fn with_usage(body: &Body) -> Result<bool, Failure> {
    let options = body.get::<StreamOptions>("stream_options")?.unwrap_or_default();
    Ok(options.include_usage.unwrap_or(false))
}

/// Answers messages, streamed or not, as OpenAI's chat completions do. Members that this program
/// does not know are passed on to the provider.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai",
    request_body = Object,
    params(TargetHeader, EndUserHeader),
    responses((status = 200, description = "A completion, or its stream as server-sent events", body = Object),
              (status = 401, description = "In OpenAI's form", body = Object),
              (status = 403, description = "The key is limited to other models, in OpenAI's form", body = Object),
              (status = 404, description = "Unknown model, in OpenAI's form", body = Object),
              (status = 413, description = "In OpenAI's form", body = Object)))]
pub(super) async fn create_chat_completion(
    State(gateway): State<Gateway>,
    request: Request,
) -> Result<Response, Failure> {
    let (asker, body) = read_request(&gateway, Dialect::OpenAi, request).await?;
    body.model()?;
    let streamed = body.get::<bool>("stream")?.unwrap_or(false);
    let form = Form::Chat { with_usage: with_usage(&body)? };
    if !body.has_items("messages") {
        let message = "'messages' must be a list of at least one message.";
        return Err(Failure::bad_request("invalid_field", message).about("messages"));
    }
    let ask = Ask { form, body, streamed, headers: Vec::new() };
    answer(&gateway, asker, Dialect::OpenAi, ask).await
}
