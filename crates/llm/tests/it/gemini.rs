use lyceum_llm::ChatRequest;
use lyceum_llm::gemini::GeminiClient;
use serde_json::{Value, json};

use crate::wire::{KEY, Reply, Wire, ask, everything, golden_json, golden_stream, question};

const ANSWER: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"ok\"}]},\
                      \"finishReason\":\"STOP\"}]}\r\n\r\n";

async fn sent(request: ChatRequest) -> Value {
    let wire = Wire::start().await;
    wire.will(Reply::of(ANSWER));
    let client = GeminiClient::at(wire.at(""));
    assert!(ask(&client, request).await.1.is_none());
    wire.last().json()
}

#[tokio::test]
async fn a_request_has_everything_in_the_providers_form() {
    let wire = Wire::start().await;
    wire.will(Reply::of(ANSWER));
    let client = GeminiClient::at(wire.at(""));
    ask(&client, everything("gemini-3-pro-preview")).await;
    let seen = wire.last();
    let call = "POST /v1beta/models/gemini-3-pro-preview:streamGenerateContent?alt=sse";
    assert_eq!(seen.call, call);
    assert_eq!((seen.header("x-goog-api-key"), seen.header("authorization")), (KEY, ""));
    golden_json("gemini.request.json", &seen.json());
}

#[tokio::test]
async fn streams_are_read_however_they_are_cut() {
    let wire = Wire::start().await;
    let client = GeminiClient::at(wire.at("/v1beta"));
    golden_stream(&wire, &client, "gemini").await;
}

#[tokio::test]
async fn a_blocked_prompt_is_a_filtered_answer() {
    let wire = Wire::start().await;
    let blocked = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7},
        "modelVersion": "gemini-2.5-flash"});
    wire.will(Reply::of(format!("data: {blocked}\r\n\r\n")));
    let client = GeminiClient::at(wire.at(""));
    let (events, failure) = ask(&client, question("gemini-2.5-flash")).await;
    assert!(failure.is_none(), "{failure:?}");
    assert!(events.ends_with("finished ContentFilter Some((7, 0, 0, 0))"), "{events}");
}

#[tokio::test]
async fn effort_becomes_what_the_model_knows() {
    let with = |model: &str, effort: Option<&str>| {
        let mut request = question(model);
        if let Some(effort) = effort {
            request.extra.insert("reasoning_effort".to_owned(), json!(effort));
        }
        request
    };
    let thinking =
        async |request| sent(request).await["generationConfig"]["thinkingConfig"].clone();
    let found = thinking(with("gemini-2.5-flash", Some("medium"))).await;
    assert_eq!(found, json!({"includeThoughts": true, "thinkingBudget": 8192}));
    let found = thinking(with("gemini-2.5-flash", Some("none"))).await;
    assert_eq!(found, json!({"includeThoughts": false, "thinkingBudget": 0}));
    let found = thinking(with("gemini-3-flash", Some("minimal"))).await;
    assert_eq!(found, json!({"includeThoughts": true, "thinkingLevel": "low"}));
    assert_eq!(thinking(with("gemini-2.5-pro", None)).await, json!({"includeThoughts": true}));
    assert_eq!(thinking(with("gemini-2.0-flash", Some("high"))).await, Value::Null);
    assert_eq!(thinking(with("gemma-3-27b-it", Some("high"))).await, Value::Null);
}

#[tokio::test]
async fn a_model_that_does_not_think_is_asked_again_without() {
    let wire = Wire::start().await;
    let refusal = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT",
        "message": "Thinking is not enabled for models/gemini-2.5-flash-image"}});
    wire.will(Reply::failing(400, &refusal)).will(Reply::of(ANSWER));
    let client = GeminiClient::at(wire.at(""));
    let (_, failure) = ask(&client, question("gemini-2.5-flash-image")).await;
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(wire.last().json()["generationConfig"], json!({}));
}

#[tokio::test]
async fn signatures_come_back_with_their_calls() {
    let call = |extra: Value| {
        json!({"id": "c1", "type": "function",
        "function": {"name": "f", "arguments": "{}"}, "extra_content": extra})
    };
    let turn = |model: &str, extra: Value| {
        serde_json::from_value(json!({"model": model, "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": null, "tool_calls": [call(extra)]},
            {"role": "tool", "tool_call_id": "c1", "content": "r"}]}))
        .unwrap()
    };
    let signed = json!({"google": {"thought_signature": "c2ln"}});
    for (model, extra, expected) in [
        ("gemini-3-pro", signed.clone(), json!("c2ln")),
        ("gemini-3-pro", Value::Null, json!("skip_thought_signature_validator")),
        ("gemini-2.5-pro", Value::Null, Value::Null),
    ] {
        let body = sent(turn(model, extra)).await;
        let part = &body["contents"][1]["parts"][0];
        assert_eq!(part["thoughtSignature"], expected, "{body}");
        let result = json!({"functionResponse": {"name": "f", "response": {"result": "r"}}});
        assert_eq!(body["contents"][2], json!({"role": "user", "parts": [result]}));
    }
}

#[tokio::test]
async fn a_picture_elsewhere_is_fetched_if_it_is_one() {
    let wire = Wire::start().await;
    let client = GeminiClient::at(wire.at(""));
    let request = || {
        let url = format!("{}/picture", wire.origin);
        let part = json!({"type": "image_url", "image_url": {"url": url}});
        serde_json::from_value(
            json!({"model": "m", "messages": [{"role": "user", "content": [part]}]}),
        )
        .unwrap()
    };
    wire.will(Reply::of("bytes").with_header("content-type", "image/jpeg; x=y"));
    wire.will(Reply::of(ANSWER));
    assert!(ask(&client, request()).await.1.is_none());
    let part = &wire.last().json()["contents"][0]["parts"][0];
    assert_eq!(*part, json!({"inlineData": {"mimeType": "image/jpeg", "data": "Ynl0ZXM="}}));
    // Without the provider's key.
    assert_eq!(wire.seen()[0].header("x-goog-api-key"), "");
    wire.will(Reply::of("secret").with_header("content-type", "text/plain"));
    let error = ask(&client, request()).await.1.unwrap();
    assert!(error.to_string().contains("is not a picture"), "{error}");
}
