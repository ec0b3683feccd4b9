//! Every surface to every provider: what is asked goes out in the provider's form, and its recorded
//! answers come back in the surface's.

use futures::StreamExt as _;
use lyceum_llm::anthropic::AnthropicClient;
use lyceum_llm::dify::DifyClient;
use lyceum_llm::gemini::GeminiClient;
use lyceum_llm::ollama::OllamaClient;
use lyceum_llm::openai::OpenAiClient;
use lyceum_llm::responses::ResponsesClient;
use lyceum_llm::surface::chat::{self, Chat};
use lyceum_llm::surface::completions::{self, Completions};
use lyceum_llm::surface::messages::{self, Messages};
use lyceum_llm::surface::responses::{self, Responses};
use lyceum_llm::surface::{Answer, BadRequest, Fault, Head, Writer};
use lyceum_llm::{ChatEvent, ChatModel, ChatRequest, FinishReason, Members, Native, ToolCallDelta};
use serde_json::{Value, json};

use crate::wire::{Reply, Wire, golden, golden_json, question};

/// A client for each recorded stream.
fn providers(wire: &Wire) -> Vec<(&'static str, Box<dyn ChatModel>)> {
    let openai = || Box::new(OpenAiClient::at(wire.at("/v1")));
    vec![
        ("anthropic", Box::new(AnthropicClient::at(wire.at("")))),
        ("deepseek", openai()),
        ("dify", Box::new(DifyClient::at(wire.at("")))),
        ("gemini", Box::new(GeminiClient::at(wire.at("")))),
        ("ollama", Box::new(OllamaClient::at(wire.at("")))),
        ("qwen", openai()),
        ("responses", Box::new(ResponsesClient::at(wire.at("/v1")))),
        ("spark", openai()),
    ]
}

fn head() -> Head {
    Head { seed: "0".repeat(4), created: 7, model: "asked".to_owned() }
}

/// Begins an answer.
type Begin = Box<dyn Fn() -> Box<dyn Writer>>;

fn writers() -> Vec<(&'static str, Begin)> {
    let request = json!({"model": "asked", "input": "hi", "temperature": 0.5, "store": true});
    vec![
        ("chat", Box::new(|| Box::new(Chat::new(head(), true)))),
        ("completions", Box::new(|| Box::new(Completions::new(head(), true)))),
        ("functions", Box::new(|| Box::new(Chat::new(head(), true).in_older_words(true)))),
        ("messages", Box::new(|| Box::new(Messages::new(head())))),
        ("responses", Box::new(move || Box::new(Responses::new(head(), &request)))),
    ]
}

fn recorded(name: &str) -> String {
    std::fs::read_to_string(format!("tests/golden/{name}.stream")).unwrap()
}

/// What a recorded stream says; ids that are made here are told apart from the provider's.
async fn said(wire: &Wire, client: &dyn ChatModel, name: &str) -> Vec<ChatEvent> {
    wire.will(Reply::of(recorded(name)));
    let events = client.chat(question("m")).await.unwrap();
    let named = events.map(|event| match event.unwrap() {
        ChatEvent::ToolCall(call) => ChatEvent::ToolCall(ToolCallDelta {
            id: call.id.map(|id| if id.len() > 20 { "call_made".to_owned() } else { id }),
            ..call
        }),
        other => other,
    });
    named.collect().await
}

#[tokio::test]
async fn recorded_answers_come_in_the_form_of_every_surface() {
    let wire = Wire::start().await;
    for (provider, client) in providers(&wire) {
        let events = said(&wire, client.as_ref(), provider).await;
        for (surface, writer) in writers() {
            let mut streaming = writer();
            let stream: String =
                events.iter().map(|event| streaming.write(event.clone())).collect();
            golden(&format!("surfaces/{surface}.{provider}.stream"), &stream);
            let mut answer = Answer::new("0".repeat(4));
            events.iter().for_each(|event| answer.take(event.clone()));
            let document = writer().document(answer);
            golden_json(&format!("surfaces/{surface}.{provider}.json"), &document);
        }
    }
}

/// The events of a stream: their names and their data.
fn parsed(stream: &str) -> Vec<(String, Value)> {
    let events = stream.split("\n\n").filter(|event| !event.is_empty());
    events
        .map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let name = name.strip_prefix("event: ").unwrap().to_owned();
            (name, serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap())
        })
        .collect()
}

