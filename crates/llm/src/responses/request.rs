//! A request in the form of chat completions as one of the Responses API.

use serde_json::{Map, Value, json};

use crate::convert::{
    self, Format, Media, Part, ToolChoice, effort, own_members, parts, tool_call_id, tool_calls,
};
use crate::{ChatMessage, ChatRequest, LlmError, Role};

/// Members that mean the same in both.
pub(super) const SAME: [&str; 9] = [
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "top_logprobs",
    "truncation",
    "user",
];

pub(super) fn body(request: &ChatRequest) -> Result<Map<String, Value>, LlmError> {
    let mut body = own_members(request);
    for name in SAME {
        if let Some(value) = request.extra.get(name).filter(|value| !value.is_null()) {
            body.insert(name.to_owned(), value.clone());
        }
    }
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    set("model", Some(json!(request.model)));
    set("input", Some(input(request)?));
    set("stream", Some(json!(true)));
    set("store", Some(json!(false)));
    set("max_output_tokens", request.max_tokens.map(Value::from));
    set("temperature", convert::temperature(request));
    set("top_p", convert::top_p(request));
    set("text", text(request));
    let reasoning = effort(request).map(|effort| json!({ "effort": effort, "summary": "auto" }));
    set("reasoning", reasoning);
    let tools: Vec<Value> = convert::tools(request).iter().map(tool).collect();
    if !tools.is_empty() {
        set("tools", Some(json!(tools)));
        let choice = convert::tool_choice(request).map(|choice| match choice {
            ToolChoice::Auto => json!("auto"),
            ToolChoice::Never => json!("none"),
            ToolChoice::Some => json!("required"),
            ToolChoice::One(name) => json!({ "type": "function", "name": name }),
        });
        set("tool_choice", choice);
    }
    Ok(body)
}

fn tool(tool: &convert::Tool<'_>) -> Value {
    json!({
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters.cloned().unwrap_or_else(|| json!({ "type": "object" })),
        // Here the default would be strict.
        "strict": tool.strict.unwrap_or(false),
    })
}

fn text(request: &ChatRequest) -> Option<Value> {
    let mut text = Map::new();
    match convert::format(request) {
        Some(Format::Json) => {
            text.insert("format".to_owned(), json!({ "type": "json_object" }));
        }
        Some(Format::Schema { name, schema, strict }) => {
            let mut format = json!({ "type": "json_schema", "name": name, "schema": schema });
            if let Some(strict) = strict {
                format["strict"] = json!(strict);
            }
            text.insert("format".to_owned(), format);
        }
        None => {}
    }
    if let Some(verbosity) = request.extra.get("verbosity") {
        text.insert("verbosity".to_owned(), verbosity.clone());
    }
    (!text.is_empty()).then_some(Value::Object(text))
}

fn input(request: &ChatRequest) -> Result<Value, LlmError> {
    let mut items = Vec::new();
    for message in &request.messages {
        if message.role == Role::Tool {
            let output = message.content.as_ref().map(crate::Content::text).unwrap_or_default();
            let id = tool_call_id(message);
            items.push(json!({ "type": "function_call_output", "call_id": id, "output": output }));
            continue;
        }
        let content = content(message)?;
        if !content.is_empty() {
            let role = match message.role {
                Role::System => "system",
                Role::Assistant => "assistant",
                _ => "user",
            };
            items.push(json!({ "type": "message", "role": role, "content": content }));
        }
        for call in tool_calls(message) {
            items.push(json!({
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments,
            }));
        }
    }
    Ok(json!(items))
}

fn content(message: &ChatMessage) -> Result<Vec<Value>, LlmError> {
    let said = if message.role == Role::Assistant { "output_text" } else { "input_text" };
    let part = |part: Part<'_>| match part {
        Part::Text(text) => json!({ "type": said, "text": text }),
        Part::Image(media) => {
            json!({ "type": "input_image", "image_url": address(&media), "detail": "auto" })
        }
        Part::File(media @ Media::Inline { .. }) => {
            json!({ "type": "input_file", "filename": "file", "file_data": address(&media) })
        }
        Part::File(Media::Remote(url)) => json!({ "type": "input_file", "file_url": url }),
    };
    Ok(parts(message.content.as_ref())?.into_iter().map(part).collect())
}

fn address(media: &Media<'_>) -> String {
    match media {
        Media::Inline { kind, data } => format!("data:{kind};base64,{data}"),
        Media::Remote(url) => (*url).to_owned(),
    }
}
