//! A request in OpenAI's form as one of `generateContent`.

use serde_json::{Map, Value, json};

use crate::convert::{
    self, Format, Media, Part, ToolChoice, effort, own_members, parts, tool_calls, tool_name,
};
use crate::{ChatMessage, ChatRequest, Endpoint, LlmError, Role};

/// Google's own word for calls that Gemini did not make itself.
const FOREIGN: &str = "skip_thought_signature_validator";

pub(super) async fn body(
    endpoint: &Endpoint,
    request: &ChatRequest,
) -> Result<Map<String, Value>, LlmError> {
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
        Some(effort) if generation >= 3.0 => {
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

/// The number in a name such as `gemini-2.5-flash`.
fn generation_of(model: &str) -> Option<f32> {
    super::bare(model).strip_prefix("gemini-")?.split('-').next()?.parse().ok()
}

async fn contents(endpoint: &Endpoint, request: &ChatRequest) -> Result<Value, LlmError> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in request.messages.iter().filter(|message| message.role != Role::System) {
        let (role, parts) = match message.role {
            Role::Assistant => {
                let mut parts = said(endpoint, message).await?;
                parts.extend(calls(request, message));
                ("model", parts)
            }
            Role::Tool => ("user", vec![result(request, message)]),
            _ => ("user", said(endpoint, message).await?),
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
    let wants_signature = generation_of(&request.model).is_some_and(|generation| generation >= 3.0);
    let calls = tool_calls(message).into_iter().enumerate();
    calls
        .map(|(position, call)| {
            let function = json!({ "name": call.name, "args": call.object() });
            let mut part = json!({ "functionCall": function });
            if let Some(signature) = call.extra("google", "thought_signature") {
                part["thoughtSignature"] = signature.clone();
            } else if wants_signature && position == 0 {
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
    let name = tool_name(request, message);
    json!({ "functionResponse": { "name": name, "response": response } })
}
