//! A request in OpenAI's form as one of the Messages API.

use serde_json::{Map, Value, json};

use crate::chat::decimal;
use crate::convert::{
    self, Format, Media, Part, ToolChoice, effort, own_members, parts, tool_call_id, tool_calls,
};
use crate::{ChatMessage, ChatRequest, Content, ContentPart, LlmError, Role};

/// What a part says of the provider's cache, by the provider's own name.
const CACHE: &str = "cache_control";
/// Below this the API takes no budget for thinking.
const LEAST_BUDGET: u32 = 1024;

pub(super) fn body(request: &ChatRequest) -> Result<Map<String, Value>, LlmError> {
    let mut body = own_members(request);
    body.insert("model".to_owned(), json!(request.model));
    body.insert("stream".to_owned(), json!(true));
    body.insert("messages".to_owned(), messages(request)?);
    if let Some(system) = system(request)? {
        body.insert("system".to_owned(), system);
    }
    let stops: Vec<String> =
        convert::stops(request).into_iter().filter(|stop| !stop.trim().is_empty()).collect();
    if !stops.is_empty() {
        body.insert("stop_sequences".to_owned(), json!(stops));
    }
    if let Some(user) = request.extra.get("user").and_then(Value::as_str) {
        body.entry("metadata").or_insert_with(|| json!({ "user_id": user }));
    }
    tools(request, &mut body);
    let mut limit = request.max_tokens.unwrap_or_else(|| usual_limit(&request.model));
    think(request, &mut body, &mut limit);
    body.insert("max_tokens".to_owned(), json!(limit));
    sample(request, &mut body);
    if let Some(Format::Schema { schema, .. }) = convert::format(request) {
        output(&mut body, "format", json!({ "type": "json_schema", "schema": schema }));
    }
    Ok(body)
}

/// The system messages: one text, or blocks where a part of them says something of the cache.
fn system(request: &ChatRequest) -> Result<Option<Value>, LlmError> {
    // The API has schemas only.
    let wish = matches!(convert::format(request), Some(Format::Json))
        .then_some("Answer with one JSON object and nothing else.");
    let messages = request.messages.iter().filter(|message| message.role == Role::System);
    if messages.clone().any(|message| cached_parts(message).next().is_some()) {
        let mut all = Vec::new();
        for message in messages {
            all.extend(blocks(message)?);
        }
        all.extend(wish.map(|wish| json!({ "type": "text", "text": wish })));
        return Ok(Some(json!(all)));
    }
    let texts: Vec<String> =
        convert::system(request).into_iter().chain(wish.map(str::to_owned)).collect();
    Ok((!texts.is_empty()).then(|| json!(texts.join("\n\n"))))
}

/// The API wants a limit always; as much as the model can where nobody named one.
fn usual_limit(model: &str) -> u32 {
    match model {
        _ if model.starts_with("claude-3-5") => 8192,
        _ if model.starts_with("claude-3-7") => 64_000,
        _ if model.starts_with("claude-3") => 4096,
        _ => 32_000,
    }
}

fn sample(request: &ChatRequest, body: &mut Map<String, Value>) {
    let thinks = body.get("thinking").is_some_and(|thinking| thinking["type"] != "disabled");
    if thinks {
        // Thinking goes with the model's own sampling only.
        return;
    }
    if let Some(temperature) = request.temperature {
        body.insert("temperature".to_owned(), json!(decimal(temperature.clamp(0.0, 1.0))));
    } else if let Some(top_p) = convert::top_p(request) {
        // The newer models take one of the two.
        body.insert("top_p".to_owned(), top_p);
    }
    if let Some(top_k) = request.extra.get("top_k") {
        body.insert("top_k".to_owned(), top_k.clone());
    }
}

/// Sets a member of `output_config`, beside those that the request brought along.
fn output(body: &mut Map<String, Value>, name: &str, value: Value) {
    let mut config = match body.remove("output_config") {
        Some(Value::Object(config)) => config,
        _ => Map::new(),
    };
    config.insert(name.to_owned(), value);
    body.insert("output_config".to_owned(), Value::Object(config));
}

/// Puts OpenAI's `reasoning_effort` into the model's own form.
fn think(request: &ChatRequest, body: &mut Map<String, Value>, limit: &mut u32) {
    if lacks_thinking(request) {
        // A turn that calls tools has to come back with its thinking, or with thinking off.
        body.remove("thinking");
        return;
    }
    let Some(effort) = effort(request).filter(|_| !body.contains_key("thinking")) else { return };
    if effort == "none" {
        return;
    }
    if adapts(&request.model) {
        let effort = if effort == "minimal" { "low" } else { effort };
        body.insert("thinking".to_owned(), json!({ "type": "adaptive", "display": "summarized" }));
        output(body, "effort", json!(effort));
        return;
    }
    let budget = match effort {
        "minimal" | "low" => LEAST_BUDGET,
        "medium" => 8192,
        _ => 24_576,
    };
    // The limit counts the thinking, and has to be above it.
    *limit = (*limit).max(LEAST_BUDGET * 2);
    let budget = budget.min(*limit / 2);
    body.insert("thinking".to_owned(), json!({ "type": "enabled", "budget_tokens": budget }));
}

/// Whether the model decides by itself how much to think: all since 4.6.
fn adapts(model: &str) -> bool {
    let older = |family: &str| {
        let version = model.strip_prefix(family)?;
        let minor = version.strip_prefix("-4")?.strip_prefix('-').unwrap_or("0");
        let minor = minor.split('-').next()?.parse::<u32>().ok()?;
        // A date in place of a minor version: the first of its family.
        Some(minor <= 5 || minor > 1000)
    };
    let families = ["claude-opus", "claude-sonnet", "claude-haiku"];
    model.starts_with("claude-")
        && !model.starts_with("claude-3")
        && !families.into_iter().filter_map(older).any(|older| older)
}

