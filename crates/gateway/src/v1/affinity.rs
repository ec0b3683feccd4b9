//! What the turns of a conversation have in common, found by reading no further than its first
//! question.

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::body::Body;
use crate::routes::{Opening, Seed};

/// Claude Code begins its system prompt with a line that is another in every request.
const CHANGING: &str = "\"x-anthropic-billing-header";

/// A message of any surface. What is no message, as the result of a tool, has no role.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

impl Body {
    /// What all requests of this one's conversation have in common. `None` where it seems to stand
    /// alone: a single message, and no tool whose result could be the next.
    pub(super) fn affinity(&self, user: Uuid, model: &str) -> Option<Seed> {
        if let Some(key) =
            self.raw("prompt_cache_key").filter(|key| !["null", "\"\""].contains(key))
        {
            return Some(Seed::of_key(key));
        }
        let mut opening = Opening::new(user, model);
        let mut turns = u32::from(self.has_tools());
        for name in ["instructions", "system"] {
            if let Some(content) = self.raw(name).filter(|_| self.has(name)) {
                say(&mut opening, content);
                turns += 1;
            }
        }
        turns += begin(&mut opening, self.raw("messages").or_else(|| self.raw("input"))?);
        (turns > 1).then(|| opening.seed())
    }
}

/// Takes down messages to the first of the user; tells how many there are, at least.
fn begin(opening: &mut Opening, messages: &str) -> u32 {
    if messages.trim_start().starts_with('"') {
        say(opening, messages);
        return 1;
    }
    let mut messages = Items::of(messages);
    let mut seen = 0;
    while let Some(message) = messages.next::<Message>() {
        seen += 1;
        let role = message.role.map_or("", RawValue::get);
        if matches!(role, "\"system\"" | "\"developer\"" | "\"user\"")
            && let Some(content) = message.content
        {
            say(opening, content.get());
        }
        if role == "\"user\"" {
            break;
        }
    }
    seen + u32::from(messages.has_more())
}

/// Takes down a text, or those of parts: clients send the same message now as the one, now as the
/// other, and mark other parts for the cache each time.
fn say(opening: &mut Opening, content: &str) {
    let content = content.trim_start();
    if content.starts_with('"') {
        return opening.say(lasting(content));
    }
    let mut parts = Items::of(content);
    while let Some(part) = parts.next::<Part>() {
        opening.say(lasting(part.text.map_or("", RawValue::get)));
    }
}

fn lasting(text: &str) -> &str {
    match text.starts_with(CHANGING) {
        true => text.split_once("\\n").map_or("", |(_, rest)| rest),
        false => text,
    }
}

/// The items of a JSON list, each read only when it is asked for.
struct Items<'a>(&'a str);

impl<'a> Items<'a> {
    fn of(list: &'a str) -> Self {
        Self(list.trim_start().strip_prefix('[').unwrap_or_default())
    }

    fn next<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let mut items = serde_json::Deserializer::from_str(self.0).into_iter::<T>();
        let item = items.next()?.ok()?;
        let rest = self.0.get(items.byte_offset()..)?;
        self.0 = rest.trim_start().strip_prefix(',').unwrap_or_default();
        Some(item)
    }

    /// Whether anything follows the items that were read.
    fn has_more(&self) -> bool {
        !self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn affinity(body: &Value) -> Option<Seed> {
        let body = Body::from_bytes(body.to_string().as_bytes()).unwrap();
        body.affinity(Uuid::nil(), "model")
    }

    #[test]
    fn later_turns_of_a_conversation_are_known_by_its_beginning() {
        let system = json!({"role": "system", "content": "Be brief."});
        let [first, answer] = [("user", "One?"), ("assistant", "Two.")]
            .map(|(role, text)| json!({"role": role, "content": text}));
        let turn = affinity(&json!({"messages": [system, first]}));
        assert!(turn.is_some());
        let parts = json!({"role": "user", "content": [
            {"cache_control": {"type": "ephemeral"}, "type": "text", "text": "One?"}]});
        for messages in [json!([system, first, answer, first]), json!([system, parts, answer])] {
            assert_eq!(affinity(&json!({"messages": messages})), turn);
        }
        for other in [json!([system, answer, answer]), json!([first, answer])] {
            assert_ne!(affinity(&json!({"messages": other})), turn);
        }
        let body = Body::from_bytes(json!({"messages": [system, first]}).to_string().as_bytes());
        let body = body.unwrap();
        let seeds = [(1, "model"), (0, "other")]
            .map(|(user, model)| body.affinity(Uuid::from_u128(user), model));
        assert!(seeds.iter().all(|seed| seed.is_some() && *seed != turn), "{seeds:?}");
    }

    #[test]
    fn the_system_may_stand_beside_the_messages_and_begin_with_what_changes() {
        let system = |nonce: &str| {
            json!([{"type": "text", "text": format!("x-anthropic-billing-header: cch={nonce};")},
                   {"type": "text", "text": "Be brief."}])
        };
        let first = json!({"role": "user", "content": "One?"});
        let turn = affinity(&json!({"system": system("1"), "messages": [first]}));
        assert!(turn.is_some());
        assert_eq!(affinity(&json!({"system": system("2"), "messages": [first, first]})), turn);
        let other = json!([{"type": "text", "text": "Be long."}]);
        assert_ne!(affinity(&json!({"system": other, "messages": [first]})), turn);

        let turn = affinity(&json!({"instructions": "Be brief.", "input": "One?"}));
        let items = json!([first, {"type": "function_call_output", "output": "2"}]);
        assert!(turn.is_some());
        assert_eq!(affinity(&json!({"instructions": "Be brief.", "input": items})), turn);
    }

    #[test]
    fn a_single_message_stands_alone_unless_a_tool_may_follow() {
        let first = json!({"role": "user", "content": "One?"});
        let tools = json!([{"type": "function", "function": {"name": "count"}}]);
        for body in [
            json!({"messages": [first]}),
            json!({"messages": [first], "tools": [], "system": null}),
            json!({"input": "One?"}),
            json!({"prompt": "One?"}),
            json!({"messages": 1}),
        ] {
            assert_eq!(affinity(&body), None, "{body}");
        }
        let turn = affinity(&json!({"messages": [first], "tools": tools}));
        assert!(turn.is_some());
        assert_eq!(affinity(&json!({"messages": [first, first], "tools": tools})), turn);
        assert_eq!(affinity(&json!({"messages": [first], "functions": [{"name": "f"}]})), turn);
    }

    #[test]
    fn a_key_of_the_sender_goes_before_all() {
        let body = |key: Value, text: &str| {
            let message = json!({"role": "user", "content": text});
            affinity(&json!({"prompt_cache_key": key, "messages": [message]}))
        };
        let keyed = body(json!("mine"), "One?");
        assert!(keyed.is_some());
        assert_eq!(body(json!("mine"), "Two?"), keyed);
        assert_ne!(body(json!("yours"), "One?"), keyed);
        for key in [Value::Null, json!("")] {
            assert_eq!(body(key, "One?"), None);
        }
    }
}
