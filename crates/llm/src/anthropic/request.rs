//! A request in OpenAI's form as one of the Messages API.

use serde_json::{Map, Value, json};

use super::schema;
use super::turns::{CACHE, instructions, is_marked, mark, messages};
use crate::chat::decimal;
use crate::convert::{self, Format, ToolChoice, effort, own_members, tool_calls};
use crate::{ChatRequest, LlmError, Role};

/// Below this the API takes no budget for thinking.
const LEAST_BUDGET: u32 = 1024;
/// The API has schemas only.
const JSON: &str = "Answer with one JSON object and nothing else.";

pub(super) fn body(request: &ChatRequest) -> Result<Map<String, Value>, LlmError> {
    convert::check_tools(request)?;
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
    match convert::format(request) {
        Some(Format::Json) => instruct(&mut body, JSON),
        Some(Format::Schema { schema, .. }) => match schema::fit(schema) {
            Some(schema) => {
                output(&mut body, "format", json!({ "type": "json_schema", "schema": schema }));
            }
            None => instruct(&mut body, &by_schema(schema)),
        },
        None => {}
    }
    Ok(body)
}

/// Changes what a model refuses in these words; whether there was anything to change.
pub(super) fn give_way(body: &mut Map<String, Value>, words: &str) -> bool {
    const FORMAT: [&str; 6] = [
        "output_config",
        "output_format",
        "output format",
        "structured output",
        "compiled grammar",
        "too complex",
    ];
    let words = words.to_lowercase();
    let says = |word: &str| words.contains(word);
    // Newer models choose these by themselves.
    let sampling = ["temperature", "top_p", "top_k"];
    sampling.into_iter().any(|name| says(name) && body.remove(name).is_some())
        || (says("thinking") && body.remove("thinking").is_some())
        || (says("effort") && without_output(body, "effort").is_some())
        || (FORMAT.into_iter().any(says) && instead_of_format(body))
        || (says("output_config") && body.remove("output_config").is_some())
        || (says("strict") && loosen(body))
}

/// The system messages: one text, or blocks where one of them says something of the cache.
fn system(request: &ChatRequest) -> Result<Option<Value>, LlmError> {
    let messages = request.messages.iter().filter(|message| message.role == Role::System);
    if messages.clone().any(is_marked) {
        let mut all = Vec::new();
        for message in messages {
            all.extend(instructions(message)?);
        }
        return Ok((!all.is_empty()).then(|| json!(all)));
    }
    Ok(convert::system(request).filter(|text| !text.trim().is_empty()).map(Value::from))
}

/// Adds to what the system messages say.
fn instruct(body: &mut Map<String, Value>, words: &str) {
    match body.get_mut("system") {
        Some(Value::Array(blocks)) => blocks.push(json!({ "type": "text", "text": words })),
        Some(Value::String(text)) => {
            text.push_str("\n\n");
            text.push_str(words);
        }
        _ => drop(body.insert("system".to_owned(), json!(words))),
    }
}

fn by_schema(schema: &Value) -> String {
    format!(
        "Answer with JSON by this JSON Schema and nothing else, not even a code fence:\n{schema}"
    )
}

/// Asks in words for what the model cannot be held to.
fn instead_of_format(body: &mut Map<String, Value>) -> bool {
    let format = without_output(body, "format");
    if let Some(schema) = format.as_ref().and_then(|format| format.get("schema")) {
        instruct(body, &by_schema(schema));
    }
    format.is_some()
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

/// Takes a member of `output_config` away.
fn without_output(body: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let config = body.get_mut("output_config")?.as_object_mut()?;
    let removed = config.remove(name);
    if config.is_empty() {
        body.remove("output_config");
    }
    removed
}

/// Puts OpenAI's `reasoning_effort` into the model's own form.
fn think(request: &ChatRequest, body: &mut Map<String, Value>, limit: &mut u32) {
    let is_chosen = body.contains_key("thinking");
    let effort = effort(request).filter(|effort| *effort != "none" && !is_chosen);
    if let Some(effort) = effort.filter(|_| adapts(&request.model)) {
        let effort = if effort == "minimal" { "low" } else { effort };
        body.insert("thinking".to_owned(), json!({ "type": "adaptive", "display": "summarized" }));
        output(body, "effort", json!(effort));
        return;
    }
    if forces_tool(body) || began_without_thinking(request) {
        // Neither goes with a budget.
        if body.get("thinking").is_some_and(|thinking| thinking["type"] == "enabled") {
            body.remove("thinking");
        }
        return;
    }
    let Some(effort) = effort else { return };
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

fn forces_tool(body: &Map<String, Value>) -> bool {
    let choice = body.get("tool_choice").and_then(|choice| choice["type"].as_str());
    matches!(choice, Some("any" | "tool"))
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

/// Whether the calls since the person's last words began without thinking, or have come back
/// without it. All of them are one turn to the API, whose later steps may do without.
fn began_without_thinking(request: &ChatRequest) -> bool {
    let steps = request.messages.iter().rev().take_while(|message| message.role != Role::User);
    let first = steps.filter(|message| message.role == Role::Assistant).last();
    first.map(tool_calls).is_some_and(|calls| {
        calls.first().is_some_and(|call| call.extra("anthropic", "thinking").is_none())
    })
}

fn tools(request: &ChatRequest, body: &mut Map<String, Value>) {
    let tools: Vec<Value> = convert::tools(request).iter().map(tool).collect();
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

fn tool(tool: &convert::Tool<'_>) -> Value {
    // The model can be held to some schemas only.
    let strict = tool.parameters.filter(|_| tool.strict == Some(true)).and_then(schema::fit);
    let is_strict = strict.is_some();
    let schema = strict.or_else(|| tool.parameters.cloned());
    let mut value = json!({
        "name": tool.name,
        "input_schema": schema.unwrap_or_else(|| json!({ "type": "object" })),
    });
    if let Some(description) = tool.description {
        value["description"] = json!(description);
    }
    if is_strict {
        value["strict"] = json!(true);
    }
    mark(&mut value, tool.extra(CACHE));
    value
}

/// Lets the model call its tools as it likes.
fn loosen(body: &mut Map<String, Value>) -> bool {
    let tools = body.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten();
    let tools = tools.filter_map(Value::as_object_mut);
    tools.filter_map(|tool| tool.remove("strict")).count() > 0
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
