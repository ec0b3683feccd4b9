//! Tools in OpenAI's form, their calls and their results.

use serde_json::{Map, Value};

use super::refused;
use crate::{ChatMessage, ChatRequest, LlmError, Role};

/// A tool that the model called in an earlier turn.
pub(crate) struct ToolCall<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    /// JSON text.
    pub(crate) arguments: &'a str,
    /// What the provider of this name gave along with the call.
    extra: Option<&'a Value>,
}

impl ToolCall<'_> {
    /// The arguments as an object; what is none becomes empty.
    pub(crate) fn object(&self) -> Map<String, Value> {
        serde_json::from_str(self.arguments).unwrap_or_default()
    }

    /// What the provider of this name gave along with the call.
    pub(crate) fn extra(&self, provider: &str, member: &str) -> Option<&Value> {
        self.extra?.get(provider)?.get(member)
    }
}

/// The tools that an assistant's message calls.
pub(crate) fn tool_calls(message: &ChatMessage) -> Vec<ToolCall<'_>> {
    let calls = message.extra.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
    calls
        .filter_map(|call| {
            let function = call.get("function")?;
            Some(ToolCall {
                id: call.get("id").and_then(Value::as_str).unwrap_or_default(),
                name: function.get("name")?.as_str()?,
                arguments: function.get("arguments").and_then(Value::as_str).unwrap_or("{}"),
                extra: call.get("extra_content"),
            })
        })
        .collect()
}

/// The id of the call whose result a tool's message is.
pub(crate) fn tool_call_id(message: &ChatMessage) -> &str {
    message.extra.get("tool_call_id").and_then(Value::as_str).unwrap_or_default()
}

/// The name of the tool whose result a message is, from the latest call before that it may answer.
pub(crate) fn tool_name<'a>(request: &'a ChatRequest, message: &'a ChatMessage) -> &'a str {
    let id = tool_call_id(message);
    let before = request.messages.iter().take_while(|before| !std::ptr::eq(*before, message));
    let called = before.flat_map(tool_calls).filter(|call| call.id == id).last();
    let called = called.map(|call| call.name);
    called.or_else(|| message.extra.get("name")?.as_str()).unwrap_or_default()
}

/// The messages, with the results of calls in the order of the calls: some protocols tell them apart
/// by nothing else.
pub(crate) fn in_order(request: &ChatRequest) -> Vec<&ChatMessage> {
    let mut messages: Vec<&ChatMessage> = request.messages.iter().collect();
    for turn in messages.chunk_by_mut(|_, next| next.role == Role::Tool) {
        let Some((calling, results)) = turn.split_first_mut() else { continue };
        let calls = tool_calls(calling);
        let place = |id: &str| calls.iter().position(|call| call.id == id);
        results.sort_by_key(|result| place(tool_call_id(result)).unwrap_or(calls.len()));
    }
    messages
}

/// A tool that the model may call.
pub(crate) struct Tool<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: Option<&'a str>,
    /// JSON Schema.
    pub(crate) parameters: Option<&'a Value>,
    pub(crate) strict: Option<bool>,
    /// The tool as it came.
    pub(crate) whole: &'a Value,
}

impl<'a> Tool<'a> {
    fn read(whole: &'a Value) -> Option<Self> {
        let function = whole.get("function")?;
        Some(Self {
            name: function.get("name")?.as_str()?,
            description: function.get("description").and_then(Value::as_str),
            parameters: function.get("parameters").filter(|schema| schema.is_object()),
            strict: function.get("strict").and_then(Value::as_bool),
            whole,
        })
    }

    /// A member that only some providers know, of the tool or of its function.
    pub(crate) fn extra(&self, name: &str) -> Option<&'a Value> {
        self.whole.get(name).or_else(|| self.whole.get("function")?.get(name))
    }
}

/// The tools of a request, among which it may let the model choose from some only.
pub(crate) fn tools(request: &ChatRequest) -> Vec<Tool<'_>> {
    let tools = request.extra.get("tools").and_then(Value::as_array).into_iter().flatten();
    let tools = tools.filter_map(Tool::read);
    match allowed(request).map(|allowed| &allowed["tools"]) {
        Some(Value::Array(allowed)) => {
            let is_allowed = |name: &str| allowed.iter().any(|one| one["function"]["name"] == name);
            tools.filter(|tool| is_allowed(tool.name)).collect()
        }
        _ => tools.collect(),
    }
}

/// Refuses tools that are no functions, and choices that are none of [`ToolChoice`]: without them
/// the answer would be another one.
pub(crate) fn check_tools(request: &ChatRequest) -> Result<(), LlmError> {
    let list = match request.extra.get("tools") {
        None | Some(Value::Null) => return Ok(()),
        Some(list) => list.as_array().ok_or_else(|| refused("tools: must be a list"))?,
    };
    for (place, tool) in list.iter().enumerate() {
        let kind = kind_of_tool(tool);
        if kind != "function" {
            let words = "this model's provider has no tool";
            return Err(refused(&format!("tools.{place}: {words} '{kind}', only functions")));
        }
        if Tool::read(tool).is_none() {
            return Err(refused(&format!("tools.{place}.function.name: is required")));
        }
    }
    let choice = request.extra.get("tool_choice").filter(|choice| !choice.is_null());
    match choice {
        Some(_) if !list.is_empty() && tool_choice(request).is_none() => Err(refused(
            "tool_choice: must be 'auto', 'none', 'required', a function or allowed tools",
        )),
        Some(_) if !list.is_empty() && tools(request).is_empty() => {
            Err(refused("tool_choice: allows none of the tools"))
        }
        _ => Ok(()),
    }
}

