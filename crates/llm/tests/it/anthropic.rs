use lyceum_llm::LlmError;
use lyceum_llm::anthropic::AnthropicClient;
use serde_json::{Value, json};

use crate::wire::{KEY, Reply, Wire, ask, everything, golden_json, golden_stream, question};

const ANSWER: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",",
    "\"model\":\"m\",\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":",
    "\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

async fn sent(request: lyceum_llm::ChatRequest) -> Value {
    let wire = Wire::start().await;
    wire.will(Reply::of(ANSWER));
    let client = AnthropicClient::at(wire.at(""));
    assert!(ask(&client, request).await.1.is_none());
    wire.last().json()
}

#[tokio::test]
async fn a_request_has_everything_in_the_providers_form() {
    let wire = Wire::start().await;
    wire.will(Reply::of(ANSWER));
    let client = AnthropicClient::at(wire.at("/"));
    ask(&client, everything("claude-sonnet-4-5")).await;
    let seen = wire.last();
    assert_eq!(seen.call, "POST /v1/messages");
    assert_eq!((seen.header("x-api-key"), seen.header("authorization")), (KEY, ""));
    assert_eq!(seen.header("anthropic-version"), "2023-06-01");
    golden_json("anthropic.request.json", &seen.json());
}

#[tokio::test]
async fn streams_are_read_however_they_are_cut() {
    let wire = Wire::start().await;
    let client = AnthropicClient::at(wire.at("/v1"));
    golden_stream(&wire, &client, "anthropic").await;
}

#[tokio::test]
async fn effort_becomes_what_the_model_knows() {
    let mut request = question("claude-opus-4-7");
    request.temperature = Some(0.5);
    request.extra.insert("reasoning_effort".to_owned(), json!("high"));
    let body = sent(request.clone()).await;
    assert_eq!(body["thinking"], json!({"type": "adaptive", "display": "summarized"}));
    assert_eq!(body["output_config"], json!({"effort": "high"}));
    assert!(body.get("temperature").is_none(), "{body}");
    request.model = "claude-sonnet-4-5".to_owned();
    request.max_tokens = Some(100);
    let body = sent(request.clone()).await;
    assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": 1024}));
    assert_eq!(body["max_tokens"], 2048);
    request.extra.insert("reasoning_effort".to_owned(), json!("none"));
    let body = sent(request).await;
    assert!(body.get("thinking").is_none(), "{body}");
    assert_eq!(body["temperature"], 0.5);
}

#[tokio::test]
async fn thinking_comes_back_with_its_calls_or_is_left_out() {
    let turn = |extra: Value| {
        let call = json!({"id": "c1", "type": "function",
            "function": {"name": "f", "arguments": "{}"}, "extra_content": extra});
        serde_json::from_value(json!({"model": "claude-opus-4-6", "reasoning_effort": "low",
            "messages": [{"role": "user", "content": "q"},
                {"role": "assistant", "content": null, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": "r"}]}))
        .unwrap()
    };
    let block = json!({"type": "thinking", "thinking": "hm", "signature": "c2ln"});
    let body = sent(turn(json!({"anthropic": {"thinking": [block]}}))).await;
    assert_eq!(body["messages"][1]["content"][0], block);
    assert_eq!(body["messages"][1]["content"][1]["type"], "tool_use");
    assert_eq!(body["thinking"]["type"], "adaptive");
    let body = sent(turn(Value::Null)).await;
    assert!(body.get("thinking").is_none(), "{body}");
}

#[tokio::test]
async fn what_is_to_be_cached_is_marked() {
    let mark = json!({"type": "ephemeral"});
    let marked = json!([{"type": "text", "text": "long", "cache_control": mark},
        {"type": "text", "text": "short"}]);
    let request = json!({"model": "claude-sonnet-4-5", "response_format": {"type": "json_object"},
        "messages": [{"role": "system", "content": marked}, {"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"},
                "cache_control": mark}, {"type": "text", "text": "q"}]}]});
    let body = sent(serde_json::from_value(request).unwrap()).await;
    assert_eq!(body["system"][0], marked[0]);
    assert_eq!(body["system"][1], marked[1]);
    assert_eq!(body["system"][2]["text"], "Answer with one JSON object and nothing else.");
    let blocks = &body["messages"][0]["content"];
    assert_eq!((&blocks[0]["type"], &blocks[0]["cache_control"]), (&json!("image"), &mark));
    assert_eq!(blocks[1], json!({"type": "text", "text": "q"}));
}

#[tokio::test]
async fn sampling_that_a_model_refuses_is_left_out() {
    let wire = Wire::start().await;
    let refusal = json!({"type": "error", "error": {"type": "invalid_request_error",
        "message": "temperature: is not supported by this model"}});
    wire.will(Reply::failing(400, &refusal)).will(Reply::of(ANSWER));
    let client = AnthropicClient::at(wire.at(""));
    let mut request = question("m");
    request.temperature = Some(0.5);
    assert!(ask(&client, request.clone()).await.1.is_none());
    let seen = wire.seen();
    assert_eq!(seen[0].json()["temperature"], 0.5);
    assert!(seen[1].json().get("temperature").is_none());
    // Once only.
    wire.will(Reply::failing(400, &refusal)).will(Reply::failing(400, &refusal));
    let error = ask(&client, request).await.1.unwrap();
    assert!(matches!(error, LlmError::Rejected(_)), "{error}");
}

#[tokio::test]
async fn all_pages_of_models_are_listed() {
    let wire = Wire::start().await;
    let first = json!({"data": [{"id": "b"}], "has_more": true, "last_id": "b"});
    let second = json!({"data": [{"id": "a"}], "has_more": false});
    wire.will(Reply::of(first.to_string())).will(Reply::of(second.to_string()));
    let client = AnthropicClient::at(wire.at(""));
    assert_eq!(client.models().await.unwrap(), ["a", "b"]);
    assert_eq!(wire.last().call, "GET /v1/models?limit=1000&after_id=b");
}
