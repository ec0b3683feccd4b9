use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use lyceum_llm::openai::{EmbeddingData, EmbeddingList, EmbeddingVector, WireUsage};
use lyceum_llm::{EmbeddingRequest, EmbeddingTask, ModelKind, Usage};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::body::Body;
use super::call::Call;
use super::end_user::EndUserHeader;
use super::ignored::Ignored;
use super::kept::{Found, Sought, keep};
use super::routed::{Question, routed};
use super::{Failure, TargetHeader, describe, read_request};
use crate::limits::Dialect;
use crate::models::Target;
use crate::routes::{Needs, Route};
use crate::{CallContext, Gateway, ModelConfig};

/// The most texts of one request that is not passed on as it is.
const MAX_TEXTS: usize = 2048;
/// What is read of such a request.
const READ: [&str; 5] = ["dimensions", "encoding_format", "input", "input_type", "model"];

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Many(Vec<String>),
    Other(IgnoredAny),
}

/// Turns texts into vectors, as OpenAI's embeddings do. `model` takes the name or id of an
/// embedding model or of a route to some.
#[utoipa::path(post, path = "/v1/embeddings", tag = "openai",
    request_body = Object,
    params(TargetHeader, EndUserHeader),
    responses((status = 200, description = "The vectors", body = Object),
              (status = 400, description = "In OpenAI's form", body = Object),
              (status = 401, description = "In OpenAI's form", body = Object),
              (status = 403, description = "The key is limited to other models, in OpenAI's form", body = Object),
              (status = 404, description = "Unknown model, in OpenAI's form", body = Object)))]
pub(super) async fn create_embedding(
    State(gateway): State<Gateway>,
    request: Request,
) -> Result<Response, Failure> {
    let (asker, body) = read_request(&gateway, Dialect::OpenAi, request).await?;
    let model = body.model()?;
    if !body.has("input") {
        return Err(Failure::bad_request("missing_field", "'input' is required.").about("input"));
    }
    let catalogue = gateway.catalogue(asker.caller.user_id).await?;
    let model = catalogue.by_name(&model, ModelKind::Embedding, &asker.caller.models)?;
    routed(&gateway, asker.context(), &model, asker.pinned, Texts(body)).await
}

/// Texts to be embedded.
#[derive(Clone)]
struct Texts(Body);

impl Question for Texts {
    fn is_streamed(&self) -> bool {
        false
    }

    fn needs(&self, _: &Route) -> Needs {
        Needs::default()
    }

    async fn ask(
        self,
        gateway: &Gateway,
        context: CallContext,
        model: &ModelConfig,
    ) -> Result<Response, Failure> {
        let Self(body) = self;
        let mut call = Call::new(gateway, context, model, Dialect::OpenAi);
        if !matches!(model.target, Target::OpenAi(_)) {
            call.ignored = Ignored::of(&body, |name| READ.contains(&name));
        }
        let sought = Sought { surface: "embeddings", body: &body, streamed: false, headers: &[] };
        match call.find(sought).await? {
            Found::Answer(response) => Ok(response),
            Found::Nothing(place) => keep(place, embed(call, body).await).await,
        }
    }
}

/// Passed on to those who speak the form, and translated for the others.
async fn embed(call: Call<'_>, mut body: Body) -> Result<Response, Failure> {
    match &call.model.target {
        Target::OpenAi(client) => {
            body.aim_at(call.model)?;
            call.embeddings(client, body).await
        }
        _ => translated(call, &body).await,
    }
}

/// Through the port of a built-in model or of another protocol.
async fn translated(call: Call<'_>, body: &Body) -> Result<Response, Failure> {
    let Call { gateway, context, model, dialect, ignored } = call;
    let input = texts(body)?;
    let base64 = match body.get::<String>("encoding_format")?.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            let message = "'encoding_format' must be 'float' or 'base64'.";
            return Err(Failure::bad_request("invalid_field", message).about("encoding_format"));
        }
    };
    // Not OpenAI's: models trained with prefixes tell questions from passages.
    let usual = if model.is_local() { EmbeddingTask::Passage } else { EmbeddingTask::Raw };
    let task = body.get::<EmbeddingTask>("input_type")?.unwrap_or(usual);
    let mut dimensions = body.get::<u32>("dimensions")?;
    let own = model.dimensions.and_then(|length| u32::try_from(length).ok());
    if model.is_local()
        && let (Some(wanted), Some(own)) = (dimensions.take(), own)
        && wanted != own
    {
        let message = format!("'{}' gives vectors of {own} dimensions only.", model.name);
        return Err(Failure::bad_request("invalid_field", message).about("dimensions"));
    }
    let request_id = context.request_id;
    let request = EmbeddingRequest { model: model.model.clone(), input, task, dimensions };
    let (answer, notice) = gateway.embed_noted(context, model, request).await?;
    let data = answer.embeddings.into_iter().enumerate().map(|(index, vector)| EmbeddingData {
        object: "embedding".into(),
        index: Some(index),
        embedding: EmbeddingVector::encode(vector, base64),
    });
    let usage = answer.usage.unwrap_or(Usage::default());
    let list = EmbeddingList {
        object: "list".into(),
        data: data.collect(),
        model: answer.model,
        usage: Some(WireUsage::from(usage)),
    };
    let mut response = Json(list).into_response();
    let headers = response.headers_mut();
    describe(headers, dialect, request_id, model, &notice);
    ignored.describe(headers);
    Ok(response)
}

fn texts(body: &Body) -> Result<Vec<String>, Failure> {
    let refuse = |message: &str| Err(Failure::bad_request("invalid_input", message).about("input"));
    let texts = match body.get::<Input>("input")? {
        Some(Input::One(text)) => vec![text],
        Some(Input::Many(texts)) => texts,
        Some(Input::Other(_)) | None => {
            return refuse(
                "'input' must be a string or a list of strings. This model takes no lists of \
                 tokens; with LangChain set check_embedding_ctx_length=False.",
            );
        }
    };
    if texts.is_empty() || texts.len() > MAX_TEXTS {
        return refuse("'input' must hold 1 to 2048 strings.");
    }
    match texts.iter().any(String::is_empty) {
        true => refuse("'input' must not hold an empty string."),
        false => Ok(texts),
    }
}
