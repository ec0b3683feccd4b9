//! The surfaces for applications: OpenAI's chat completions, responses, older completions,
//! embeddings and models, and Anthropic's messages.
//!
//! Every answer takes one way, [`call::Call::answer`]. Where the provider speaks the surface's own
//! form the request is passed on with as little reading as the ledger needs (`forward`, `relay`);
//! all others, and built-in models, answer through their ports (`translate`), in the forms of
//! [`lyceum_llm::surface`].

mod body;
mod call;
mod chat;
mod completions;
mod embeddings;
mod failure;
mod form;
mod forward;
mod list;
mod messages;
mod relay;
mod responses;
mod translate;

use axum::extract::{FromRequestParts, Request};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use lyceum_http::{Allow, Caller, Credential};
use lyceum_llm::ModelKind;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::calls::Notice;
use crate::limits::Dialect;
use crate::{CallContext, Gateway, InferenceCreate, ModelConfig, Purpose};
use call::{Ask, Call};
use failure::Failure;

pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(chat::create_chat_completion))
        .routes(routes!(responses::create_response))
        .routes(routes!(completions::create_completion))
        .routes(routes!(messages::create_message))
        .routes(routes!(messages::count_message_tokens))
        .routes(routes!(embeddings::create_embedding))
        .routes(routes!(list::list_openai_models))
        .routes(routes!(list::get_openai_model))
}

/// The caller, if they may use models; else the refusal in OpenAI's form.
struct Admitted(Caller);

impl<S: Send + Sync> FromRequestParts<S> for Admitted {
    type Rejection = Failure;

    async fn from_request_parts(
        parts: &mut http::request::Parts,
        state: &S,
    ) -> Result<Self, Failure> {
        let allow = Allow::<InferenceCreate>::from_request_parts(parts, state).await?;
        Ok(Self(allow.caller))
    }
}

/// Splits a request into its caller and its body.
async fn read_request(
    gateway: &Gateway,
    request: Request,
) -> Result<(Caller, body::Body), Failure> {
    let (mut parts, body) = request.into_parts();
    let Admitted(caller) = Admitted::from_request_parts(&mut parts, &()).await?;
    let limit = gateway.inner.settings.max_body_bytes;
    let body = body::read(&parts.headers, body, limit).await?;
    Ok((caller, body))
}

/// Has the model that is named answer.
async fn answer(
    gateway: &Gateway,
    caller: &Caller,
    dialect: Dialect,
    ask: Ask,
) -> Result<Response, Failure> {
    let catalogue = gateway.catalogue(caller.user_id).await?;
    let model = catalogue.by_name(&ask.body.model()?, ModelKind::Chat)?;
    let context = context(caller);
    Call { gateway, context, model: &model, dialect }.answer(ask).await
}

fn context(caller: &Caller) -> CallContext {
    let mut context = CallContext::new(caller.user_id, Purpose::Api);
    if let Credential::ApiKey(id) = caller.credential {
        context.api_key_id = Some(id);
    }
    context
}

/// What every answer says of itself.
fn describe(
    headers: &mut HeaderMap,
    dialect: Dialect,
    request_id: Uuid,
    model: &ModelConfig,
    notice: &Notice,
) {
    notice.describe(headers, dialect);
    let text = |value: &str| HeaderValue::from_str(value).ok();
    let id = match dialect {
        Dialect::OpenAi => "x-request-id",
        Dialect::Anthropic(_) => "request-id",
    };
    let described = [
        (id, text(&request_id.to_string())),
        ("x-lyceum-model", text(&model.model)),
        ("x-lyceum-provider", text(&model.provider)),
    ];
    for (name, value) in described {
        if let Some(value) = value {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}
