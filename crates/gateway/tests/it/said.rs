//! Asking and reading in the form of each surface, as its official clients do.

use serde_json::{Value, json};

pub const RESPONSES: &str = "/v1/responses";
pub const COMPLETIONS: &str = "/v1/completions";
pub const MESSAGES: &str = "/v1/messages";
pub const SURFACES: [&str; 3] = [RESPONSES, COMPLETIONS, MESSAGES];

/// The same question in the form of each surface.
pub fn question(surface: &str, model: &str, stream: bool) -> Value {
    let words = "one two three";
    match surface {
        RESPONSES => json!({"model": model, "stream": stream, "input": words}),
        COMPLETIONS => json!({"model": model, "stream": stream, "prompt": words,
            "stream_options": {"include_usage": true}}),
        _ => json!({"model": model, "stream": stream, "max_tokens": 100,
            "messages": [{"role": "user", "content": words}]}),
    }
}

/// The events of a stream: their names, which are empty for some, and their data.
pub fn events(stream: &Value) -> Vec<(String, Value)> {
    let text = stream.as_str().unwrap_or_else(|| panic!("no stream: {stream}"));
    let events = text.split("\n\n").filter(|event| !event.is_empty());
    events
        .map(|event| {
            let (name, data) = match event.split_once('\n') {
                Some((name, data)) => (name.strip_prefix("event: ").unwrap(), data),
                None => ("", event),
            };
            let data = data.strip_prefix("data: ").unwrap();
            (name.to_owned(), serde_json::from_str(data).unwrap_or_else(|_| json!(data)))
        })
        .collect()
}

/// What an answer says, whatever its form.
#[derive(Debug, Default, PartialEq)]
pub struct Said {
    pub text: String,
    pub reasoning: String,
    /// Name and arguments.
    pub calls: Vec<(String, Value)>,
    pub end: String,
    /// Prompt, cached, completion, reasoning.
    pub tokens: (u64, u64, u64, u64),
    pub model: String,
}

pub fn of_document(surface: &str, answer: &Value) -> Said {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let mut said = Said { model: text(&answer["model"]), ..Said::default() };
    let usage = &answer["usage"];
    match surface {
        RESPONSES => {
            assert_eq!((&answer["object"], &answer["store"]), (&json!("response"), &json!(false)));
            for item in answer["output"].as_array().unwrap() {
                match item["type"].as_str().unwrap() {
                    "reasoning" if item["summary"] == json!([]) => {}
                    "reasoning" => said.reasoning.push_str(&text(&item["summary"][0]["text"])),
                    "message" => {
                        let part = &item["content"][0];
                        said.text.push_str(&text(&part["text"]));
                        said.text.push_str(&text(&part["refusal"]));
                    }
                    _ => {
                        let arguments = serde_json::from_str(&text(&item["arguments"])).unwrap();
                        said.calls.push((text(&item["name"]), arguments));
                    }
                }
            }
            said.end = text(&answer["status"]);
            said.tokens = (
                number(&usage["input_tokens"]),
                number(&usage["input_tokens_details"]["cached_tokens"]),
                number(&usage["output_tokens"]),
                number(&usage["output_tokens_details"]["reasoning_tokens"]),
            );
        }
        COMPLETIONS => {
            assert_eq!(answer["object"], "text_completion");
            let choice = &answer["choices"][0];
            (said.text, said.end) = (text(&choice["text"]), text(&choice["finish_reason"]));
            said.tokens = (
                number(&usage["prompt_tokens"]),
                number(&usage["prompt_tokens_details"]["cached_tokens"]),
                number(&usage["completion_tokens"]),
                number(&usage["completion_tokens_details"]["reasoning_tokens"]),
            );
        }
        _ => {
            assert_eq!(
                (&answer["type"], &answer["role"]),
                (&json!("message"), &json!("assistant"))
            );
            for block in answer["content"].as_array().unwrap() {
                match block["type"].as_str().unwrap() {
                    "thinking" => said.reasoning.push_str(&text(&block["thinking"])),
                    "text" => said.text.push_str(&text(&block["text"])),
                    "tool_use" => said.calls.push((text(&block["name"]), block["input"].clone())),
                    _ => {}
                }
            }
            said.end = text(&answer["stop_reason"]);
            let cached = number(&usage["cache_read_input_tokens"]);
            said.tokens = (
                number(&usage["input_tokens"]) + cached,
                cached,
                number(&usage["output_tokens"]),
                number(&usage["output_tokens_details"]["thinking_tokens"]),
            );
        }
    }
    said
}

/// The answer that a stream adds up to, as the official clients add it up.
pub fn of_stream(surface: &str, stream: &Value) -> Said {
    let events = events(stream);
    match surface {
        RESPONSES => {
            for (number, (name, event)) in events.iter().enumerate() {
                let numbered = (&event["type"], &event["sequence_number"]);
                assert_eq!(numbered, (&json!(name), &json!(number)), "{stream}");
            }
            assert_eq!(events[0].0, "response.created");
            of_document(surface, &events.last().unwrap().1["response"])
        }
        COMPLETIONS => {
            assert_eq!(events.last().unwrap().1, "[DONE]", "{stream}");
            let mut whole = events[events.len() - 2].1.clone();
            let texts = events.iter().filter_map(|(_, e)| e["choices"][0]["text"].as_str());
            let text: String = texts.collect();
            let mut ends = events.iter().map(|(_, e)| &e["choices"][0]["finish_reason"]);
            let end = ends.rfind(|end| end.is_string()).cloned();
            whole["choices"] = json!([{"text": text, "finish_reason": end}]);
            of_document(surface, &whole)
        }
        _ => {
            let mut whole = events[0].1["message"].clone();
            assert_eq!(events[0].0, "message_start", "{stream}");
            assert_eq!(events.last().unwrap().0, "message_stop", "{stream}");
            let mut blocks: Vec<Value> = Vec::new();
            for (name, event) in &events {
                assert_eq!(event["type"], json!(name));
                let at = event["index"].as_u64().map(|index| usize::try_from(index).unwrap());
                let delta = &event["delta"];
                let mut grow = |member: &str, more: &Value| {
                    let block = &mut blocks[at.unwrap()];
                    let so_far = block[member].as_str().unwrap_or_default();
                    block[member] = json!(format!("{so_far}{}", more.as_str().unwrap()));
                };
                match delta["type"].as_str().unwrap_or(name) {
                    "content_block_start" => blocks.push(event["content_block"].clone()),
                    "text_delta" => grow("text", &delta["text"]),
                    "thinking_delta" => grow("thinking", &delta["thinking"]),
                    "input_json_delta" => grow("json", &delta["partial_json"]),
                    "message_delta" => {
                        whole["stop_reason"] = delta["stop_reason"].clone();
                        for (member, count) in event["usage"].as_object().into_iter().flatten() {
                            whole["usage"][member] = count.clone();
                        }
                    }
                    _ => {}
                }
            }
            for block in &mut blocks {
                if let Some(json) = block["json"].as_str() {
                    block["input"] = serde_json::from_str(json).unwrap();
                }
            }
            whole["content"] = json!(blocks);
            of_document(surface, &whole)
        }
    }
}
