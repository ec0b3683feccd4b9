//! A request in OpenAI's form as one of `generateContent`.

use serde_json::{Map, Value, json};

use crate::convert::{
    self, Format, Media, Part, ToolChoice, effort, own_members, parts, tool_call_id, tool_calls,
    tool_name,
};
use crate::{ChatMessage, ChatRequest, Endpoint, LlmError, Role};

/// Google's own word for calls that Gemini did not make itself.
const FOREIGN: &str = "skip_thought_signature_validator";

pub(super) async fn body(
    endpoint: &Endpoint,
    request: &ChatRequest,
) -> Result<Map<String, Value>, LlmError> {
    convert::check_tools(request)?;
    let mut body = own_members(request);
    body.insert("contents".to_owned(), contents(endpoint, request).await?);
    if let Some(system) = convert::system(request) {
        body.insert("systemInstruction".to_owned(), json!({ "parts": [{ "text": system }] }));
    }
    let tools: Vec<Value> = convert::tools(request).iter().map(declaration).collect();
    if !tools.is_empty() {
        body.insert("tools".to_owned(), json!([{ "functionDeclarations": tools }]));
        if let Some(choice) = convert::tool_choice(request) {
            let mode = match choice {
                ToolChoice::Auto => json!({ "mode": "AUTO" }),
                ToolChoice::Never => json!({ "mode": "NONE" }),
                ToolChoice::Some => json!({ "mode": "ANY" }),
                ToolChoice::One(name) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
            };
            body.insert("toolConfig".to_owned(), json!({ "functionCallingConfig": mode }));
        }
    }
    // What a model's settings say in Google's own words goes before.
    let own = body.remove("generationConfig");
    let mut config = generation(request);
    if let Some(Value::Object(own)) = own {
        config.extend(own);
    }
    body.insert("generationConfig".to_owned(), Value::Object(config));
    Ok(body)
}

/// Changes what a model or a server refuses in these words; whether there was anything to change.
pub(super) fn give_way(body: &mut Map<String, Value>, words: &str) -> bool {
    // Only some models think, and only Google itself takes the ids of calls.
    (words.to_lowercase().contains("thinking") && without_thinking(body))
        || (words.contains("Unknown name \"id\"") && without_ids(body))
}

fn without_thinking(body: &mut Map<String, Value>) -> bool {
    let config = body.get_mut("generationConfig").and_then(Value::as_object_mut);
    config.and_then(|config| config.remove("thinkingConfig")).is_some()
}

fn without_ids(body: &mut Map<String, Value>) -> bool {
    let turns = body.get_mut("contents").and_then(Value::as_array_mut).into_iter().flatten();
    let parts = turns.filter_map(|turn| turn.get_mut("parts")?.as_array_mut()).flatten();
    let mut found = false;
    for part in parts {
        for name in ["functionCall", "functionResponse"] {
            let member = part.get_mut(name).and_then(Value::as_object_mut);
            found |= member.and_then(|member| member.remove("id")).is_some();
        }
    }
    found
}

fn declaration(tool: &convert::Tool<'_>) -> Value {
    let mut value = json!({ "name": tool.name });
    if let Some(description) = tool.description {
        value["description"] = json!(description);
    }
    if let Some(parameters) = tool.parameters {
        // The plain JSON Schema; `parameters` would be Google's subset of OpenAPI.
        value["parametersJsonSchema"] = parameters.clone();
    }
    value
}

fn generation(request: &ChatRequest) -> Map<String, Value> {
    let mut config = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            config.insert(name.to_owned(), value);
        }
    };
    let member = |name: &str| request.extra.get(name).cloned();
    set("maxOutputTokens", request.max_tokens.map(Value::from));
    set("temperature", convert::temperature(request));
    set("topP", convert::top_p(request));
    set("topK", member("top_k"));
    // The API's seed is a signed number of 32 bits.
    set("seed", request.seed.map(|seed| json!(seed & 0x7fff_ffff)));
    set("presencePenalty", member("presence_penalty"));
    set("frequencyPenalty", member("frequency_penalty"));
    let stops = convert::stops(request);
    set("stopSequences", (!stops.is_empty()).then(|| json!(stops)));
    if let Some(format) = convert::format(request) {
        set("responseMimeType", Some(json!("application/json")));
        if let Format::Schema { schema, .. } = format {
            set("responseJsonSchema", Some(schema.clone()));
        }
    }
    set("thinkingConfig", thinking(request));
    config
}

