use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use lyceum_llm::ModelKind;
use lyceum_llm::anthropic::AnthropicClient;
use serde_json::json;

use super::body::Body;
use super::call::{Ask, Call, failed};
use super::end_user::EndUserHeader;
use super::form::{Form, without_foreign};
use super::{Asker, Failure, TargetHeader, answer, read_request};
use crate::Gateway;
use crate::calls::{Notice, prompt_of_body};
use crate::limits::Dialect;
use crate::models::Target;
use crate::quotas::Forecast;

/// Which of Anthropic's features in the making a program wants; passed on to Anthropic.
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");

/// Answers messages, streamed or not, as Anthropic's Messages API does. What the model's provider
/// cannot take is left out and named in the header `x-lyceum-ignored`, or refused where it would
/// change the answer.
#[utoipa::path(post, path = "/v1/messages", tag = "anthropic",
    request_body = Object,
    params(TargetHeader, EndUserHeader),
    responses((status = 200, description = "A message, or its stream as server-sent events", body = Object),
              (status = 400, description = "In Anthropic's form", body = Object),
              (status = 401, description = "In Anthropic's form", body = Object),
              (status = 403, description = "The key is limited to other models, in Anthropic's form", body = Object),
              (status = 404, description = "Unknown model, in Anthropic's form", body = Object),
              (status = 413, description = "In Anthropic's form", body = Object)))]
pub(super) async fn create_message(State(gateway): State<Gateway>, request: Request) -> Response {
    let dialect = Dialect::Anthropic(gateway.inner.clock.now());
    message(&gateway, dialect, request).await.unwrap_or_else(|failure| failure.respond(dialect))
}

/// Counts the tokens of a request for messages: exactly where the model's provider does, else by an
/// estimate on the high side.
#[utoipa::path(post, path = "/v1/messages/count_tokens", tag = "anthropic",
    request_body = Object,
    params(EndUserHeader),
    responses((status = 200, description = "The count", body = Object),
              (status = 400, description = "In Anthropic's form", body = Object),
              (status = 401, description = "In Anthropic's form", body = Object),
              (status = 403, description = "The key is limited to other models, in Anthropic's form", body = Object),
              (status = 404, description = "Unknown model, in Anthropic's form", body = Object)))]
pub(super) async fn count_message_tokens(
    State(gateway): State<Gateway>,
    request: Request,
) -> Response {
    let dialect = Dialect::Anthropic(gateway.inner.clock.now());
    count(&gateway, dialect, request).await.unwrap_or_else(|failure| failure.respond(dialect))
}

async fn message(
    gateway: &Gateway,
    dialect: Dialect,
    request: Request,
) -> Result<Response, Failure> {
    let headers = passed_on(request.headers());
    let (asker, body) = read_request(gateway, dialect, request).await?;
    check(&body)?;
    if body.get::<u32>("max_tokens")?.filter(|&limit| limit > 0).is_none() {
        let message = "'max_tokens' is required, and at least 1.";
        return Err(Failure::bad_request("missing_field", message));
    }
    let streamed = body.get::<bool>("stream")?.unwrap_or(false);
    let ask = Ask { form: Form::Messages, body, streamed, headers };
    answer(gateway, asker, dialect, ask).await
}

fn check(body: &Body) -> Result<(), Failure> {
    body.model()?;
    match body.has_items("messages") {
        true => Ok(()),
        false => {
            let message = "'messages' must be a list of at least one message.";
            Err(Failure::bad_request("invalid_field", message))
        }
    }
}

fn passed_on(headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    headers.get_all(BETA).iter().map(|value| (BETA, value.clone())).collect()
}

async fn count(gateway: &Gateway, dialect: Dialect, request: Request) -> Result<Response, Failure> {
    let headers = passed_on(request.headers());
    let (asker, mut body) = read_request(gateway, dialect, request).await?;
    check(&body)?;
    let Asker { caller, .. } = &asker;
    let catalogue = gateway.catalogue(caller.user_id).await?;
    let model = catalogue.by_name(&body.model()?, ModelKind::Chat, &caller.models)?;
    let call = Call::new(gateway, asker.context(), &model, dialect);
    match &model.target {
        Target::Anthropic(client) => {
            without_foreign(&mut body)?;
            body.set("model", &model.model)?;
            call.counted(client, &headers, body.to_bytes()?).await
        }
        _ => {
            // What could not be answered is not counted either.
            Form::Messages.request(&body)?;
            let count = json!({ "input_tokens": prompt_of_body(&body.to_bytes()?) });
            Ok(call.document(count.to_string().into(), &Notice::default()))
        }
    }
}

impl Call<'_> {
    /// Has the provider count, which is a call that takes no tokens.
    async fn counted(
        self,
        client: &AnthropicClient,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Response, Failure> {
        let free = || Forecast::FREE;
        let mut meter = self.gateway.begin(self.context.clone(), self.model, free).await?;
        let notice = meter.notice();
        match client.count_tokens(headers, body).await {
            Ok(count) => {
                meter.free();
                meter.complete(None).await?;
                Ok(self.document(count, &notice))
            }
            Err(error) => Err(failed(meter, error).await),
        }
    }
}
