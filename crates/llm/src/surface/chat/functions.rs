//! OpenAI's older words for tools: `functions`, `function_call` and messages of the role `function`.

use serde_json::{Value, json};

use super::super::BadRequest;
use super::super::read::At;
use crate::convert::{tool_call_id, tool_calls};
use crate::{ChatMessage, ChatRequest, Role};

/// The request in the words of today, whatever its own are.
pub fn request(mut request: ChatRequest) -> Result<ChatRequest, BadRequest> {
    let mut is_older = tools(&mut request)?;
    // The ids and names of the calls of the latest turn that have no result yet.
    let mut open: Vec<(String, String)> = Vec::new();
    for (place, message) in request.messages.iter_mut().enumerate() {
        match message.role {
            Role::Assistant => {
                is_older |= call(message, place)?;
                let calls = tool_calls(message).into_iter();
                let calls: Vec<_> =
                    calls.map(|call| (call.id.to_owned(), call.name.to_owned())).collect();
                if !calls.is_empty() {
                    open = calls;
                }
            }
            Role::Tool => {
                if let Some(name) = result(message, &mut open).filter(|_| is_older) {
                    let words =
                        format!("there is no call of '{name}' before that has no result yet");
                    return Err(BadRequest(format!("messages.{place}: {words}.")));
                }
            }
            Role::System | Role::User => {}
        }
    }
    Ok(request)
}

/// The member of a request that one of these becomes.
pub fn becomes(member: &str) -> &str {
    match member {
        "function_call" => "tool_choice",
        "functions" => "tools",
        other => other,
    }
}

/// The functions as tools, and which of them is to be called; whether there are any. A choice without
/// any means nothing.
fn tools(request: &mut ChatRequest) -> Result<bool, BadRequest> {
    let older = json!({ "function_call": request.extra.remove("function_call"),
        "functions": request.extra.remove("functions") });
    let at = At::root(&older);
    let Some(functions) = at.get("functions") else { return Ok(false) };
    let mut tools = Vec::new();
    for function in functions.items()? {
        function.text("name")?;
        tools.push(json!({ "type": "function", "function": function.value }));
    }
    if tools.is_empty() {
        return Ok(false);
    }
    let newer = request.extra.get("tools").and_then(Value::as_array);
    if newer.is_some_and(|tools| !tools.is_empty()) {
        return Err(functions.refuse("cannot stand beside 'tools'; send 'tools' alone"));
    }
    if let Some(choice) = at.get("function_call") {
        request.extra.insert("tool_choice".to_owned(), self::choice(&choice)?);
    }
    request.extra.insert("tools".to_owned(), json!(tools));
    // The answer has room for one call.
    request.extra.insert("parallel_tool_calls".to_owned(), json!(false));
    Ok(true)
}

fn choice(choice: &At<'_>) -> Result<Value, BadRequest> {
    match choice.value {
        Value::String(mode) if matches!(mode.as_str(), "auto" | "none") => Ok(json!(mode)),
        Value::Object(_) => {
            Ok(json!({ "type": "function", "function": { "name": choice.text("name")? } }))
        }
        _ => Err(choice.refuse("must be 'auto', 'none' or an object with the name of a function")),
    }
}

/// The function that an assistant's message calls, as a call of a tool. Its id is made of the
/// message's place, so that it is the same in every later turn. Whether there was one.
fn call(message: &mut ChatMessage, place: usize) -> Result<bool, BadRequest> {
    let function = message.extra.remove("function_call").filter(|function| !function.is_null());
    let Some(function) = function else { return Ok(false) };
    if function.get("name").and_then(Value::as_str).is_none() {
        return Err(BadRequest(format!("messages.{place}.function_call.name: is required.")));
    }
    // Who says it in both words means one call.
    if tool_calls(message).is_empty() {
        let id = format!("function_call_{place}");
        let calls = json!([{ "id": id, "type": "function", "function": function }]);
        message.extra.insert("tool_calls".to_owned(), calls);
    }
    Ok(true)
}

