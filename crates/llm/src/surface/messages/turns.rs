//! The turns of a conversation of the Messages API as messages in OpenAI's form.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::super::read::At;
use super::super::{BadRequest, carry};
use crate::{ChatMessage, Content, ContentPart, Role};

/// Adds the messages of a conversation.
pub(super) fn messages(list: &At<'_>, out: &mut Vec<ChatMessage>) -> Result<(), BadRequest> {
    let turns = list.items()?;
    if turns.is_empty() {
        return Err(list.refuse("at least one message is required"));
    }
    // The calls of the latest turn of the model, which alone may have results.
    let mut calls = HashSet::new();
    for turn in turns {
        match turn.text("role")? {
            "user" => user(&turn, &calls, out)?,
            "assistant" => calls = assistant(&turn, out)?,
            "system" => {
                out.push(ChatMessage::text(Role::System, texts(&turn.need("content")?)?));
            }
            other => return Err(turn.need("role")?.refuse(&format!("nobody is '{other}'"))),
        }
    }
    Ok(())
}

/// A text, or the texts of blocks that are nothing else.
pub(super) fn texts(content: &At<'_>) -> Result<String, BadRequest> {
    if let Value::String(text) = content.value {
        return Ok(text.clone());
    }
    let blocks = content.items()?;
    let texts: Vec<&str> =
        blocks.iter().map(|block| block.text("text")).collect::<Result<_, _>>()?;
    Ok(texts.join("\n\n"))
}

fn user(
    turn: &At<'_>,
    calls: &HashSet<&str>,
    out: &mut Vec<ChatMessage>,
) -> Result<(), BadRequest> {
    let content = turn.need("content")?;
    if let Value::String(text) = content.value {
        out.push(ChatMessage::text(Role::User, text));
        return Ok(());
    }
    // The results come first, as they follow their calls; pictures in them have no place in
    // OpenAI's form and go to the user's words.
    let mut said = Vec::new();
    for block in content.items()? {
        if block.text("type")? != "tool_result" {
            said.push(part(&block)?);
            continue;
        }
        let id = block.text("tool_use_id")?;
        if !calls.contains(id) {
            let words = format!(
                "there is no 'tool_use' block of the id '{id}' in the assistant's turn before"
            );
            return Err(block.refuse(&words));
        }
        let (text, attached) = result(&block)?;
        let mut message = ChatMessage::text(Role::Tool, text);
        message.extra.insert("tool_call_id".to_owned(), json!(id));
        out.push(message);
        said.extend(attached);
    }
    if !said.is_empty() {
        let content = Some(content_of(said));
        out.push(ChatMessage { role: Role::User, content, extra: Map::new() });
    }
    Ok(())
}

/// Plain text where there is nothing else: some providers take nothing else.
fn content_of(parts: Vec<ContentPart>) -> Content {
    let content = Content::Parts(parts);
    match &content {
        Content::Parts(parts) if parts.iter().all(|p| matches!(p, ContentPart::Text { .. })) => {
            Content::Text(content.text())
        }
        _ => content,
    }
}

fn part(block: &At<'_>) -> Result<ContentPart, BadRequest> {
    match block.text("type")? {
        "text" => Ok(ContentPart::text(block.text("text")?)),
        "image" => {
            let url = address(&block.need("source")?)?;
            let image = json!({ "type": "image_url", "image_url": { "url": url } });
            Ok(ContentPart::Other(image))
        }
        "document" => document(block),
        "search_result" => {
            let (title, source) = (block.text("title")?, block.text("source")?);
            let found = texts(&block.need("content")?)?;
            Ok(ContentPart::text(format!("{title} ({source})\n\n{found}")))
        }
        other => Err(unknown(block, other)),
    }
}

fn unknown(block: &At<'_>, kind: &str) -> BadRequest {
    block.refuse(&format!("this model's provider takes no blocks of type '{kind}'"))
}

fn document(block: &At<'_>) -> Result<ContentPart, BadRequest> {
    let source = block.need("source")?;
    let text = match source.text("type")? {
        "text" => source.text("data")?.to_owned(),
        "content" => texts(&source.need("content")?)?,
        kind => {
            let member = if kind == "url" { "file_url" } else { "file_data" };
            let title = block.read::<String>("title")?;
            let file = json!({ "filename": title.as_deref().unwrap_or("document.pdf"),
                member: address(&source)? });
            return Ok(ContentPart::Other(json!({ "type": "file", "file": file })));
        }
    };
    let title = block.read::<String>("title")?;
    let text = title.map_or_else(|| text.clone(), |title| format!("{title}\n\n{text}"));
    Ok(ContentPart::text(text))
}

fn address(source: &At<'_>) -> Result<String, BadRequest> {
    match source.text("type")? {
        "base64" => {
            let (kind, data) = (source.text("media_type")?, source.text("data")?);
            Ok(format!("data:{kind};base64,{data}"))
        }
        "url" => source.text("url").map(str::to_owned),
        other => {
            let words = format!("this model's provider takes no sources of type '{other}'");
            Err(source.refuse(&words))
        }
    }
}

/// The text of a tool's result, and what else it has.
fn result(block: &At<'_>) -> Result<(String, Vec<ContentPart>), BadRequest> {
    let mut attached = Vec::new();
    let mut texts = Vec::new();
    match block.get("content") {
        None => {}
        Some(At { value: Value::String(text), .. }) => texts.push(text.clone()),
        Some(content) => {
            for inner in content.items()? {
                match part(&inner)? {
                    ContentPart::Text { text, .. } => texts.push(text),
                    other => attached.push(other),
                }
            }
        }
    }
    let text = texts.join("\n");
    match block.read("is_error")? {
        Some(true) => Ok((format!("Error: {text}"), attached)),
        _ => Ok((text, attached)),
    }
}

/// Adds a turn of the model; the ids of its calls.
fn assistant<'a>(
    turn: &At<'a>,
    out: &mut Vec<ChatMessage>,
) -> Result<HashSet<&'a str>, BadRequest> {
    let content = turn.need("content")?;
    if let Value::String(text) = content.value {
        out.push(ChatMessage::text(Role::Assistant, text));
        return Ok(HashSet::new());
    }
    let (mut said, mut thought) = (Vec::new(), Vec::new());
    let (mut calls, mut ids) = (Vec::new(), HashSet::new());
    let mut carried = None;
    for block in content.items()? {
        match block.text("type")? {
            "text" => said.push(block.text("text")?),
            "thinking" => thought.push(block.text("thinking")?),
            "redacted_thinking" => carried = carry::unpack(block.text("data")?).or(carried),
            "tool_use" => {
                let id = block.text("id")?;
                let arguments = block
                    .get("input")
                    .map_or_else(|| "{}".to_owned(), |input| input.value.to_string());
                let mut call = json!({ "id": id, "type": "function",
                    "function": { "name": block.text("name")?, "arguments": arguments } });
                if let Some(extra) = carried.take() {
                    call["extra_content"] = extra;
                }
                calls.push(call);
                ids.insert(id);
            }
            other => return Err(unknown(&block, other)),
        }
    }
    let mut message = ChatMessage::text(Role::Assistant, said.join("\n\n"));
    if !calls.is_empty() {
        if said.is_empty() {
            message.content = None;
        }
        message.extra.insert("tool_calls".to_owned(), json!(calls));
        // Models that think between calls want their thoughts back with them.
        if !thought.is_empty() {
            message.extra.insert("reasoning_content".to_owned(), json!(thought.join("\n\n")));
        }
    }
    out.push(message);
    Ok(ids)
}