/// Shows the thoughts of models that think, and puts OpenAI's `reasoning_effort` into their form.
fn thinking(request: &ChatRequest) -> Option<Value> {
    let generation = generation_of(&request.model)?;
    let effort = effort(request);
    if generation < 2.5 {
        return None;
    }
    let mut config = json!({ "includeThoughts": effort != Some("none") });
    match effort {
        Some(effort) if generation >= THIRD => {
            // It always thinks; this is the least.
            let level = match effort {
                "none" | "minimal" | "low" => "low",
                "medium" => "medium",
                _ => "high",
            };
            config["thinkingLevel"] = json!(level);
        }
        Some(effort) => {
            let budget = match effort {
                // The largest cannot do without.
                "none" if request.model.contains("-pro") => 128,
                "none" => 0,
                "minimal" | "low" => 1024,
                "medium" => 8192,
                _ => 24_576,
            };
            config["thinkingBudget"] = json!(budget);
        }
        None => {}
    }
    Some(config)
}

/// The first of those that want signatures, name their calls and think by levels.
const THIRD: f32 = 3.0;

/// The number in a name such as `gemini-2.5-flash`. A name without one, as `gemini-flash-latest`, is
/// that of a model of the present.
fn generation_of(model: &str) -> Option<f32> {
    let name = super::bare(model).strip_prefix("gemini-")?;
    let number: Option<f32> = name.split('-').next()?.parse().ok();
    number.or_else(|| name.ends_with("-latest").then_some(THIRD))
}

fn is_third(model: &str) -> bool {
    generation_of(model).is_some_and(|generation| generation >= THIRD)
}

async fn contents(endpoint: &Endpoint, request: &ChatRequest) -> Result<Value, LlmError> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in convert::in_order(request) {
        let (role, parts) = match message.role {
            Role::System => continue,
            Role::Assistant => {
                let mut parts = said(endpoint, message).await?;
                parts.extend(calls(request, message));
                ("model", parts)
            }
            Role::Tool => ("user", vec![result(request, message)]),
            Role::User => ("user", said(endpoint, message).await?),
        };
        match turns.last_mut().filter(|(last, _)| *last == role) {
            Some((_, last)) => last.extend(parts),
            None => turns.push((role, parts)),
        }
    }
    let turns = turns.into_iter().filter(|(_, parts)| !parts.is_empty());
    Ok(turns.map(|(role, parts)| json!({ "role": role, "parts": parts })).collect())
}

async fn said(endpoint: &Endpoint, message: &ChatMessage) -> Result<Vec<Value>, LlmError> {
    let mut said = Vec::new();
    for part in parts(message.content.as_ref())? {
        said.push(match part {
            Part::Text(text) => json!({ "text": text }),
            Part::Image(media) | Part::File(media @ Media::Inline { .. }) => {
                let (kind, data) = media.load(endpoint).await?;
                json!({ "inlineData": { "mimeType": kind, "data": data } })
            }
            Part::File(Media::Remote(url)) => json!({ "fileData": { "fileUri": url } }),
        });
    }
    Ok(said)
}

fn calls(request: &ChatRequest, message: &ChatMessage) -> Vec<Value> {
    let is_third = is_third(&request.model);
    let calls = tool_calls(message).into_iter().enumerate();
    calls
        .map(|(position, call)| {
            let mut function = json!({ "name": call.name, "args": call.object() });
            if is_third && !call.id.is_empty() {
                function["id"] = json!(call.id);
            }
            let mut part = json!({ "functionCall": function });
            if let Some(signature) = call.extra("google", "thought_signature") {
                part["thoughtSignature"] = signature.clone();
            } else if is_third && position == 0 {
                part["thoughtSignature"] = json!(FOREIGN);
            }
            part
        })
        .collect()
}

fn result(request: &ChatRequest, message: &ChatMessage) -> Value {
    let text = message.content.as_ref().map(crate::Content::text).unwrap_or_default();
    let response = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(members)) => Value::Object(members),
        _ => json!({ "result": text }),
    };
    let (id, name) = (tool_call_id(message), tool_name(request, message));
    let mut function = json!({ "name": name, "response": response });
    if is_third(&request.model) && !id.is_empty() {
        function["id"] = json!(id);
    }
    json!({ "functionResponse": function })
}