/// Names the call whose result a message is, where it says no id: the first of its name that has none
/// yet. Gives the name where there is none.
fn result(message: &mut ChatMessage, open: &mut Vec<(String, String)>) -> Option<String> {
    let id = tool_call_id(message);
    if !id.is_empty() {
        open.retain(|(known, _)| known != id);
        return None;
    }
    let name = message.extra.get("name").and_then(Value::as_str)?;
    let Some(found) = open.iter().position(|(_, called)| called == name) else {
        return Some(name.to_owned());
    };
    let (id, _) = open.remove(found);
    message.extra.remove("name");
    message.extra.insert("tool_call_id".to_owned(), json!(id));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<ChatRequest, BadRequest> {
        request(serde_json::from_value(body).unwrap())
    }

    #[test]
    fn each_result_finds_the_call_of_its_name_and_ids_stay_the_same() {
        let call = |name: &str| {
            json!({"role": "assistant", "content": null,
                "function_call": {"name": name, "arguments": "{}"}})
        };
        let result = |name: &str| json!({"role": "function", "name": name, "content": "1"});
        let both = json!({"role": "assistant", "function_call": null, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
        let newer = json!({"role": "tool", "tool_call_id": "c1", "name": "f", "content": "1"});
        let turns = [call("f"), result("f"), call("f"), call("g"), result("g"), both, newer];
        let ids = |turns: &[Value]| -> Vec<String> {
            let request = read(json!({"model": "m", "messages": turns})).unwrap();
            let results = request.messages.iter().filter(|message| message.role == Role::Tool);
            results.map(|message| tool_call_id(message).to_owned()).collect()
        };
        assert_eq!(ids(&turns), ["function_call_0", "function_call_3", "c1"]);
        assert_eq!(ids(&turns[..2]), ["function_call_0"]);
        // A result with an id closes its call for those by name; one whose call was cut off stays.
        let calls = json!({"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
        let first = json!({"role": "tool", "tool_call_id": "a", "content": "1"});
        assert_eq!(ids(&[calls, first, result("f")]), ["a", "b"]);
        let cut_off = json!({"role": "tool", "name": "f", "content": "1"});
        assert_eq!(ids(&[cut_off]), [""]);
    }

    #[test]
    fn what_the_older_words_cannot_say_is_refused_with_its_place() {
        let with = |more: Value| {
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "q"}]});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            read(body)
        };
        let f = json!([{"name": "f"}]);
        let tool = json!({"type": "function", "function": {"name": "f"}});
        let alone = json!([{"role": "function", "name": "f", "content": "1"}]);
        let nameless = json!([{"role": "assistant", "function_call": {"arguments": "{}"}}]);
        for (more, words) in [
            (json!({"functions": {}}), "functions: must be a list."),
            (json!({"functions": [{}]}), "functions.0.name: is required."),
            (
                json!({"functions": f, "tools": [tool]}),
                "functions: cannot stand beside 'tools'; send 'tools' alone.",
            ),
            (
                json!({"functions": f, "function_call": "required"}),
                "function_call: must be 'auto', 'none' or an object with the name of a function.",
            ),
            (json!({"functions": f, "function_call": {}}), "function_call.name: is required."),
            (json!({"messages": nameless}), "messages.0.function_call.name: is required."),
            (
                json!({"functions": f, "messages": alone}),
                "messages.0: there is no call of 'f' before that has no result yet.",
            ),
        ] {
            assert_eq!(with(more).unwrap_err().0, words);
        }
        for harmless in [
            json!({"functions": null, "function_call": null}),
            json!({"functions": [], "function_call": "auto", "tools": [tool]}),
            json!({"function_call": "maybe"}),
            json!({"messages": alone}),
        ] {
            let request = with(harmless).unwrap();
            assert!(!request.extra.contains_key("tool_choice"), "{request:?}");
        }
    }
}