/// What a tool is; Google's have no type, but a member of that name.
fn kind_of_tool(tool: &Value) -> &str {
    let kind = tool.get("type").and_then(Value::as_str);
    let function = tool.get("function").map(|_| "function");
    let first = || tool.as_object()?.keys().next().map(String::as_str);
    kind.or(function).or_else(first).unwrap_or_default()
}

/// Whether the model has to call a tool.
#[derive(Debug, PartialEq)]
pub(crate) enum ToolChoice<'a> {
    Auto,
    Never,
    Some,
    One(&'a str),
}

/// What the request says of it.
pub(crate) fn tool_choice(request: &ChatRequest) -> Option<ToolChoice<'_>> {
    let choice = request.extra.get("tool_choice")?;
    let mode = allowed(request).map_or(choice, |allowed| &allowed["mode"]);
    match mode.as_str() {
        Some("auto") => Some(ToolChoice::Auto),
        Some("none") => Some(ToolChoice::Never),
        // Mistral's word is `any`.
        Some("required" | "any") => Some(ToolChoice::Some),
        _ => choice.get("function")?.get("name")?.as_str().map(ToolChoice::One),
    }
}

/// From which tools OpenAI's `allowed_tools` lets the model choose, and whether it has to.
fn allowed(request: &ChatRequest) -> Option<&Value> {
    let choice = request.extra.get("tool_choice")?;
    choice.get("allowed_tools").filter(|_| choice["type"] == "allowed_tools")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(value: Value) -> ChatRequest {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_tools_result_finds_the_name_of_its_call() {
        let request = request(json!({"model": "m", "messages": [
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "oops"}}]},
            {"role": "tool", "tool_call_id": "c2", "content": "2"},
            {"role": "tool", "tool_call_id": "c9", "name": "h", "content": "3"}]}));
        let calls = tool_calls(&request.messages[0]);
        assert_eq!(Value::Object(calls[0].object()), json!({"a": 1}));
        assert!(calls[1].object().is_empty());
        assert_eq!(tool_name(&request, &request.messages[1]), "g");
        assert_eq!(tool_name(&request, &request.messages[2]), "h");
    }

    #[test]
    fn results_come_in_the_order_of_their_calls_and_are_of_the_latest_call() {
        let calls = |names: [&str; 2]| {
            let call = |(id, name): (&str, &str)| {
                json!({"id": id, "type": "function",
                "function": {"name": name, "arguments": "{}"}})
            };
            let calls: Vec<Value> = ["c1", "c2"].into_iter().zip(names).map(call).collect();
            json!({"role": "assistant", "content": null, "tool_calls": calls})
        };
        let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": id});
        let request = request(json!({"model": "m", "messages": [
            calls(["f", "g"]), result("c2"), result("c9"), result("c1"),
            calls(["h", "i"]), result("c2"), result("c1"), {"role": "user", "content": "q"}]}));
        let ordered = in_order(&request);
        let results = ordered.iter().filter(|message| message.role == Role::Tool);
        let results: Vec<_> =
            results.map(|message| (tool_call_id(message), tool_name(&request, message))).collect();
        let expected = [("c1", "f"), ("c2", "g"), ("c9", ""), ("c1", "h"), ("c2", "i")];
        assert_eq!(results, expected);
        assert_eq!((ordered.len(), ordered[7].role), (8, Role::User));
    }

    #[test]
    fn tools_that_are_no_functions_are_refused_with_their_place() {
        let function = |name: &str| json!({"type": "function", "function": {"name": name}});
        let with = |tools: Value, choice: Value| {
            request(json!({"model": "m", "messages": [], "tools": tools, "tool_choice": choice}))
        };
        let only = |names: &[&str], mode: &str| {
            let tools: Vec<Value> = names.iter().map(|name| function(name)).collect();
            json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}})
        };
        let f = json!([function("f"), function("g")]);
        for (tools, choice, words) in [
            (
                json!([function("f"), {"type": "web_search"}]),
                Value::Null,
                "tools.1: this model's provider has no tool 'web_search', only functions",
            ),
            (json!([{"google_search": {}}]), Value::Null, "no tool 'google_search'"),
            (json!([{"type": "custom", "custom": {"name": "c"}}]), Value::Null, "no tool 'custom'"),
            (
                json!([{"type": "function", "name": "f"}]),
                Value::Null,
                "tools.0.function.name: is required",
            ),
            (json!({}), Value::Null, "tools: must be a list"),
            (f.clone(), json!("maybe"), "tool_choice: must be"),
            (f.clone(), json!({"type": "custom", "custom": {"name": "c"}}), "tool_choice: must be"),
            (f.clone(), only(&["x"], "auto"), "tool_choice: allows none"),
        ] {
            let error = check_tools(&with(tools, choice)).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        for choice in [Value::Null, json!("any"), function("f"), only(&["g"], "auto")] {
            assert!(check_tools(&with(f.clone(), choice)).is_ok());
        }
        // A choice without tools means nothing.
        assert!(check_tools(&with(json!([]), json!("maybe"))).is_ok());
        assert!(check_tools(&with(Value::Null, json!("maybe"))).is_ok());
    }

    #[test]
    fn of_all_tools_only_the_allowed_ones_are_shown() {
        let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
        let choice = |mode: &str| {
            json!({"type": "allowed_tools",
            "allowed_tools": {"mode": mode, "tools": [tool("g")]}})
        };
        for (mode, expected) in [("auto", ToolChoice::Auto), ("required", ToolChoice::Some)] {
            let request = request(json!({"model": "m", "messages": [],
                "tools": [tool("f"), tool("g")], "tool_choice": choice(mode)}));
            let names: Vec<_> = tools(&request).iter().map(|tool| tool.name).collect();
            assert_eq!((names, tool_choice(&request)), (vec!["g"], Some(expected)));
        }
    }
}