/// Whether the last turn of tool calls has come back without the thinking before it.
fn lacks_thinking(request: &ChatRequest) -> bool {
    let last = request.messages.iter().rev().take_while(|message| message.role != Role::User);
    let turns = last.filter(|message| message.role == Role::Assistant);
    turns.map(tool_calls).any(|calls| {
        calls.first().is_some_and(|call| call.extra("anthropic", "thinking").is_none())
    })
}

fn tools(request: &ChatRequest, body: &mut Map<String, Value>) {
    let tools = convert::tools(request).into_iter().map(|tool| {
        let schema = tool.parameters.cloned();
        let mut value = json!({
            "name": tool.name,
            "input_schema": schema.unwrap_or_else(|| json!({ "type": "object" })),
        });
        if let Some(description) = tool.description {
            value["description"] = json!(description);
        }
        if tool.strict == Some(true) {
            value["strict"] = json!(true);
        }
        value
    });
    let tools: Vec<Value> = tools.collect();
    if tools.is_empty() {
        return;
    }
    body.insert("tools".to_owned(), json!(tools));
    let mut choice = match convert::tool_choice(request) {
        Some(ToolChoice::Never) => json!({ "type": "none" }),
        Some(ToolChoice::Some) => json!({ "type": "any" }),
        Some(ToolChoice::One(name)) => json!({ "type": "tool", "name": name }),
        Some(ToolChoice::Auto) | None => json!({ "type": "auto" }),
    };
    let one_at_a_time = request.extra.get("parallel_tool_calls") == Some(&json!(false));
    if one_at_a_time && choice["type"] != "none" {
        choice["disable_parallel_tool_use"] = json!(true);
    }
    if one_at_a_time || choice["type"] != "auto" {
        body.insert("tool_choice".to_owned(), choice);
    }
}

/// The conversation in turns: neighbours of one role become one message, as the API wants the
/// results of all tools together.
fn messages(request: &ChatRequest) -> Result<Value, LlmError> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in request.messages.iter().filter(|message| message.role != Role::System) {
        let (role, blocks) = match message.role {
            Role::Assistant => ("assistant", answer(message)?),
            Role::Tool => ("user", vec![result(message)?]),
            _ => ("user", blocks(message)?),
        };
        match turns.last_mut().filter(|(last, _)| *last == role) {
            Some((_, last)) => last.extend(blocks),
            None => turns.push((role, blocks)),
        }
    }
    let turns = turns.into_iter().filter(|(_, blocks)| !blocks.is_empty());
    Ok(turns.map(|(role, blocks)| json!({ "role": role, "content": blocks })).collect())
}

fn answer(message: &ChatMessage) -> Result<Vec<Value>, LlmError> {
    let calls = tool_calls(message);
    let mut said = blocks(message)?;
    let mut turn = Vec::new();
    for call in &calls {
        // The thinking goes before what it led to: the text first, then the call.
        let thinking = call.extra("anthropic", "thinking").and_then(Value::as_array);
        turn.extend(thinking.into_iter().flatten().cloned());
        turn.append(&mut said);
        let input = call.object();
        let block = json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input });
        turn.push(block);
    }
    turn.append(&mut said);
    Ok(turn)
}

fn result(message: &ChatMessage) -> Result<Value, LlmError> {
    let id = tool_call_id(message);
    Ok(json!({ "type": "tool_result", "tool_use_id": id, "content": blocks(message)? }))
}

fn blocks(message: &ChatMessage) -> Result<Vec<Value>, LlmError> {
    let Some(Content::Parts(all)) = &message.content else {
        return Ok(parts(message.content.as_ref())?.into_iter().map(block).collect());
    };
    let mut blocks = Vec::new();
    for part in all {
        let read = convert::part(part)?;
        if read == Part::Text("") {
            continue;
        }
        let mut block = block(read);
        if let Some(mark) = part.extra(CACHE) {
            block[CACHE] = mark.clone();
        }
        blocks.push(block);
    }
    Ok(blocks)
}

fn block(part: Part<'_>) -> Value {
    match part {
        Part::Text(text) => json!({ "type": "text", "text": text }),
        Part::Image(media) => json!({ "type": "image", "source": source(&media) }),
        Part::File(media) => json!({ "type": "document", "source": source(&media) }),
    }
}

/// The parts of a message up to which the provider is to cache the prompt.
fn cached_parts(message: &ChatMessage) -> impl Iterator<Item = &ContentPart> {
    let parts = match &message.content {
        Some(Content::Parts(parts)) => parts.as_slice(),
        _ => &[],
    };
    parts.iter().filter(|part| part.extra(CACHE).is_some())
}

fn source(media: &Media<'_>) -> Value {
    match media {
        Media::Inline { kind, data } => {
            json!({ "type": "base64", "media_type": kind, "data": data })
        }
        Media::Remote(url) => json!({ "type": "url", "url": url }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_models_that_think_as_they_like_are_known() {
        for model in [
            "claude-opus-4-6",
            "claude-sonnet-4-6",
            "claude-opus-4-7",
            "claude-sonnet-5",
            "claude-x",
        ] {
            assert!(adapts(model), "{model}");
        }
        for model in [
            "claude-3-7-sonnet-20250219",
            "claude-opus-4-20250514",
            "claude-opus-4-1-20250805",
            "claude-sonnet-4-5",
            "claude-haiku-4-5-20251001",
            "claude-opus-4",
            "another",
        ] {
            assert!(!adapts(model), "{model}");
        }
    }
}
