use axum::extract::{Request, State};
use axum::response::Response;
use lyceum_llm::ModelKind;
use serde::Deserialize;

use super::body::Body;
use super::routed::{Question, routed};
use super::{Failure, Pinned, context, forward, read_request, translate};
use crate::models::Target;
use crate::routes::{Needs, Route};
use crate::{CallContext, Gateway, ModelConfig};

#[derive(Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

/// Answers messages, streamed or not, as OpenAI's chat completions do. Members that this program
/// does not know are passed on to the provider.
#[utoipa::path(post, path = "/chat/completions", tag = "openai",
    request_body = Object,
    params(("x-lyceum-target" = Option<String>, Header,
            description = "A target of the route that `model` names, by id or name: no other is asked")),
    responses((status = 200, description = "A completion, or its stream as server-sent events", body = Object),
              (status = 401, description = "In OpenAI's form", body = Object),
              (status = 404, description = "Unknown model, in OpenAI's form", body = Object),
              (status = 413, description = "In OpenAI's form", body = Object)))]
pub(super) async fn create_chat_completion(
    State(gateway): State<Gateway>,
    pinned: Pinned,
    request: Request,
) -> Result<Response, Failure> {
    let (caller, body) = read_request(&gateway, request).await?;
    let model = body.model()?;
    let streamed = body.get::<bool>("stream")?.unwrap_or(false);
    let with_usage = body.get::<StreamOptions>("stream_options")?.unwrap_or_default();
    let with_usage = with_usage.include_usage.unwrap_or(false);
    if !body.has_items("messages") {
        let message = "'messages' must be a list of at least one message.";
        return Err(Failure::bad_request("invalid_field", message));
    }
    let model = gateway.catalogue(caller.user_id).await?.by_name(&model, ModelKind::Chat)?;
    let question = Messages { body, streamed, with_usage };
    routed(&gateway, context(&caller), &model, pinned, question).await
}

/// Messages to be answered.
#[derive(Clone)]
struct Messages {
    body: Body,
    streamed: bool,
    with_usage: bool,
}

impl Question for Messages {
    fn is_streamed(&self) -> bool {
        self.streamed
    }

    fn needs(&self, route: &Route) -> Needs {
        self.body.needs(route)
    }

    async fn ask(
        self,
        gateway: &Gateway,
        context: CallContext,
        model: &ModelConfig,
    ) -> Result<Response, Failure> {
        let Self { mut body, streamed, with_usage } = self;
        match &model.target {
            Target::OpenAi(client) => {
                body.aim_at(model)?;
                let call = forward::Call { gateway, context, model, client };
                match streamed {
                    true => call.stream(body, with_usage).await,
                    false => call.completion(body).await,
                }
            }
            _ => translate::chat(gateway, context, model, body, streamed, with_usage).await,
        }
    }
}
