//! A request in the form of chat completions as one of the Responses API.

use serde_json::{Map, Value, json};

use super::SEALED;
use crate::convert::{
    self, Format, Media, Part, ToolCall, ToolChoice, effort, own_members, tool_call_id, tool_calls,
};
use crate::{ChatMessage, ChatRequest, Content, ContentPart, LlmError, Role};

/// Members that mean the same in both.
pub(super) const SAME: [&str; 8] = [
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "truncation",
    "user",
];

pub(super) fn body(request: &ChatRequest) -> Result<Map<String, Value>, LlmError> {
    convert::check_tools(request)?;
    let mut body = own_members(request);
    for name in SAME {
        if let Some(value) = request.extra.get(name).filter(|value| !value.is_null()) {
            body.insert(name.to_owned(), value.clone());
        }
    }
    let is_chosen = body.contains_key("include");
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
        // Between its calls a model that is not reminded of its reasoning begins anew.
        set("include", (!is_chosen).then(|| json!([SEALED])));
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
            let (id, output) = (tool_call_id(message), output(message)?);
            items.push(json!({ "type": "function_call_output", "call_id": id, "output": output }));
            continue;
        }
        let mut calls = tool_calls(message).into_iter().peekable();
        // What led to a turn stood before it.
        items.extend(calls.peek().and_then(reasoning).unwrap_or_default());
        let content = content(message)?;
        if !content.is_empty() {
            let role = match message.role {
                Role::System => "system",
                Role::Assistant => "assistant",
                _ => "user",
            };
            items.push(json!({ "type": "message", "role": role, "content": content }));
        }
        for (place, call) in calls.enumerate() {
            items.extend(reasoning(&call).filter(|_| place > 0).unwrap_or_default());
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

/// The reasoning that led to a call, as it came with it.
fn reasoning(call: &ToolCall<'_>) -> Option<Vec<Value>> {
    call.extra("openai", "reasoning")?.as_array().cloned()
}

/// What a tool gave: plain text where there is nothing else.
fn output(message: &ChatMessage) -> Result<Value, LlmError> {
    Ok(match &message.content {
        Some(Content::Parts(parts)) if parts.iter().any(is_media) => json!(content(message)?),
        said => json!(said.as_ref().map(Content::text).unwrap_or_default()),
    })
}

fn is_media(part: &ContentPart) -> bool {
    matches!(convert::part(part), Ok(Part::Image(_) | Part::File(_)))
}

fn content(message: &ChatMessage) -> Result<Vec<Value>, LlmError> {
    let said = if message.role == Role::Assistant { "output_text" } else { "input_text" };
    let text = |text: &str| json!({ "type": said, "text": text });
    let mut content = Vec::new();
    match &message.content {
        None => {}
        Some(Content::Text(words)) if words.is_empty() => {}
        Some(Content::Text(words)) => content.push(text(words)),
        Some(Content::Parts(parts)) => {
            for part in parts {
                content.extend(match convert::part(part)? {
                    Part::Text("") => None,
                    Part::Text(words) => Some(text(words)),
                    media => Some(attached(&media, part)),
                });
            }
        }
    }
    Ok(content)
}

/// A picture or a document, with what its part says of it.
fn attached(media: &Part<'_>, part: &ContentPart) -> Value {
    let said = |kind: &str, name: &str| match part {
        ContentPart::Other(value) => value.get(kind)?.get(name)?.as_str(),
        ContentPart::Text { .. } => None,
    };
    match media {
        Part::Text(text) => json!({ "type": "input_text", "text": text }),
        Part::Image(media) => json!({ "type": "input_image", "image_url": address(media),
            "detail": said("image_url", "detail").unwrap_or("auto") }),
        Part::File(media @ Media::Inline { .. }) => json!({ "type": "input_file",
            "filename": said("file", "filename").unwrap_or("file"), "file_data": address(media) }),
        Part::File(Media::Remote(url)) => json!({ "type": "input_file", "file_url": url }),
    }
}

fn address(media: &Media<'_>) -> String {
    match media {
        Media::Inline { kind, data } => format!("data:{kind};base64,{data}"),
        Media::Remote(url) => (*url).to_owned(),
    }
}
