use serde::Serialize;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};

use super::Members;
use crate::responses::SEALED;

/// The present name of the limit of an answer, and that which older servers know.
pub(super) const NEWER: &str = "max_completion_tokens";
pub(super) const OLDER: &str = "max_tokens";
/// How hard to think, by OpenAI's name.
pub(super) const EFFORT: &str = "reasoning_effort";

/// One way in which a request is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A member goes by another name; the older completions have the older names alone.
    Rename(&'static str, &'static str),
    /// A member is left out.
    LeaveOut(&'static str),
    /// A member of messages and of the calls in them is left out.
    LeaveOutOfMessages(&'static str),
    /// Instructions come from `system` and never from `developer`.
    NoDeveloper,
    /// `reasoning_effort` becomes the provider's own switch.
    Think(Switch),
    /// Tools that are called come in a list.
    ListCalls,
    /// Reasoning that another account sealed is left out.
    LeaveOutSealed,
    /// No reasoning is asked for that could be given back: there is none.
    NeverSeal,
}

/// How a provider is told whether its models think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    /// `enable_thinking`, and `thinking_budget` for how much.
    Flag,
    /// `thinking`, and `reasoning_effort` for how hard.
    Type,
}

/// Tokens of thinking that a low and a medium effort stand for; the other way round they do on the
/// surface of messages.
const BUDGETS: [(&str, u32); 2] = [("low", 4096), ("medium", 16_384)];

impl Change {
    /// Whether it changed anything.
    pub(super) fn apply(self, members: &mut Members) -> bool {
        match self {
            Change::Rename(from, to) => rename(members, from, to),
            Change::LeaveOut(name) => members.remove(name).is_some_and(|raw| raw.get() != "null"),
            Change::LeaveOutOfMessages(name) => {
                in_messages(members, name, |message| leave_out(message, name))
            }
            Change::NoDeveloper => in_messages(members, "developer", no_developer),
            Change::Think(switch) => switch.turn(members),
            Change::ListCalls => {
                let has_tools = members.get("tools").is_some_and(|raw| raw.get() != "null");
                has_tools && put_absent(members, "tool_calls_switch", true)
            }
            Change::LeaveOutSealed => leave_out_sealed(members),
            Change::NeverSeal => never_seal(members),
        }
    }

    /// The member of the request that it leaves out.
    pub(super) fn leaves_out(&self) -> Option<&'static str> {
        match self {
            Change::LeaveOut(name) => Some(name),
            Change::NeverSeal => Some("include"),
            _ => None,
        }
    }
}

impl Switch {
    /// What the request itself says in the provider's own words goes before its effort.
    fn turn(self, members: &mut Members) -> bool {
        let Some(effort) = text(members, EFFORT) else { return false };
        let thinks = !matches!(effort.as_str(), "none" | "minimal");
        match self {
            Switch::Flag => {
                members.remove(EFFORT);
                put_absent(members, "enable_thinking", thinks);
                let budget = BUDGETS.iter().find(|(name, _)| *name == effort);
                if let Some((_, tokens)) = budget {
                    put_absent(members, "thinking_budget", tokens);
                }
                true
            }
            Switch::Type => {
                if !thinks {
                    members.remove(EFFORT);
                }
                let kind = if thinks { "enabled" } else { "disabled" };
                put_absent(members, "thinking", json!({ "type": kind })) || !thinks
            }
        }
    }
}

/// A member that is a text.
pub(super) fn text(members: &Members, name: &str) -> Option<String> {
    serde_json::from_str(members.get(name)?.get()).ok()
}

/// Whether the member was absent, and is set.
fn put_absent(members: &mut Members, name: &str, value: impl Serialize) -> bool {
    if members.get(name).is_some_and(|raw| raw.get() != "null") {
        return false;
    }
    let Ok(raw) = to_raw_value(&value) else { return false };
    members.insert(name.to_owned(), raw);
    true
}

fn rename(members: &mut Members, from: &str, to: &str) -> bool {
    if members.contains_key("prompt") {
        return false;
    }
    let Some(value) = members.remove(from) else { return false };
    put_absent(members, to, value);
    true
}

/// Changes messages, of which nearly always none has the word.
fn in_messages(
    members: &mut Members,
    word: &str,
    change: impl Fn(&mut Map<String, Value>) -> bool,
) -> bool {
    in_list(members, "messages", word, |messages| {
        let messages = messages.iter_mut().filter_map(Value::as_object_mut);
        messages.map(change).filter(|changed| *changed).count() > 0
    })
}

/// Changes the member `name`, a list; without reading it where it does not have the word.
fn in_list(
    members: &mut Members,
    name: &str,
    word: &str,
    change: impl FnOnce(&mut Vec<Value>) -> bool,
) -> bool {
    let quoted = format!("\"{word}\"");
    let raw = members.get(name).filter(|raw| raw.get().contains(&quoted));
    let items = raw.and_then(|raw| serde_json::from_str::<Vec<Value>>(raw.get()).ok());
    let Some(mut items) = items else { return false };
    if !change(&mut items) {
        return false;
    }
    let Ok(raw) = to_raw_value(&items) else { return false };
    members.insert(name.to_owned(), raw);
    true
}

fn leave_out(message: &mut Map<String, Value>, name: &str) -> bool {
    let mut changed = message.remove(name).is_some();
    let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
    for call in calls.into_iter().flatten().filter_map(Value::as_object_mut) {
        changed |= call.remove(name).is_some();
    }
    changed
}

fn no_developer(message: &mut Map<String, Value>) -> bool {
    match message.get_mut("role") {
        Some(role) if *role == "developer" => {
            *role = json!("system");
            true
        }
        _ => false,
    }
}

fn leave_out_sealed(members: &mut Members) -> bool {
    in_list(members, "input", "encrypted_content", |items| {
        let before = items.len();
        items.retain(|item| item.get("encrypted_content").is_none());
        items.len() < before
    })
}

fn never_seal(members: &mut Members) -> bool {
    let changed = in_list(members, "include", SEALED, |asked| {
        let before = asked.len();
        asked.retain(|one| *one != SEALED);
        asked.len() < before
    });
    if changed && members.get("include").is_some_and(|raw| raw.get() == "[]") {
        members.remove("include");
    }
    changed
}
