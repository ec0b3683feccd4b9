use lyceum_llm::LlmError;
use lyceum_llm::responses::ResponsesClient;
use serde_json::json;

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
    assert_eq!(events, "text \"No.\"\nfinished ContentFilter None");
}

#[tokio::test]
async fn what_a_model_refuses_is_left_out() {
    let wire = Wire::start().await;
    let refusal = json!({"error": {"type": "invalid_request_error",
        "message": "Unsupported parameter: 'temperature' is not supported with this model."}});
    wire.will(Reply::failing(400, &refusal)).will(Reply::of(ANSWER));
    let mut request = question("gpt-5");
    request.temperature = Some(0.5);
    assert!(ask(&ResponsesClient::at(wire.at("/v1")), request).await.1.is_none());
    assert!(wire.last().json().get("temperature").is_none());
}