/// Adds a stream of the Responses API up as its official clients do.
fn accumulated(stream: &str) -> (Value, Value) {
    let events = parsed(stream);
    let mut output: Vec<Value> = Vec::new();
    let mut done = Vec::new();
    for (number, (name, event)) in events.iter().enumerate() {
        assert_eq!((&event["type"], &event["sequence_number"]), (&json!(name), &json!(number)));
        let at = |event: &Value| usize::try_from(event["output_index"].as_u64().unwrap()).unwrap();
        let push = |target: &mut Value, more: &Value| {
            *target = json!(format!("{}{}", target.as_str().unwrap(), more.as_str().unwrap()));
        };
        match name.as_str() {
            "response.output_item.added" => {
                assert_eq!(at(event), output.len());
                output.push(event["item"].clone());
            }
            "response.content_part.added" => {
                let item = &mut output[at(event)];
                assert_eq!(item["id"], event["item_id"]);
                item["content"] = json!([event["part"]]);
            }
            "response.reasoning_summary_part.added" => {
                output[at(event)]["summary"] = json!([event["part"]]);
            }
            "response.output_text.delta" => {
                push(&mut output[at(event)]["content"][0]["text"], &event["delta"]);
            }
            "response.refusal.delta" => {
                push(&mut output[at(event)]["content"][0]["refusal"], &event["delta"]);
            }
            "response.reasoning_summary_text.delta" => {
                push(&mut output[at(event)]["summary"][0]["text"], &event["delta"]);
            }
            "response.function_call_arguments.delta" => {
                push(&mut output[at(event)]["arguments"], &event["delta"]);
            }
            "response.output_item.done" => {
                let mut item = output[at(event)].clone();
                if item.get("status").is_some() {
                    item["status"] = event["item"]["status"].clone();
                }
                assert_eq!(item, event["item"], "the pieces make the item");
                done.push(event["item"].clone());
            }
            _ => {}
        }
    }
    assert_eq!(events[0].0, "response.created");
    assert_eq!(events[1].0, "response.in_progress");
    (json!(done), events.last().unwrap().1["response"].clone())
}

#[tokio::test]
async fn a_stream_adds_up_to_the_answer_in_one_piece() {
    let wire = Wire::start().await;
    for (provider, client) in providers(&wire) {
        let events = said(&wire, client.as_ref(), provider).await;
        let whole = |mut writer: Box<dyn Writer>| {
            let mut answer = Answer::new("0".repeat(4));
            events.iter().for_each(|event| answer.take(event.clone()));
            writer.document(answer)
        };
        let request = json!({"input": "hi"});
        let mut writer = Responses::new(head(), &request);
        let stream: String = events.iter().map(|event| writer.write(event.clone())).collect();
        let (items, last) = accumulated(&stream);
        let document = whole(Box::new(Responses::new(head(), &request)));
        assert_eq!((&items, &last), (&document["output"], &document), "{provider}");

        let mut writer = Messages::new(head());
        let stream: String = events.iter().map(|event| writer.write(event.clone())).collect();
        let document = whole(Box::new(Messages::new(head())));
        let mut content: Vec<Value> = Vec::new();
        let mut json = String::new();
        let events = parsed(&stream);
        for (name, event) in &events {
            let block = content.last_mut();
            match (name.as_str(), event["delta"]["type"].as_str()) {
                ("content_block_start", _) => {
                    assert_eq!(event["index"], content.len(), "{provider}");
                    content.push(event["content_block"].clone());
                }
                (_, Some("text_delta")) => grow(block.unwrap(), "text", event),
                (_, Some("thinking_delta")) => grow(block.unwrap(), "thinking", event),
                (_, Some("signature_delta")) => {
                    block.unwrap()["signature"] = event["delta"]["signature"].clone();
                }
                (_, Some("input_json_delta")) => {
                    json.push_str(event["delta"]["partial_json"].as_str().unwrap());
                }
                ("content_block_stop", _) if !json.is_empty() => {
                    block.unwrap()["input"] = serde_json::from_str(&json).unwrap();
                    json.clear();
                }
                _ => {}
            }
        }
        assert_eq!(json!(content), document["content"], "{provider}");
        let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..2], ["message_start", "ping"], "{provider}");
        assert_eq!(names[names.len() - 2..], ["message_delta", "message_stop"], "{provider}");
        let end = &events[events.len() - 2].1;
        assert_eq!(end["delta"]["stop_reason"], document["stop_reason"], "{provider}");
        assert_eq!(end["usage"], document["usage"], "{provider}");
    }
}

