//! Estimates of token counts, for calls whose provider sent none. Deliberately on the high side.

use lyceum_llm::{ChatMessage, ChatRequest, Content, ContentPart};
use serde_json::{Map, Value};

use crate::quotas::Forecast;

/// Tokens that a message costs beside its text.
const PER_MESSAGE: u64 = 4;
/// Tokens taken for an image, or for a file without its text in the request, as a PDF.
const PER_ATTACHMENT: u64 = 1000;

/// About as many tokens as a text has: four ASCII characters make one, any other character is one.
pub(crate) fn tokens_of(text: &str) -> u64 {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    let other = text.chars().count() - ascii;
    (ascii.div_ceil(4) + other) as u64
}

/// Tokens of a prompt, with the tools that may be called and those that were.
pub(crate) fn prompt_of_request(request: &ChatRequest) -> u64 {
    let of_messages: u64 = request.messages.iter().map(of_message).sum();
    of_messages + of_calls(request.extra.get("tools"))
}

fn of_message(message: &ChatMessage) -> u64 {
    let of_part = |part: &ContentPart| match part {
        ContentPart::Text { text, .. } => tokens_of(text),
        ContentPart::Other(part) => of_value(part),
    };
    let of_content: u64 = match &message.content {
        None => 0,
        Some(Content::Text(text)) => tokens_of(text),
        Some(Content::Parts(parts)) => parts.iter().map(of_part).sum(),
    };
    PER_MESSAGE + of_content + of_calls(message.extra.get("tool_calls"))
}

/// Of tools, and of calls of them; the older word for a call has no list around it.
fn of_calls(value: Option<&Value>) -> u64 {
    let value = value.filter(|value| value.is_array() || value.is_object());
    value.map_or(0, |value| tokens_of(&value.to_string()))
}

/// What a request to `/v1` may take that is passed on as it came. Each limit is read by itself: what
/// is no positive number counts as absent, and of several the largest counts.
pub(crate) fn forecast_of_body(body: &[u8]) -> Forecast {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Forecast::default() };
    let number = |name: &str| Some(body.get(name)?.as_f64()? as u64).filter(|number| *number > 0);
    let limits = ["max_completion_tokens", "max_output_tokens", "max_tokens"];
    Forecast {
        prompt_tokens: prompt_of(&body),
        max_tokens: limits.into_iter().filter_map(number).max(),
        answers: number("n").unwrap_or(1),
        is_free: false,
    }
}

/// Tokens of a request to `/v1` that is passed on as it came.
pub(crate) fn prompt_of_body(body: &[u8]) -> u64 {
    serde_json::from_slice::<Value>(body).map_or(0, |body| prompt_of(&body))
}

/// Of what a request says by any surface's name.
fn prompt_of(body: &Value) -> u64 {
    let messages = body.get("messages").and_then(Value::as_array).into_iter().flatten();
    let of_messages: u64 = messages
        .map(|message| {
            let of_content = message.get("content").map_or(0, of_value);
            let calls = ["tool_calls", "function_call"].map(|name| of_calls(message.get(name)));
            PER_MESSAGE + of_content + calls.into_iter().sum::<u64>()
        })
        .sum();
    let others = ["input", "instructions", "prompt", "system"];
    let of_others: u64 = others.iter().filter_map(|name| body.get(name)).map(of_value).sum();
    let tools = ["tools", "functions"].map(|name| of_calls(body.get(name)));
    of_messages + of_others + tools.into_iter().sum::<u64>()
}

fn of_value(value: &Value) -> u64 {
    match value {
        Value::String(text) => tokens_of(text),
        Value::Array(items) => items.iter().map(of_value).sum(),
        Value::Object(part) => of_part(part),
        // A token of an embedding request that was tokenised by the caller.
        Value::Number(_) => 1,
        _ => 0,
    }
}

