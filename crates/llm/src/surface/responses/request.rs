//! A request of the Responses API in OpenAI's older form.

use serde_json::{Map, Value, json};

use super::super::BadRequest;
use super::super::read::At;
use super::items::input;
use crate::{ChatMessage, ChatRequest, Role};

/// Members that mean the same in both.
const SAME: [&str; 8] = [
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "top_k",
    "user",
];

/// Refuses what would need answers to be kept here; the input is not looked at. `store` may be left
/// as it is: an answer says that it is not stored.
pub fn check(body: &Value) -> Result<(), BadRequest> {
    let at = At::root(body);
    for (name, instead) in [
        ("previous_response_id", "send the whole conversation as 'input'"),
        ("conversation", "send the whole conversation as 'input'"),
        ("prompt", "send 'instructions' and 'input'"),
    ] {
        if let Some(member) = at.get(name) {
            return Err(member.refuse(&format!("answers are not kept here; {instead}")));
        }
    }
    if at.read("background")? == Some(true) {
        let words = "answers are not kept here; leave it out and read the stream";
        return Err(at.need("background")?.refuse(words));
    }
    Ok(())
}

/// The request in the form of chat completions.
pub fn request(body: &Value) -> Result<ChatRequest, BadRequest> {
    let at = At::root(body);
    let mut messages = Vec::new();
    if let Some(instructions) = at.get("instructions") {
        messages.push(ChatMessage::text(Role::System, instructions.as_text()?));
    }
    input(&at.need("input")?, &mut messages)?;
    let mut request = ChatRequest::new(at.text("model")?, messages);
    request.max_tokens = at.read("max_output_tokens")?;
    request.temperature = at.read("temperature")?;
    request.top_p = at.read("top_p")?;
    let same = SAME.iter().filter_map(|&name| Some((name.to_owned(), at.get(name)?.value.clone())));
    request.extra = same.collect::<Map<_, _>>();
    let extra = &mut request.extra;
    tools(&at, extra)?;
    if let Some(effort) = at.get("reasoning").and_then(|reasoning| reasoning.get("effort")) {
        extra.insert("reasoning_effort".to_owned(), json!(effort.as_text()?));
    }
    if let Some(text) = at.get("text") {
        if let Some(verbosity) = text.get("verbosity") {
            extra.insert("verbosity".to_owned(), verbosity.value.clone());
        }
        if let Some(format) = text.get("format").map(|format| format_of(&format)).transpose()? {
            extra.extend(format.map(|format| ("response_format".to_owned(), format)));
        }
    }
    Ok(request)
}

/// The member of a chat completion's request that one of these becomes; `None` for what is not known
/// and has no effect.
pub fn becomes(member: &str) -> Option<&str> {
    Some(match member {
        "model" | "stream" | "temperature" | "tool_choice" | "tools" | "top_p" => member,
        // Every answer says that it is not stored.
        "input" | "instructions" | "store" => "messages",
        "max_output_tokens" => "max_tokens",
        "reasoning" => "reasoning_effort",
        "text" => "response_format",
        _ => SAME.contains(&member).then_some(member)?,
    })
}

fn tools(at: &At<'_>, extra: &mut Map<String, Value>) -> Result<(), BadRequest> {
    let Some(list) = at.get("tools") else { return Ok(()) };
    let tools: Vec<Value> = list.items()?.iter().map(tool).collect::<Result<_, _>>()?;
    if tools.is_empty() {
        return Ok(());
    }
    extra.insert("tools".to_owned(), json!(tools));
    let Some(choice) = at.get("tool_choice") else { return Ok(()) };
    let wanted = match choice.value.as_str() {
        Some(word @ ("auto" | "none" | "required")) => json!(word),
        Some(other) => return Err(choice.refuse(&format!("there is no choice '{other}'"))),
        None => match choice.text("type")? {
            "function" => named(&choice)?,
            "allowed_tools" => allowed(&choice)?,
            other => return Err(choice.refuse(&absent(other))),
        },
    };
    extra.insert("tool_choice".to_owned(), wanted);
    Ok(())
}

/// A function by its name.
fn named(choice: &At<'_>) -> Result<Value, BadRequest> {
    Ok(json!({ "type": "function", "function": { "name": choice.text("name")? } }))
}

/// Some of the tools, with an object around them as chat completions have it.
fn allowed(choice: &At<'_>) -> Result<Value, BadRequest> {
    let mode = match choice.text("mode")? {
        word @ ("auto" | "required") => word,
        other => return Err(choice.need("mode")?.refuse(&format!("there is no mode '{other}'"))),
    };
    let list = choice.need("tools")?.items()?;
    let tools = list.iter().map(|tool| match tool.text("type")? {
        "function" => named(tool),
        other => Err(tool.refuse(&absent(other))),
    });
    let tools = tools.collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "type": "allowed_tools", "allowed_tools": { "mode": mode, "tools": tools } }))
}

fn absent(tool: &str) -> String {
    format!("this model's provider has no tool '{tool}', only functions")
}

fn tool(tool: &At<'_>) -> Result<Value, BadRequest> {
    match tool.text("type")? {
        "function" => {}
        other => return Err(tool.refuse(&absent(other))),
    }
    let mut function = json!({ "name": tool.text("name")? });
    for name in ["description", "parameters", "strict"] {
        if let Some(member) = tool.get(name) {
            function[name] = member.value.clone();
        }
    }
    Ok(json!({ "type": "function", "function": function }))
}

fn format_of(format: &At<'_>) -> Result<Option<Value>, BadRequest> {
    match format.text("type")? {
        "text" => Ok(None),
        "json_object" => Ok(Some(json!({ "type": "json_object" }))),
        "json_schema" => {
            let mut schema =
                json!({ "name": format.text("name")?, "schema": format.need("schema")?.value });
            for name in ["description", "strict"] {
                if let Some(member) = format.get(name) {
                    schema[name] = member.value.clone();
                }
            }
            Ok(Some(json!({ "type": "json_schema", "json_schema": schema })))
        }
        other => Err(format.refuse(&format!("there is no format '{other}'"))),
    }
}