/// Adds the delta of an event to a member of a block.
fn grow(block: &mut Value, name: &str, event: &Value) {
    let more = event["delta"][name].as_str().unwrap();
    block[name] = json!(format!("{}{more}", block[name].as_str().unwrap()));
}

/// Calls in parallel are mostly written one after the other, but some come in turns.
#[test]
fn calls_that_come_in_turns_are_whole() {
    let piece = |index, id: Option<&str>, arguments: &str| {
        ChatEvent::ToolCall(ToolCallDelta {
            index,
            id: id.map(str::to_owned),
            name: id.map(|_| "f".to_owned()),
            arguments: arguments.to_owned(),
            extra_content: None,
        })
    };
    let events = [
        piece(0, Some("a"), "{\"x\":"),
        piece(1, Some("b"), "{}"),
        piece(0, None, "1}"),
        piece(2, Some("c"), "{\"y\":"),
        ChatEvent::Finished { reason: FinishReason::Length, usage: None },
    ];
    let mut writer = Responses::new(head(), &json!({}));
    let stream: String = events.iter().map(|event| writer.write(event.clone())).collect();
    let (_, last) = accumulated(&stream);
    let items: Vec<_> = last["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["arguments"].as_str().unwrap(), item["status"].as_str().unwrap()))
        .collect();
    let expected = [("{\"x\":1}", "completed"), ("{}", "completed"), ("{\"y\":", "incomplete")];
    assert_eq!(items, expected);
    let done = parsed(&stream).into_iter().filter(|(name, _)| name.ends_with("_arguments.done"));
    let done: Vec<_> = done.map(|(_, event)| event["arguments"].clone()).collect();
    assert_eq!(done, ["{\"x\":1}", "{}", "{\"y\":"]);

    let mut writer = Messages::new(head());
    let stream: String = events.iter().map(|event| writer.write(event.clone())).collect();
    let steps: Vec<_> = parsed(&stream)
        .into_iter()
        .filter(|(name, _)| name.starts_with("content_block"))
        .map(|(name, event)| {
            format!("{} {}", name.trim_start_matches("content_block_"), event["index"])
        })
        .collect();
    let expected = [
        "start 0", "delta 0", "start 1", "delta 1", "delta 0", "stop 0", "stop 1", "start 2",
        "delta 2", "stop 2",
    ];
    assert_eq!(steps, expected);
}

/// OpenAI's surfaces have a place for what a model says when it refuses.
#[test]
fn a_refusal_of_the_model_has_its_place() {
    let events = [
        ChatEvent::Started { id: "c".to_owned(), model: "m".to_owned() },
        ChatEvent::Refusal("No".to_owned()),
        ChatEvent::Refusal(".".to_owned()),
        ChatEvent::Finished { reason: FinishReason::ContentFilter, usage: None },
    ];
    let done = json!("completed");
    let mut answer = Answer::new("0");
    events.iter().for_each(|event| answer.take(event.clone()));
    let choice = Chat::new(head(), false).document(answer.clone())["choices"][0].clone();
    let message = json!({"role": "assistant", "content": null, "refusal": "No."});
    assert_eq!((&choice["message"], &choice["finish_reason"]), (&message, &json!("stop")));
    let mut writer = Chat::new(head(), false);
    let stream: String = events.iter().map(|event| writer.write(event.clone())).collect();
    assert!(stream.contains(r#""delta":{"refusal":"No"}"#), "{stream}");
    assert!(stream.contains(r#""delta":{},"finish_reason":"stop""#), "{stream}");
    let response = Responses::new(head(), &json!({})).document(answer.clone());
    let part = json!({"type": "refusal", "refusal": "No."});
    assert_eq!(response["output"][0]["content"], json!([part]));
    assert_eq!((&response["status"], &response["output"][0]["status"]), (&done, &done));
    assert_eq!(response["incomplete_details"], Value::Null);
    let mut writer = Responses::new(head(), &json!({}));
    let stream: String = events.iter().map(|event| writer.write(event.clone())).collect();
    let (items, last) = accumulated(&stream);
    assert_eq!((&items, &last), (&response["output"], &response));
    let ends = parsed(&stream).into_iter().filter(|(name, _)| name == "response.refusal.done");
    assert_eq!(ends.map(|(_, event)| event["refusal"].clone()).collect::<Vec<_>>(), ["No."]);
    // Elsewhere it is a text, and the reason to end.
    let message = Messages::new(head()).document(answer);
    assert_eq!(message["content"], json!([{"type": "text", "text": "No."}]));
    assert_eq!(message["stop_reason"], "refusal");
}

/// Servers that say 0 of every call, or nothing, mean as many calls as they give ids.
#[tokio::test]
async fn calls_that_are_badly_numbered_stay_apart_on_every_surface() {
    let wire = Wire::start().await;
    let client = OpenAiClient::at(wire.at("/v1"));
    for index in [json!(0), Value::Null] {
        let piece = |id: Option<&str>, arguments: &str| {
            let name = id.map(|_| "f");
            let function = json!({"name": name, "arguments": arguments});
            let call = json!({"index": index, "id": id, "function": function});
            format!(
                "data: {}\n\n",
                json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})
            )
        };
        let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]});
        let pieces = [piece(Some("a"), "{\"x\":"), piece(None, "1}"), piece(Some("b"), "{}")];
        wire.will(Reply::of(format!("{}data: {end}\n\ndata: [DONE]\n\n", pieces.concat())));
        let events: Vec<ChatEvent> =
            client.chat(question("m")).await.unwrap().map(Result::unwrap).collect().await;
        let mut answer = Answer::new("0");
        events.iter().for_each(|event| answer.take(event.clone()));
        let chat = Chat::new(head(), false).document(answer.clone());
        let calls = &chat["choices"][0]["message"]["tool_calls"];
        assert_eq!((&calls[0]["id"], &calls[1]["id"]), (&json!("a"), &json!("b")), "{index}");
        assert_eq!(calls[0]["function"]["arguments"], "{\"x\":1}");
        let message = Messages::new(head()).document(answer.clone());
        let blocks = json!([{"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
            {"type": "tool_use", "id": "b", "name": "f", "input": {}}]);
        assert_eq!(message["content"], blocks, "{index}");
        let response = Responses::new(head(), &json!({})).document(answer);
        let items = response["output"].as_array().unwrap().iter();
        let items: Vec<_> = items.map(|item| (&item["call_id"], &item["arguments"])).collect();
        let (first, second) = (json!("{\"x\":1}"), json!("{}"));
        assert_eq!(items, [(&json!("a"), &first), (&json!("b"), &second)], "{index}");
        let mut writer = Chat::new(head(), false);
        let stream: String = events.iter().map(|event| writer.write(event.clone())).collect();
        assert!(stream.contains(r#"{"index":1,"id":"b""#), "{stream}");
    }
}

/// The answer to a request that says nothing.
async fn send(client: &dyn Native, streamed: bool) -> reqwest::Response {
    client.send(&[], "{}".into(), &mut Members::new(), streamed).await.unwrap().response
}

/// What is passed on is what came, and what it says is what the port would have said.
#[tokio::test]
async fn a_providers_own_form_is_passed_on_as_it_came() {
    let wire = Wire::start().await;
    let anthropic = AnthropicClient::at(wire.at(""));
    let openai = ResponsesClient::at(wire.at("/v1"));
    let clients: [(&str, &dyn Native, &dyn ChatModel); 2] =
        [("anthropic", &anthropic, &anthropic), ("responses", &openai, &openai)];
    for (name, native, port) in clients {
        let stream = recorded(name);
        let lines: Vec<&str> =
            stream.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        let events = said(&wire, port, name).await;
        wire.will(Reply::byte_by_byte(&stream));
        let response = send(native, true).await;
        let passed: Vec<_> = native.pass(response).map(Result::unwrap).collect().await;
        let data: Vec<&String> = passed.iter().flat_map(|piece| &piece.data).collect();
        assert_eq!(data, lines, "{name}");
        let said: Vec<_> = passed.into_iter().flat_map(|piece| piece.events).collect();
        assert_eq!(said, events, "{name}");
        // Wherever it is cut, it is never taken for whole that is not.
        for cut in (0..stream.len()).step_by(7) {
            wire.will(Reply::breaking_after(&stream.as_bytes()[..cut]));
            let response = send(native, true).await;
            let passed: Vec<_> = native.pass(response).collect().await;
            let said: Vec<_> =
                passed.iter().flatten().flat_map(|piece| piece.events.clone()).collect();
            match passed.last().unwrap() {
                Ok(_) => assert_eq!(said.len(), events.len(), "{name} cut at {cut}"),
                Err(_) => assert_eq!(said, events[..said.len()], "{name} cut at {cut}"),
            }
        }
    }
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "no"}});
    wire.will(Reply::of(error.to_string()));
    let response = send(&anthropic, false).await;
    let error = anthropic.whole(response).await.unwrap_err();
    assert_eq!(error.to_string(), "the provider failed with status 529: no");
}

#[path = "surfaces/requests.rs"]
mod requests;
