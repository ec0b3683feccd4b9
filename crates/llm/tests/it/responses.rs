use lyceum_llm::responses::ResponsesClient;
use lyceum_llm::{ChatModel as _, LlmError};
use serde_json::{Value, json};

use crate::wire::{Reply, Wire, ask, everything, golden_json, golden_stream, question};

const ANSWER: &str = "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\"}}\n\n";

#[tokio::test]
async fn a_request_has_everything_in_the_providers_form() {
    let wire = Wire::start().await;
    wire.will(Reply::of(ANSWER));
    let mut request = everything("gpt-5");
    request.extra.insert("reasoning_effort".to_owned(), json!("low"));
    ask(&ResponsesClient::at(wire.at("/v1")), request).await;
    let seen = wire.last();
    assert_eq!(seen.call, "POST /v1/responses");
    golden_json("responses.request.json", &seen.json());
}

#[tokio::test]
async fn streams_are_read_however_they_are_cut() {
    let wire = Wire::start().await;
    golden_stream(&wire, &ResponsesClient::at(wire.at("/v1")), "responses").await;
}

#[tokio::test]
async fn failures_inside_a_stream_are_what_they_say() {
    let wire = Wire::start().await;
    let client = ResponsesClient::at(wire.at("/v1"));
    let failed = json!({"type": "response.failed", "response": {"id": "r", "status": "failed",
        "error": {"code": "rate_limit_exceeded", "message": "slow down"}}});
    wire.will(Reply::of(format!("data: {failed}\n\n")));
    let failure = ask(&client, question("m")).await.1;
    assert!(matches!(failure, Some(LlmError::RateLimited { .. })), "{failure:?}");
    let error = json!({"type": "error", "code": "context_length_exceeded", "message": "too long",
        "param": null, "sequence_number": 1});
    wire.will(Reply::of(format!("data: {error}\n\n")));
    let failure = ask(&client, question("m")).await.1;
    assert!(matches!(failure, Some(LlmError::ContextLength(_))), "{failure:?}");
    let incomplete = json!({"type": "response.incomplete", "response": {"id": "r",
        "incomplete_details": {"reason": "max_output_tokens"},
        "usage": {"input_tokens": 1, "output_tokens": 2}}});
    wire.will(Reply::of(format!("data: {incomplete}\n\n")));
    let (events, _) = ask(&client, question("m")).await;
    assert_eq!(events, "finished Length Some((1, 0, 2, 0))");
}

#[tokio::test]
async fn a_refusal_is_said_and_is_the_reason() {
    let wire = Wire::start().await;
    let said = json!({"type": "response.refusal.delta", "output_index": 0, "delta": "No."});
    let end = json!({"type": "response.completed", "response": {"id": "r"}});
    wire.will(Reply::of(format!("data: {said}\n\ndata: {end}\n\n")));
    let (events, _) = ask(&ResponsesClient::at(wire.at("/v1")), question("m")).await;
    assert_eq!(events, "refusal \"No.\"\nfinished ContentFilter None");
}

#[tokio::test]
async fn what_a_model_refuses_is_left_out() {
    let wire = Wire::start().await;
    let refusal = json!({"error": {"type": "invalid_request_error",
        "message": "Unsupported parameter: 'temperature' is not supported with this model."}});
    wire.will(Reply::failing(400, &refusal)).will(Reply::of(ANSWER));
    let mut request = question("gpt-5");
    request.temperature = Some(0.5);
    let client = ResponsesClient::at(wire.at("/v1"));
    assert!(ask(&client, request.clone()).await.1.is_none());
    assert!(wire.last().json().get("temperature").is_none());
    wire.will(Reply::of(ANSWER));
    assert!(ask(&client, request).await.1.is_none());
    assert_eq!(wire.seen().len(), 3);
    assert_eq!(client.left_out_of("gpt-5"), ["temperature"]);
}

/// A question with a tool, and with these turns behind it.
fn with_turns(turns: &[Value]) -> lyceum_llm::ChatRequest {
    let mut messages = vec![json!({"role": "user", "content": "hi"})];
    messages.extend_from_slice(turns);
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {}}});
    let request = json!({"model": "gpt-5", "messages": messages, "tools": [tool]});
    serde_json::from_value(request).unwrap()
}

#[tokio::test]
async fn the_reasoning_behind_a_call_goes_back_with_it() {
    let wire = Wire::start().await;
    let client = ResponsesClient::at(wire.at("/v1"));
    let thought = json!({"type": "reasoning", "id": "rs_1", "status": "completed", "content": null,
        "summary": [], "encrypted_content": "gAAA"});
    let call = json!({"type": "function_call", "call_id": "c1", "name": "f", "arguments": ""});
    let events = [
        json!({"type": "response.output_item.done", "output_index": 0, "item": thought}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": call}),
    ];
    let events: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    wire.will(Reply::of(events + ANSWER));
    let (said, _) = ask(&client, with_turns(&[])).await;
    let sealed = json!({"type": "reasoning", "id": "rs_1", "summary": [],
        "encrypted_content": "gAAA"});
    let extra = json!({"openai": {"reasoning": [sealed]}});
    assert!(said.contains(&format!(r#"call 0 Some("c1") Some("f") "" {extra}"#)), "{said}");
    assert_eq!(wire.last().json()["include"], json!(["reasoning.encrypted_content"]));

    let picture = json!([{"type": "text", "text": "seen"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}}]);
    let turns = [
        json!({"role": "assistant", "content": null, "tool_calls": [{"id": "c1",
            "type": "function", "function": {"name": "f", "arguments": "{}"},
            "extra_content": extra}]}),
        json!({"role": "tool", "tool_call_id": "c1", "content": picture}),
    ];
    let refusal = json!({"error": {"message":
        "The encrypted content gAAA could not be verified."}});
    wire.will(Reply::failing(400, &refusal)).will(Reply::of(ANSWER));
    assert!(ask(&client, with_turns(&turns)).await.1.is_none());
    let seen = wire.seen();
    let first = seen[seen.len() - 2].json();
    assert_eq!(first["input"][1], sealed);
    assert_eq!(
        (&first["input"][2]["type"], &first["input"][2]["call_id"]),
        (&json!("function_call"), &json!("c1"))
    );
    let output = json!([{"type": "input_text", "text": "seen"}, {"type": "input_image",
        "image_url": "https://example.com/a.png", "detail": "high"}]);
    assert_eq!(first["input"][3]["output"], output);
    // Another account cannot open it.
    assert_eq!(seen.last().unwrap().json()["input"][1], first["input"][2]);
}

#[tokio::test]
async fn a_model_without_reasoning_is_asked_for_none() {
    let wire = Wire::start().await;
    let client = ResponsesClient::at(wire.at("/v1"));
    let refusal = json!({"error": {"message":
        "Encrypted content is not supported with this model.", "param": "include"}});
    wire.will(Reply::failing(400, &refusal)).will(Reply::of(ANSWER)).will(Reply::of(ANSWER));
    for _ in 0..2 {
        assert!(ask(&client, with_turns(&[])).await.1.is_none());
        assert!(wire.last().json().get("include").is_none());
    }
    assert_eq!(wire.seen().len(), 3);
}
