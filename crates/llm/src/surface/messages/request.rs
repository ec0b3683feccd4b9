//! A request of the Messages API in OpenAI's form.

use serde_json::{Map, Value, json};

use super::super::BadRequest;
use super::super::read::At;
use super::turns::{messages, texts};
use crate::{ChatMessage, ChatRequest, Role};

/// A budget for thinking up to which it counts as low, and as medium.
const LOW_BUDGET: u64 = 4096;
const MEDIUM_BUDGET: u64 = 16_384;

/// The request in OpenAI's form.
pub fn request(body: &Value) -> Result<ChatRequest, BadRequest> {
    let at = At::root(body);
    for name in ["container", "mcp_servers"] {
        let wanted = at.get(name).filter(|member| member.value != &json!([]));
        if let Some(member) = wanted {
            return Err(
                member.refuse("is Anthropic's own; this model's provider has no such thing")
            );
        }
    }
    let mut conversation = Vec::new();
    if let Some(system) = at.get("system") {
        conversation.push(ChatMessage::text(Role::System, texts(&system)?));
    }
    messages(&at.need("messages")?, &mut conversation)?;
    let mut request = ChatRequest::new(at.text("model")?, conversation);
    request.max_tokens = at.read("max_tokens")?;
    request.temperature = at.read("temperature")?;
    request.top_p = at.read("top_p")?;
    request.stop = at.read::<Vec<String>>("stop_sequences")?.map(|stops| json!(stops));
    let extra = &mut request.extra;
    if let Some(top_k) = at.read::<u64>("top_k")? {
        extra.insert("top_k".to_owned(), json!(top_k));
    }
    if let Some(user) = at.get("metadata").and_then(|metadata| metadata.get("user_id")) {
        extra.insert("user".to_owned(), json!(user.as_text()?));
    }
    tools(&at, extra)?;
    if let Some(effort) = effort(&at)? {
        extra.insert("reasoning_effort".to_owned(), json!(effort));
    }
    if let Some(format) = format(&at)? {
        extra.insert("response_format".to_owned(), format);
    }
    Ok(request)
}

/// The member of a chat completion's request that one of these becomes; `None` for what is not known
/// and has no effect.
pub fn becomes(member: &str) -> Option<&str> {
    Some(match member {
        "max_tokens" | "messages" | "model" | "stream" | "temperature" | "tool_choice"
        | "tools" | "top_k" | "top_p" => member,
        "system" => "messages",
        "stop_sequences" => "stop",
        "metadata" => "user",
        "thinking" => "reasoning_effort",
        "output_config" | "output_format" => "response_format",
        _ => return None,
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
    let wanted = match choice.text("type")? {
        "auto" => json!("auto"),
        "none" => json!("none"),
        "any" => json!("required"),
        "tool" => json!({ "type": "function", "function": { "name": choice.text("name")? } }),
        other => return Err(choice.refuse(&format!("there is no choice '{other}'"))),
    };
    extra.insert("tool_choice".to_owned(), wanted);
    if choice.read("disable_parallel_tool_use")? == Some(true) {
        extra.insert("parallel_tool_calls".to_owned(), json!(false));
    }
    Ok(())
}

fn tool(tool: &At<'_>) -> Result<Value, BadRequest> {
    if let Some(kind) = tool.get("type").filter(|kind| kind.value != "custom") {
        let words = format!("this model's provider has no tool '{}'", kind.as_text()?);
        return Err(tool.refuse(&words));
    }
    let schema = tool.need("input_schema")?;
    let mut function = json!({ "name": tool.text("name")?, "parameters": schema.value });
    for name in ["description", "strict"] {
        if let Some(member) = tool.get(name) {
            function[name] = member.value.clone();
        }
    }
    Ok(json!({ "type": "function", "function": function }))
}

/// How hard the model has to think, in OpenAI's words.
fn effort(at: &At<'_>) -> Result<Option<&'static str>, BadRequest> {
    let named = at.get("output_config").and_then(|config| config.get("effort"));
    let named = match named.as_ref().map(At::as_text).transpose()? {
        Some("low") => Some("low"),
        Some("medium") => Some("medium"),
        // Anthropic's models alone know more than high.
        Some("high" | "xhigh" | "max") => Some("high"),
        _ => None,
    };
    let Some(thinking) = at.get("thinking") else { return Ok(named) };
    Ok(match thinking.text("type")? {
        "disabled" => Some("none"),
        "enabled" => match thinking.read::<u64>("budget_tokens")?.unwrap_or(MEDIUM_BUDGET) {
            budget if budget <= LOW_BUDGET => Some("low"),
            budget if budget <= MEDIUM_BUDGET => Some("medium"),
            _ => Some("high"),
        },
        _ => named.or(Some("medium")),
    })
}

/// The form that the answer has to have; the older member for it as well.
fn format(at: &At<'_>) -> Result<Option<Value>, BadRequest> {
    let config = at.get("output_config").and_then(|config| config.get("format"));
    let Some(format) = config.or_else(|| at.get("output_format")) else { return Ok(None) };
    match format.text("type")? {
        "json_schema" => {
            let schema = format.need("schema")?.value;
            Ok(Some(json!({ "type": "json_schema", "json_schema": {
                "name": "answer", "schema": schema, "strict": requires_all(schema),
            }})))
        }
        other => Err(format.refuse(&format!("there is no format '{other}'"))),
    }
}

/// Whether every object of a schema has all of its members, without which OpenAI takes none as
/// strict.
fn requires_all(schema: &Value) -> bool {
    match schema {
        Value::Array(schemas) => schemas.iter().all(requires_all),
        Value::Object(members) => {
            let required = members.get("required").and_then(Value::as_array);
            let properties = members.get("properties").and_then(Value::as_object);
            let whole = properties.is_none_or(|properties| {
                let is_required =
                    |name: &String| required.is_some_and(|all| all.iter().any(|n| n == name));
                members.get("additionalProperties") == Some(&json!(false))
                    && properties.keys().all(is_required)
            });
            whole && members.values().all(requires_all)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_strict_only_where_nothing_may_be_left_out() {
        let object = |required: Value| {
            json!({"type": "object", "properties": {"a": {"type": "string"}},
                "required": required, "additionalProperties": false})
        };
        assert!(requires_all(&object(json!(["a"]))));
        assert!(!requires_all(&object(json!([]))));
        let nested = json!({"type": "array", "items": object(json!([]))});
        assert!(!requires_all(&nested));
        assert!(requires_all(&json!({"anyOf": [{"type": "string"}, object(json!(["a"]))]})));
    }
}
