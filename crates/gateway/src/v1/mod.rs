//! The surfaces for applications: OpenAI's chat completions, responses, older completions,
//! embeddings and models, and Anthropic's messages.
//!
//! Every answer takes one way, [`call::Call::answer`]. Where the provider speaks the surface's own
//! form the request is passed on with as little reading as the ledger needs (`forward`, `relay`);
//! all others, and built-in models, answer through their ports (`translate`), in the forms of
//! [`lyceum_llm::surface`].

mod affinity;
mod body;
mod call;
mod chat;
mod completions;
mod embeddings;
mod end_user;
mod failure;
mod form;
mod forward;
mod frames;
mod heartbeat;
mod ignored;
mod kept;
mod list;
mod messages;
mod relay;
mod request;
mod responses;
mod routed;
mod translate;
mod unknown;

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::response::Response;
use axum::routing::any;
use http::{HeaderMap, HeaderName, HeaderValue};
use lyceum_http::{Allow, Caller, Credential};
use lyceum_llm::ModelKind;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::cache::{Recall, Wish};
use crate::calls::Notice;
use crate::limits::Dialect;
use crate::routes::{Needs, Route, Seed};
use crate::{CallContext, Gateway, GatewayError, InferenceCreate, ModelConfig, Purpose};
use call::{Ask, Call};
use failure::Failure;
pub(crate) use request::receive;
use routed::{Question, routed};
pub use unknown::astray;

pub(crate) fn router() -> OpenApiRouter<Gateway> {
    let (router, document) = OpenApiRouter::<Gateway>::new()
        .routes(routes!(chat::create_chat_completion))
        .routes(routes!(responses::create_response))
        .routes(routes!(completions::create_completion))
        .routes(routes!(messages::create_message))
        .routes(routes!(messages::count_message_tokens))
        .routes(routes!(embeddings::create_embedding))
        .routes(routes!(list::list_openai_models))
        .routes(routes!(list::get_openai_model))
        .split_for_parts();
    // Not nested below `/v1`: each call would pay for an address without it.
    let router = ["/v1", "/v1/", "/v1/{*path}"]
        .into_iter()
        .fold(router, |router, path| router.route(path, any(unknown::path)))
        .method_not_allowed_fallback(unknown::method);
    let mut router = OpenApiRouter::from(router);
    *router.get_openapi_mut() = document;
    router
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

/// The header in the API's document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
struct TargetHeader {
    /// A target of the route that `model` names, by id or name: no other is asked
    #[param(rename = "x-lyceum-target")]
    _target: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Pinned {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut http::request::Parts, _: &S) -> Result<Self, Failure> {
        let Some(value) = parts.headers.get(PIN) else { return Ok(Self(None)) };
        // Names are of any script, and come as they are.
        match std::str::from_utf8(value.as_bytes()) {
            Ok(name) => Ok(Self(Some(name.trim().to_owned()))),
            Err(_) => {
                let message = format!("The header {PIN} is not text in UTF-8.");
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

/// Who asks, of which target, whether for a new answer, and for whom.
struct Asker {
    caller: Caller,
    pinned: Pinned,
    wish: Wish,
    end_user: Option<Arc<str>>,
}

impl Asker {
    fn context(&self) -> CallContext {
        let recall = Recall { wish: self.wish, recording: None };
        CallContext { recall, end_user: self.end_user.clone(), ..context(&self.caller) }
    }
}

/// Splits a request in the form of a dialect into who asks and its body.
async fn read_request(
    gateway: &Gateway,
    dialect: Dialect,
    request: Request,
) -> Result<(Asker, body::Body), Failure> {
    let (mut parts, body) = request.into_parts();
    let Admitted(caller) = Admitted::from_request_parts(&mut parts, &()).await?;
    let pinned = Pinned::from_request_parts(&mut parts, &()).await?;
    let wish = Wish::of(&parts.headers);
    let end_user = end_user::of_headers(&parts.headers)?;
    let limit = gateway.inner.settings.max_body_bytes;
    let body = body::read(&parts.headers, body, limit).await?;
    let end_user = end_user.or_else(|| end_user::of_body(&body, dialect));
    Ok((Asker { caller, pinned, wish, end_user }, body))
}

/// Has the model that is named answer, or, where that is a route, one of its targets.
async fn answer(
    gateway: &Gateway,
    asker: Asker,
    dialect: Dialect,
    ask: Ask,
) -> Result<Response, Failure> {
    let catalogue = gateway.catalogue(asker.caller.user_id).await?;
    let allowed = &asker.caller.models;
    let model = catalogue.by_name(&ask.body.model()?, ModelKind::Chat, allowed)?;
    // What follows is large, and what it is a part of would be moved with it.
    Box::pin(routed(gateway, asker.context(), &model, asker.pinned, Asked { dialect, ask })).await
}

/// Something asked in one of the surfaces' forms.
#[derive(Clone)]
struct Asked {
    dialect: Dialect,
    ask: Ask,
}

impl Question for Asked {
    fn is_streamed(&self) -> bool {
        self.ask.streamed
    }

    fn needs(&self, route: &Route) -> Needs {
        self.ask.body.needs(route)
    }

    fn affinity(&self, user: Uuid, route: &Route) -> Option<Seed> {
        self.ask.body.affinity(user, &route.name)
    }

    async fn ask(
        self,
        gateway: &Gateway,
        context: CallContext,
        model: &ModelConfig,
    ) -> Result<Response, Failure> {
        Call::new(gateway, context, model, self.dialect).answer(self.ask).await
    }
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
fn describe(
    headers: &mut HeaderMap,
    dialect: Dialect,
    request_id: Uuid,
    model: &ModelConfig,
    notice: &Notice,
) {
    // With those that every answer gets: growing costs more than room.
    headers.reserve(24);
    notice.describe(headers, dialect);
    // Names are of any script.
    let text = |value: &str| HeaderValue::from_bytes(value.as_bytes()).ok();
    // Every answer below `/v1` has x-request-id, from the layer that gives the id.
    if let Dialect::Anthropic(_) = dialect {
        request::name(headers, request::ANTHROPIC_ID, request_id);
    }
    let served = text(&model.model);
    let provider = text(&model.provider);
    let described = [
        ("x-lyceum-model", served.clone()),
        ("x-lyceum-provider", provider.clone()),
        ("x-lyceum-requested-model", text(notice.attempt.requested(model))),
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
