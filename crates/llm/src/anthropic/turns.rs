//! The conversation in turns of the Messages API.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Value, json};

use crate::convert::{self, Media, Part, tool_call_id, tool_calls};
use crate::{ChatMessage, ChatRequest, Content, LlmError, Role};

/// What a part, a message or a tool says of the provider's cache, by the provider's own name.
pub(super) const CACHE: &str = "cache_control";

/// Neighbours of one role become one message, as the API wants the results of all tools together.
pub(super) fn messages(request: &ChatRequest) -> Result<Value, LlmError> {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    let mut ids = Ids::default();
    for message in request.messages.iter().filter(|message| message.role != Role::System) {
        let (role, blocks) = match message.role {
            Role::Assistant => {
                if turns.last().is_none_or(|(last, _)| *last != "assistant") {
                    ids.next_turn();
                }
                ("assistant", answer(message, &mut ids)?)
            }
            Role::Tool => ("user", vec![result(message, &mut ids)?]),
            _ => ("user", blocks(message)?),
        };
        let blocks = marked(blocks, message);
        match turns.last_mut().filter(|(last, _)| *last == role) {
            _ if blocks.is_empty() => {}
            Some((_, last)) => last.extend(blocks),
            None => turns.push((role, blocks)),
        }
    }
    Ok(turns.into_iter().map(|(role, blocks)| json!({ "role": role, "content": blocks })).collect())
}

/// The blocks of a system message.
pub(super) fn instructions(message: &ChatMessage) -> Result<Vec<Value>, LlmError> {
    Ok(marked(blocks(message)?, message))
}

/// Whether a message says up to where the provider is to cache the prompt.
pub(super) fn is_marked(message: &ChatMessage) -> bool {
    let parts = match &message.content {
        Some(Content::Parts(parts)) => parts.as_slice(),
        _ => &[],
    };
    message.extra.contains_key(CACHE) || parts.iter().any(|part| part.extra(CACHE).is_some())
}

/// Marks what is to be cached.
pub(super) fn mark(block: &mut Value, mark: Option<&Value>) {
    if let Some(mark) = mark.filter(|mark| mark.is_object()) {
        block[CACHE] = mark.clone();
    }
}

/// The blocks of a message that may be marked as a whole, which is up to its end.
fn marked(mut blocks: Vec<Value>, message: &ChatMessage) -> Vec<Value> {
    if let Some(last) = blocks.last_mut() {
        mark(last, message.extra.get(CACHE));
    }
    blocks
}

/// The ids of calls as the API takes them: of letters, digits, `_` and `-`, and none twice. Other
/// providers' are of other signs, or begin again with every turn.
#[derive(Default)]
struct Ids<'a> {
    /// What stands for an id in the calls of the latest turn that have no result yet, or for the last
    /// of them.
    given: HashMap<&'a str, VecDeque<String>>,
    used: HashSet<String>,
}

impl<'a> Ids<'a> {
    /// Results that follow are those of another turn's calls.
    fn next_turn(&mut self) {
        self.given.clear();
    }

    fn of_call(&mut self, id: &'a str) -> String {
        let plain = plain(id);
        let mut given = plain.clone();
        let mut times = 1;
        while !self.used.insert(given.clone()) {
            times += 1;
            given = format!("{plain}_{times}");
        }
        self.given.entry(id).or_default().push_back(given.clone());
        given
    }

    /// Results of calls that share an id are taken to be in the order of the calls.
    fn of_result(&mut self, id: &str) -> String {
        let given = self.given.get_mut(id).and_then(|given| match given.len() {
            0 | 1 => given.front().cloned(),
            _ => given.pop_front(),
        });
        given.unwrap_or_else(|| plain(id))
    }
}

fn plain(id: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match id {
        "" => "call".to_owned(),
        id => id.chars().map(|c| if allowed(c) { c } else { '_' }).collect(),
    }
}

fn answer<'a>(message: &'a ChatMessage, ids: &mut Ids<'a>) -> Result<Vec<Value>, LlmError> {
    let mut said = blocks(message)?;
    let mut turn = Vec::new();
    for call in tool_calls(message) {
        // The thinking goes before what it led to: the text first, then the call.
        let thinking = call.extra("anthropic", "thinking").and_then(Value::as_array);
        turn.extend(thinking.into_iter().flatten().cloned());
        turn.append(&mut said);
        let (id, input) = (ids.of_call(call.id), call.object());
        turn.push(json!({ "type": "tool_use", "id": id, "name": call.name, "input": input }));
    }
    turn.append(&mut said);
    Ok(turn)
}

fn result(message: &ChatMessage, ids: &mut Ids<'_>) -> Result<Value, LlmError> {
    let id = ids.of_result(tool_call_id(message));
    Ok(json!({ "type": "tool_result", "tool_use_id": id, "content": blocks(message)? }))
}

fn blocks(message: &ChatMessage) -> Result<Vec<Value>, LlmError> {
    let mut blocks = Vec::new();
    match &message.content {
        None => {}
        Some(Content::Text(text)) => blocks.extend(block(Part::Text(text))),
        Some(Content::Parts(parts)) => {
            for part in parts {
                let Some(mut block) = block(convert::part(part)?) else { continue };
                mark(&mut block, part.extra(CACHE));
                blocks.push(block);
            }
        }
    }
    Ok(blocks)
}

/// A part as a block. The API refuses texts of nothing but white space, which other models write
/// before their calls.
fn block(part: Part<'_>) -> Option<Value> {
    Some(match part {
        Part::Text(text) if text.trim().is_empty() => return None,
        Part::Text(text) => json!({ "type": "text", "text": text }),
        Part::Image(media) => json!({ "type": "image", "source": source(&media) }),
        Part::File(media) => json!({ "type": "document", "source": source(&media) }),
    })
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
    fn ids_of_calls_are_plain_and_each_is_there_once() {
        let mut ids = Ids::default();
        assert_eq!(ids.of_call("toolu_01-A"), "toolu_01-A");
        assert_eq!(ids.of_call("functions.f:0"), "functions_f_0");
        assert_eq!(ids.of_result("functions.f:0"), "functions_f_0");
        // Another turn begins to count again, and its results are those of its own calls.
        ids.next_turn();
        assert_eq!(ids.of_call("functions.f:0"), "functions_f_0_2");
        assert_eq!(ids.of_result("functions.f:0"), "functions_f_0_2");
        assert_eq!(ids.of_call("functions f 0"), "functions_f_0_3");
        assert_eq!(ids.of_call(""), "call");
        assert_eq!(ids.of_call(""), "call_2");
        assert_eq!(["", "", ""].map(|id| ids.of_result(id)), ["call", "call_2", "call_2"]);
        assert_eq!(ids.of_result("nobody's"), "nobody_s");
    }
}
