//! The items of an input as messages in OpenAI's older form.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::super::read::At;
use super::super::{BadRequest, carry};
use crate::{ChatMessage, Content, ContentPart, Role};

/// What is said of a reference to an item.
pub(super) const NOT_KEPT: &str = "answers are not kept here; send the item itself";

/// Adds the messages of an input.
pub(super) fn input<'a>(input: &At<'a>, out: &mut Vec<ChatMessage>) -> Result<(), BadRequest> {
    if let Value::String(text) = input.value {
        out.push(ChatMessage::text(Role::User, text));
        return Ok(());
    }
    let mut calls: HashSet<&'a str> = HashSet::new();
    let mut turn = Turn::default();
    for item in input.items()? {
        let kind = match item.get("type") {
            Some(kind) => kind.as_text()?,
            None => "message",
        };
        let role = if kind == "message" { item.text("role")? } else { "" };
        match (kind, role) {
            ("message", "assistant") => {
                let text = content(&item.need("content")?)?.text();
                turn.said.push(text);
            }
            ("reasoning", _) => turn.think(&item)?,
            ("function_call", _) => {
                calls.insert(item.text("call_id")?);
                turn.call(&item)?;
            }
            ("message", _) => {
                turn.end(out);
                out.push(message(&item, role)?);
            }
            ("function_call_output", _) => {
                let id = item.text("call_id")?;
                if !calls.contains(id) {
                    let words = format!("there is no 'function_call' of the call_id '{id}' before");
                    return Err(item.refuse(&words));
                }
                turn.end(out);
                output(&item, id, out)?;
            }
            ("item_reference", _) => {
                return Err(item.refuse(NOT_KEPT));
            }
            (other, _) => {
                let words = format!("this model's provider takes no items of type '{other}'");
                return Err(item.refuse(&words));
            }
        }
    }
    turn.end(out);
    Ok(())
}

/// A turn of the model, which is one message there and several items here.
#[derive(Default)]
struct Turn {
    said: Vec<String>,
    thought: Vec<String>,
    calls: Vec<Value>,
    /// What goes along with the next call.
    carried: Option<Value>,
}

impl Turn {
    fn think(&mut self, item: &At<'_>) -> Result<(), BadRequest> {
        for list in ["summary", "content"] {
            for part in item.get(list).map(|list| list.items()).transpose()?.into_iter().flatten() {
                self.thought.push(part.text("text")?.to_owned());
            }
        }
        if let Some(sealed) = item.get("encrypted_content") {
            self.carried = carry::unpack(sealed.as_text()?).or(self.carried.take());
        }
        Ok(())
    }

    fn call(&mut self, item: &At<'_>) -> Result<(), BadRequest> {
        let mut call = json!({ "id": item.text("call_id")?, "type": "function", "function":
            { "name": item.text("name")?, "arguments": item.text("arguments")? } });
        if let Some(extra) = self.carried.take() {
            call["extra_content"] = extra;
        }
        self.calls.push(call);
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<ChatMessage>) {
        let Turn { said, thought, calls, .. } = std::mem::take(self);
        if said.is_empty() && calls.is_empty() {
            return;
        }
        let mut message = ChatMessage::text(Role::Assistant, said.join("\n\n"));
        if !calls.is_empty() {
            if said.is_empty() {
                message.content = None;
            }
            message.extra.insert("tool_calls".to_owned(), json!(calls));
            // Models that think between calls want their thoughts back with them.
            if !thought.is_empty() {
                let thought = json!(thought.join("\n\n"));
                message.extra.insert("reasoning_content".to_owned(), thought);
            }
        }
        out.push(message);
    }
}

fn message(item: &At<'_>, role: &str) -> Result<ChatMessage, BadRequest> {
    let role = match role {
        "user" => Role::User,
        "system" | "developer" => Role::System,
        other => return Err(item.need("role")?.refuse(&format!("nobody is '{other}'"))),
    };
    let content = Some(content(&item.need("content")?)?);
    Ok(ChatMessage { role, content, extra: Map::new() })
}

/// Plain text where there is nothing else: some providers take nothing else.
fn content(content: &At<'_>) -> Result<Content, BadRequest> {
    if let Value::String(text) = content.value {
        return Ok(Content::Text(text.clone()));
    }
    let parts = content.items()?.iter().map(part).collect::<Result<Vec<_>, _>>()?;
    let plain = parts.iter().all(|part| matches!(part, ContentPart::Text { .. }));
    let content = Content::Parts(parts);
    Ok(if plain { Content::Text(content.text()) } else { content })
}

fn part(part: &At<'_>) -> Result<ContentPart, BadRequest> {
    let text = |name| Ok(ContentPart::text(part.text(name)?));
    match part.text("type")? {
        "input_text" | "output_text" | "text" => text("text"),
        "refusal" => text("refusal"),
        "input_image" => {
            let mut image = json!({ "url": part.text("image_url")? });
            if let Some(detail) = part.get("detail") {
                image["detail"] = detail.value.clone();
            }
            Ok(ContentPart::Other(json!({ "type": "image_url", "image_url": image })))
        }
        "input_file" => {
            let mut file = Map::new();
            for name in ["filename", "file_data", "file_url"] {
                file.extend(part.get(name).map(|member| (name.to_owned(), member.value.clone())));
            }
            if !file.contains_key("file_data") && !file.contains_key("file_url") {
                return Err(part.refuse("a file needs 'file_data' or 'file_url'"));
            }
            Ok(ContentPart::Other(json!({ "type": "file", "file": file })))
        }
        other => {
            Err(part.refuse(&format!("this model's provider takes no parts of type '{other}'")))
        }
    }
}

/// A tool's result; pictures in it have no place in the older form and become the user's words.
fn output(item: &At<'_>, id: &str, out: &mut Vec<ChatMessage>) -> Result<(), BadRequest> {
    let (text, attached) = match content(&item.need("output")?)? {
        Content::Text(text) => (text, Vec::new()),
        Content::Parts(parts) => {
            let text = Content::Parts(parts.clone()).text();
            (text, parts.into_iter().filter(|p| matches!(p, ContentPart::Other(_))).collect())
        }
    };
    let mut result = ChatMessage::text(Role::Tool, text);
    result.extra.insert("tool_call_id".to_owned(), json!(id));
    // Results stand together, before anything that is attached to one of them.
    let behind_results = out.iter().rposition(|message| message.role == Role::Tool);
    let at = match out.last() {
        Some(last) if last.role == Role::User => behind_results.map_or(out.len(), |n| n + 1),
        _ => out.len(),
    };
    out.insert(at, result);
    if !attached.is_empty() {
        let content = Some(Content::Parts(attached));
        out.push(ChatMessage { role: Role::User, content, extra: Map::new() });
    }
    Ok(())
}
