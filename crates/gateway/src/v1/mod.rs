//! OpenAI's protocol for applications: `/v1/chat/completions`, `/v1/embeddings`, `/v1/models`.
//! Requests to OpenAI-compatible providers are passed on with as little reading as the ledger needs;
//! all others, and built-in models, answer through their ports.

mod body;
mod chat;
mod embeddings;
mod failure;
mod forward;
mod list;
mod request;
mod routed;
mod translate;

use axum::extract::{FromRequestParts, Request};
use http::{HeaderMap, HeaderName, HeaderValue};
use lyceum_http::{Allow, Caller, Credential};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::calls::Notice;
use crate::{CallContext, Gateway, GatewayError, InferenceCreate, ModelConfig, Purpose};
use failure::Failure;

pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(chat::create_chat_completion))
        .routes(routes!(embeddings::create_embedding))
        .routes(routes!(list::list_openai_models))
        .routes(routes!(list::get_openai_model))
        .layer(axum::middleware::from_fn(request::identify))
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

/// The target that the caller insists on, by id or name.
struct Pinned(Option<String>);

/// Names a target of a route.
const PIN: &str = "x-lyceum-target";

impl<S: Send + Sync> FromRequestParts<S> for Pinned {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut http::request::Parts, _: &S) -> Result<Self, Failure> {
        let Some(value) = parts.headers.get(PIN) else { return Ok(Self(None)) };
        match value.to_str() {
            Ok(name) => Ok(Self(Some(name.trim().to_owned()))),
            Err(_) => {
                let message = format!("The header {PIN} is not plain text.");
                Err(Failure::bad_request("invalid_target", message))
            }
        }
    }
}

impl Pinned {
    /// Of a model that is no route only the model itself can be asked.
    fn check(&self, model: &ModelConfig) -> Result<(), GatewayError> {
        match &self.0 {
            Some(name) if *name != model.name && name.parse() != Ok(model.id) => {
                Err(GatewayError::UnknownModel {
                    requested: name.chars().take(100).collect(),
                    available: vec![model.name.clone()],
                })
            }
            _ => Ok(()),
        }
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

fn context(caller: &Caller) -> CallContext {
    let mut context = CallContext::new(caller.user_id, Purpose::Api);
    context.request_id = request::id();
    if let Credential::ApiKey(id) = caller.credential {
        context.api_key_id = Some(id);
    }
    context
}

/// What every answer says of itself.
fn describe(headers: &mut HeaderMap, request_id: Uuid, model: &ModelConfig, notice: &Notice) {
    notice.describe(headers);
    let text = |value: &str| HeaderValue::from_str(value).ok();
    let served = text(&model.model);
    let provider = text(&model.provider);
    let requested = notice.attempt.route().map_or(&model.name, |route| &route.name);
    let described = [
        ("x-request-id", text(&request_id.to_string())),
        ("x-lyceum-model", served.clone()),
        ("x-lyceum-provider", provider.clone()),
        ("x-lyceum-requested-model", text(requested)),
        ("x-lyceum-served-model", served),
        ("x-lyceum-served-provider", provider),
        ("x-lyceum-attempts", Some(notice.attempt.number().into())),
    ];
    for (name, value) in described {
        if let Some(value) = value {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}