fn of_part(part: &Map<String, Value>) -> u64 {
    let said = ["text", "content", "thinking", "arguments", "output", "summary", "refusal"];
    if let Some(text) = said.iter().find_map(|name| part.get(*name)) {
        return of_value(text);
    }
    let tokens = match (part.get("input"), part.get("source")) {
        // A call in Anthropic's form.
        (Some(input), _) => Some(tokens_of(&input.to_string())),
        (None, Some(source)) => of_source(part, source),
        (None, None) => of_file(part),
    };
    tokens.unwrap_or(PER_ATTACHMENT)
}

/// Of a document in Anthropic's form, if its text is in the request.
fn of_source(document: &Map<String, Value>, source: &Value) -> Option<u64> {
    let text = match source.get("type")?.as_str()? {
        "text" => source.get("data")?,
        "content" => source.get("content")?,
        _ => return None,
    };
    let about = ["title", "context"].iter().filter_map(|name| document.get(*name));
    Some(of_value(text) + about.map(of_value).sum::<u64>())
}

/// Of a file in OpenAI's forms, if its text is in the request. What is encoded is not decoded for
/// that: three bytes, which make no more than one character that is not ASCII, count as a token.
fn of_file(part: &Map<String, Value>) -> Option<u64> {
    let file = part.get("file").and_then(Value::as_object).unwrap_or(part);
    let (kind, data) = file.get("file_data")?.as_str()?.strip_prefix("data:")?.split_once(',')?;
    let texts = ["text/", "application/json", "application/xml"];
    let is_text = texts.iter().any(|prefix| kind.starts_with(prefix));
    is_text.then(|| match kind.ends_with(";base64") {
        true => data.len().div_ceil(4) as u64,
        false => tokens_of(data),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn chinese_counts_by_character_and_english_by_four() {
        assert_eq!(tokens_of(""), 0);
        assert_eq!(tokens_of("hello"), 2);
        assert_eq!(tokens_of("你好吗"), 3);
        assert_eq!(tokens_of("ok 你好"), 3);
    }

    #[test]
    fn a_body_is_counted_by_its_texts() {
        let body = br#"{"messages":[{"role":"user","content":[{"type":"text","text":"abcdefgh"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAAAAAAAAAAAAAA"}}]}]}"#;
        assert_eq!(prompt_of_body(body), PER_MESSAGE + 2 + PER_ATTACHMENT);
        assert_eq!(prompt_of_body(br#"{"input":["abcd",[1,2,3]]}"#), 4);
        assert_eq!(prompt_of_body(br#"{"system":"abcd","prompt":["abcdefgh"]}"#), 3);
        let turns = br#"{"messages":[{"role":"user","content":[{"type":"tool_result",
            "tool_use_id":"c","content":[{"type":"text","text":"abcd"}]}]},
            {"role":"assistant","content":[{"type":"tool_use","input":{"a":1}}]}]}"#;
        assert_eq!(prompt_of_body(turns), 2 * PER_MESSAGE + 1 + 2);
        assert_eq!(prompt_of_body(b"not json"), 0);
    }

    #[test]
    fn the_text_of_documents_counts_and_what_else_is_attached_is_flat() {
        let text = "abcd".repeat(100_000);
        let block = |kind: &str, source: Value| json!({"type": kind, "source": source});
        let plain = json!({"type": "text", "media_type": "text/plain", "data": text});
        let part = json!({"type": "text", "text": text});
        let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": text});
        let url = json!({"type": "url", "url": "https://example.com/a.pdf"});
        let found = json!({"type": "search_result", "source": "https://example.com/a",
            "title": "A", "content": [part]});
        let result = |content: Value| json!({"type": "tool_result", "content": [content]});
        let mut titled = block("document", plain.clone());
        titled["title"] = json!("abcd");
        titled["context"] = json!("abcdefgh");
        for (name, block, expected) in [
            ("plain", block("document", plain.clone()), 100_000),
            ("titled", titled, 100_003),
            ("parts", block("document", json!({"type": "content", "content": [part]})), 100_000),
            ("content", block("document", json!({"type": "content", "content": text})), 100_000),
            ("found", found.clone(), 100_000),
            ("document in a result", result(block("document", plain)), 100_000),
            ("found in a result", result(found), 100_000),
            ("pdf", block("document", pdf.clone()), PER_ATTACHMENT),
            ("pdf in a result", result(block("document", pdf.clone())), PER_ATTACHMENT),
            ("image", block("image", pdf), PER_ATTACHMENT),
            ("url", block("document", url), PER_ATTACHMENT),
            ("broken", block("document", json!({"type": "text"})), PER_ATTACHMENT),
        ] {
            let body = json!({"messages": [{"role": "user", "content": [block]}]}).to_string();
            assert_eq!(prompt_of_body(body.as_bytes()), PER_MESSAGE + expected, "{name}");
        }
    }

    #[test]
    fn the_text_of_files_counts_in_both_of_openais_forms() {
        for (data, expected) in [
            ("data:text/plain;base64,YWJjZGVmZ2hpamts", 4),
            ("data:text/markdown;charset=utf-8,abcdefgh", 2),
            ("data:application/json;base64,e30=", 1),
            ("data:application/pdf;base64,YWJjZGVmZ2hpamts", PER_ATTACHMENT),
            ("YWJjZGVmZ2hpamts", PER_ATTACHMENT),
        ] {
            let part = json!({"type": "file", "file": {"filename": "a", "file_data": data}});
            let messages = json!([{"role": "user", "content": [part]}]);
            let body = json!({"model": "m", "messages": messages});
            let request: ChatRequest = serde_json::from_value(body.clone()).unwrap();
            assert_eq!(prompt_of_request(&request), PER_MESSAGE + expected, "{data}");
            let body = body.to_string();
            assert_eq!(prompt_of_body(body.as_bytes()), PER_MESSAGE + expected, "{data}");
            let part = json!({"type": "input_file", "filename": "a", "file_data": data});
            let body = json!({"input": [{"role": "user", "content": [part]}]}).to_string();
            assert_eq!(prompt_of_body(body.as_bytes()), expected, "{data}");
        }
    }

    #[test]
    fn tools_and_their_calls_count_in_every_form() {
        let text = r#"{"model":"m","messages":[{"role":"user","content":"abcd"},
            {"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function",
                "function":{"name":"f","arguments":"{}"}}]}],
            "tools":[{"type":"function","function":{"name":"f"}}]}"#;
        let request: ChatRequest = serde_json::from_str(text).unwrap();
        let calls = tokens_of(&request.messages[1].extra["tool_calls"].to_string());
        let tools = tokens_of(&request.extra["tools"].to_string());
        assert!(calls > 10 && tools > 10);
        assert_eq!(prompt_of_request(&request), 2 * PER_MESSAGE + 1 + calls + tools);
        assert_eq!(prompt_of_body(text.as_bytes()), prompt_of_request(&request));
        let older = r#"{"messages":[{"role":"assistant","content":null,"function_call":
            {"name":"f","arguments":"{}"}}],"functions":[{"name":"f"}]}"#;
        // 8 for the call, of 29 signs, and 4 for the functions, of 14.
        assert_eq!(prompt_of_body(older.as_bytes()), PER_MESSAGE + 8 + 4);
    }

    #[test]
    fn each_limit_of_a_request_is_read_by_itself() {
        for (body, max_tokens, answers) in [
            (r#"{"max_tokens":7}"#, Some(7), 1),
            (r#"{"max_tokens":4096.0,"n":2}"#, Some(4096), 2),
            (r#"{"max_tokens":"many","n":3}"#, None, 3),
            (r#"{"max_tokens":7,"n":"3"}"#, Some(7), 1),
            (r#"{"max_completion_tokens":7,"max_output_tokens":9,"n":null}"#, Some(9), 1),
            (r#"{"max_tokens":-1,"n":0}"#, None, 1),
            ("[]", None, 1),
        ] {
            let forecast = forecast_of_body(body.as_bytes());
            assert_eq!((forecast.max_tokens, forecast.answers), (max_tokens, answers), "{body}");
        }
    }
}
