//! A request in OpenAI's form as one of `/api/chat`.

use serde_json::{Map, Value, json};

use crate::convert::{
    self, Format, Media, Part, effort, own_members, parts, refused, tool_calls, tool_name,
};
use crate::{ChatMessage, ChatRequest, Endpoint, LlmError, Role};

pub(super) async fn body(
    endpoint: &Endpoint,
    request: &ChatRequest,
) -> Result<Map<String, Value>, LlmError> {
    convert::check_tools(request)?;
    let mut body = own_members(request);
    let mut messages = Vec::with_capacity(request.messages.len());
    for message in convert::in_order(request) {
        messages.push(self::message(endpoint, request, message).await?);
    }
    body.insert("model".to_owned(), json!(request.model));
    body.insert("messages".to_owned(), json!(messages));
    body.insert("stream".to_owned(), json!(true));
    // The API takes tools in OpenAI's form, and always leaves the choice to the model.
    let unwanted = convert::tool_choice(request) == Some(convert::ToolChoice::Never);
    let tools: Vec<&Value> = convert::tools(request).iter().map(|tool| tool.whole).collect();
    if !tools.is_empty() && !unwanted {
        body.insert("tools".to_owned(), json!(tools));
    }
    match convert::format(request) {
        Some(Format::Json) => drop(body.insert("format".to_owned(), json!("json"))),
        Some(Format::Schema { schema, .. }) => {
            body.insert("format".to_owned(), schema.clone());
        }
        None => {}
    }
    if let Some(effort) = effort(request).filter(|_| !body.contains_key("think")) {
        body.insert("think".to_owned(), think(&request.model, effort));
    }
    // What a model's settings say in Ollama's own words goes before.
    let own = body.remove("options");
    let mut options = options(request);
    if let Some(Value::Object(own)) = own {
        options.extend(own);
    }
    if !options.is_empty() {
        body.insert("options".to_owned(), Value::Object(options));
    }
    Ok(body)
}

/// Only gpt-oss knows levels, which the others refuse.
fn think(model: &str, effort: &str) -> Value {
    match effort {
        "none" => json!(false),
        _ if !model.to_ascii_lowercase().contains("gpt-oss") => json!(true),
        "minimal" | "low" => json!("low"),
        "medium" => json!("medium"),
        _ => json!("high"),
    }
}

/// Asks for thinking without a level where there was one, else for no more than the model does by
/// itself; whether there was anything to change.
pub(super) fn think_less(body: &mut Map<String, Value>) -> bool {
    let refused = body.remove("think");
    if let Some(Value::String(_)) = refused {
        body.insert("think".to_owned(), json!(true));
    }
    refused.is_some()
}

fn options(request: &ChatRequest) -> Map<String, Value> {
    let mut options = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            options.insert(name.to_owned(), value);
        }
    };
    set("num_predict", request.max_tokens.map(Value::from));
    set("temperature", convert::temperature(request));
    set("top_p", convert::top_p(request));
    set("top_k", request.extra.get("top_k").cloned());
    set("seed", request.seed.map(Value::from));
    set("presence_penalty", request.extra.get("presence_penalty").cloned());
    set("frequency_penalty", request.extra.get("frequency_penalty").cloned());
    let stops = convert::stops(request);
    set("stop", (!stops.is_empty()).then(|| json!(stops)));
    options
}

async fn message(
    endpoint: &Endpoint,
    request: &ChatRequest,
    message: &ChatMessage,
) -> Result<Value, LlmError> {
    let mut texts = Vec::new();
    let mut images = Vec::new();
    for part in parts(message.content.as_ref())? {
        match part {
            Part::Text(text) => texts.push(text),
            Part::Image(media) => images.push(media.load(endpoint).await?.1),
            Part::File(Media::Inline { .. } | Media::Remote(_)) => {
                return Err(refused("this provider takes no files"));
            }
        }
    }
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut value = json!({ "role": role, "content": texts.join("\n") });
    if !images.is_empty() {
        value["images"] = json!(images);
    }
    let calls = tool_calls(message)
        .into_iter()
        .map(|call| json!({ "function": { "name": call.name, "arguments": call.object() } }));
    let calls: Vec<Value> = calls.collect();
    if !calls.is_empty() {
        value["tool_calls"] = json!(calls);
    }
    if message.role == Role::Tool {
        value["tool_name"] = json!(tool_name(request, message));
    }
    Ok(value)
}
