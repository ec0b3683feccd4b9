//! What answers of Anthropic's messages and OpenAI's responses are made of.

use serde_json::{Value, json};

use super::reply::{REASONING, Reply};

/// Where the words or the call stand: behind the reasoning.
pub(super) fn place(reply: &Reply) -> u64 {
    u64::from(reply.reasoning_tokens > 0)
}

pub(super) fn stop_reason(reply: &Reply) -> &'static str {
    match reply.finish_reason {
        "length" => "max_tokens",
        "tool_calls" => "tool_use",
        _ => "end_turn",
    }
}

/// The blocks of a message of Anthropic's.
pub(super) fn blocks(reply: &Reply) -> Vec<Value> {
    let mut blocks = Vec::new();
    if reply.reasoning_tokens > 0 {
        blocks.push(json!({"type": "thinking", "thinking": REASONING,
            "signature": "c2lnbmVk"}));
    }
    blocks.push(match reply.finish_reason {
        "tool_calls" => json!({"type": "tool_use", "id": "call_1", "name": "look_up",
            "input": {"word": "汉"}}),
        _ => json!({"type": "text", "text": reply.text()}),
    });
    blocks
}

/// A response of OpenAI's, without output and counts.
pub(super) fn response(reply: &Reply, status: &str) -> Value {
    json!({"id": "resp_mock", "object": "response", "created_at": 1_700_000_000,
        "model": reply.served, "status": status, "output": [], "tools": [],
        "tool_choice": "auto", "parallel_tool_calls": true, "store": false})
}

/// The items of a response.
pub(super) fn output(reply: &Reply) -> Vec<Value> {
    let mut items = Vec::new();
    if reply.reasoning_tokens > 0 {
        let mut thought = json!({"type": "reasoning", "id": "rs_1",
            "summary": [{"type": "summary_text", "text": REASONING}]});
        if reply.sealed {
            thought["encrypted_content"] = json!("gAAAAsealed");
        }
        items.push(thought);
    }
    items.push(match reply.finish_reason {
        "tool_calls" => json!({"type": "function_call", "id": "fc_1", "call_id": "call_1",
            "name": "look_up", "arguments": r#"{"word":"汉"}"#, "status": "completed"}),
        _ => json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": reply.text(), "annotations": []}]}),
    });
    items
}

pub(super) fn added(index: u64, item: &Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

pub(super) fn done(reply: &Reply, index: u64) -> Value {
    let item = usize::try_from(index).ok().and_then(|index| output(reply).into_iter().nth(index));
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

/// An event about a place in a response.
pub(super) fn with(at: &Value, kind: &str, name: &str, value: &Value) -> Value {
    let mut event = at.clone();
    event["type"] = json!(kind);
    event[name] = value.clone();
    event
}
