use std::collections::BTreeMap;

use axum::body::Body as HttpBody;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use lyceum_core::{Misread, causes};
use lyceum_llm::{ChatRequest, Members, ModelKind};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::to_raw_value;

use super::Failure;
use crate::ModelConfig;
use crate::routes::{Needs, Route};

/// A request's JSON object, its members left as they came.
#[derive(Clone)]
pub(super) struct Body(Members);

/// Reads a body of at most `limit` bytes.
pub(super) async fn read(
    headers: &HeaderMap,
    body: HttpBody,
    limit: usize,
) -> Result<Body, Failure> {
    let too_large = || {
        let message = format!("The body is larger than {limit} bytes.");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|length| length.parse::<u64>().ok()).is_some_and(|n| n > limit as u64) {
        return Err(too_large());
    }
    let bytes = axum::body::to_bytes(body, limit).await.map_err(|error| {
        match causes(&error).any(|cause| cause.is::<http_body_util::LengthLimitError>()) {
            true => too_large(),
            false => Failure::bad_request("unreadable_body", "The body broke off."),
        }
    })?;
    Body::from_bytes(&bytes)
}

impl Body {
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice(bytes).map(Self).map_err(|error| {
            let message = match error.is_data() {
                true => Misread::of(&error).sentence("The body"),
                false => format!("The body cannot be read as JSON: {error}."),
            };
            Failure::bad_request("malformed_json", message)
        })
    }

    /// A member of the given type; `null` counts as absent.
    pub(super) fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Failure> {
        let Some(raw) = self.0.get(name) else { return Ok(None) };
        serde_json::from_str::<Option<T>>(raw.get()).map_err(|error| {
            let misread = Misread::of(&error);
            let message = format!("'{name}' is not valid: {misread}.");
            Failure::bad_request("invalid_field", message).about(name)
        })
    }

    /// The model asked for.
    pub(super) fn model(&self) -> Result<String, Failure> {
        let missing = || Failure::bad_request("missing_field", "'model' is required.");
        self.get::<String>("model")?.ok_or_else(|| missing().about("model"))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|raw| raw.get() != "null")
    }

    /// Whether a member is a list of at least one item, found without reading the items.
    pub(super) fn has_items(&self, name: &str) -> bool {
        let list = self.0.get(name).and_then(|raw| raw.get().trim_start().strip_prefix('['));
        list.is_some_and(|items| !items.trim_start().starts_with(']'))
    }

    /// Whether the model may call tools, also by OpenAI's older word for them.
    pub(super) fn has_tools(&self) -> bool {
        self.has_items("tools") || self.has_items("functions")
    }

    /// What of the request matters to a route.
    pub(super) fn needs(&self, route: &Route) -> Needs {
        let parts = |value: &Value| {
            let content = value.get("content").and_then(Value::as_array).cloned();
            content.unwrap_or_default()
        };
        // In the forms of chat completions, messages and responses.
        let names = ["image_url", "image", "input_image"];
        let image =
            |part: Value| names.iter().any(|name| part.get("type").is_some_and(|k| k == name));
        let images = route.minds_images() && {
            let of = |name| self.get::<Vec<Value>>(name).ok().flatten().unwrap_or_default();
            of("messages").iter().chain(&of("input")).flat_map(parts).any(image)
        };
        Needs { tools: self.has_tools(), images }
    }

    pub(super) fn set(&mut self, name: &str, value: impl Serialize) -> Result<(), Failure> {
        let raw = to_raw_value(&value).map_err(|_| {
            Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong.")
        })?;
        self.0.insert(name.to_owned(), raw);
        Ok(())
    }

    /// Sets a member that the request leaves open.
    pub(super) fn set_absent(&mut self, name: &str, value: impl Serialize) -> Result<(), Failure> {
        match self.has(name) {
            true => Ok(()),
            false => self.set(name, value),
        }
    }

    /// All members as they came, in the order of their names.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, raw)| (name.as_str(), raw.get()))
    }

    /// All members.
    pub(super) fn as_members(&self) -> &Members {
        &self.0
    }

    /// The same, to be fitted to a model.
    pub(super) fn members_mut(&mut self) -> &mut Members {
        &mut self.0
    }

    /// A member as it came.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|raw| raw.get())
    }

    /// Names the provider's model and fills in what the model's settings say.
    pub(super) fn aim_at(&mut self, model: &ModelConfig) -> Result<(), Failure> {
        self.set("model", &model.model)?;
        let options = model.options_beside(|name| match name {
            "tools" => self.has(name) || self.has("functions"),
            "tool_choice" => self.has(name) || self.has("function_call"),
            name => self.has(name),
        });
        let limited = self.has("max_tokens") || self.has("max_completion_tokens");
        if model.kind == ModelKind::Chat {
            if let Some(tokens) = model.max_tokens.filter(|_| !limited) {
                self.set("max_tokens", tokens)?;
            }
            if let Some(temperature) = model.temperature.filter(|_| !self.has("temperature")) {
                self.set("temperature", temperature)?;
            }
        }
        options.into_iter().try_for_each(|(name, value)| self.set(name, value))
    }

    pub(super) fn to_bytes(&self) -> Result<Bytes, Failure> {
        serde_json::to_vec(&self.0).map(Bytes::from).map_err(|_| {
            Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong.")
        })
    }

    /// A chat completion's request as the ports take it.
    pub(super) fn chat_request(&self) -> Result<ChatRequest, Failure> {
        let other = match self.has("max_completion_tokens") {
            true => "max_tokens",
            false => "max_completion_tokens",
        };
        let left_out = [other, "stream", "stream_options"];
        let members = self.0.iter().filter(|(name, _)| !left_out.contains(&name.as_str()));
        read_as(&members.collect::<BTreeMap<_, _>>())
    }

    /// All members but one, which may be large.
    pub(super) fn without(&self, name: &str) -> Result<Value, Failure> {
        let members = self.0.iter().filter(|(member, _)| member.as_str() != name);
        read_as(&members.collect::<BTreeMap<_, _>>())
    }

    /// The whole request as a typed value.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        read_as(&self.0)
    }
}

fn read_as<T: DeserializeOwned>(members: &impl Serialize) -> Result<T, Failure> {
    let refuse = |error: serde_json::Error| {
        let misread = Misread::of(&error);
        let message = format!("The request is not valid: {misread}.");
        Failure::bad_request("invalid_request", message).about(&misread.member)
    };
    serde_json::from_slice(&serde_json::to_vec(members).map_err(refuse)?).map_err(refuse)
}
